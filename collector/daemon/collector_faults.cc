// What is wrong and worth telling: looked at once a tick, kept in the store, told by mail.
#include <fmt/format.h>

#include <algorithm>

#include "collector/daemon/collector.h"
#include "schemas/codec.h"

namespace linkpilot::collector {

namespace {

constexpr std::size_t kPastFaultsHeld = 200;
// An agent that was there before a restart of the collector is not missed for so long.
constexpr Duration kAwaitedFor = std::chrono::seconds(60);

std::string_view event_name(FaultEvent event) {
  switch (event) {
    case FaultEvent::opened:
      return "fault_opened";
    case FaultEvent::updated:
      return "fault_updated";
    case FaultEvent::resolved:
      return "fault_resolved";
  }
  return "fault_opened";
}

}  // namespace

NodeTable Collector::node_table(Now now) const {
  NodeTable nodes;
  for (const auto& [id, agent] : agents_) {
    if (!agent.profile) continue;
    NodeFacts facts;
    facts.name = agent.name;
    facts.region = agent.profile->region;
    facts.enrolled = agent.enrolled;
    facts.heard = agent.heard();
    facts.heard_at = agent.last_heard_at;
    facts.awaited = agent.away() || (agent.state == AgentState::never_seen &&
                                     now.mono - started_mono_ < kAwaitedFor);
    for (const Port& port : agent.profile->ports) facts.isps.push_back(port.isp);
    facts.dead = agent.dead;
    facts.dead_reason = agent.dead_reason;
    facts.dead_since = agent.dead_since;
    facts.ports = static_cast<std::uint8_t>(agent.profile->ports.size());
    nodes.emplace(id, std::move(facts));
  }
  return nodes;
}

std::unique_ptr<Notifier> Collector::make_notifier(Restored& restored) {
  NotifierHooks hooks;
  hooks.background = [this](const Fault& fault) { return background_of(fault); };
  hooks.faults = [this] { return faults_lately(); };
  hooks.fleet = [this] { return fleet_state(); };
  NotifierPast past;
  past.mails = std::move(restored.mails);
  past.rows = std::move(restored.notices);
  past.faults = restored.open_faults;
  past.faults.insert(past.faults.end(), restored.past_faults.begin(), restored.past_faults.end());
  return std::make_unique<Notifier>(loop_,
                                    NotifySettings{config_.mail, config_.alerts, config_.webhook},
                                    *store_, *events_, std::move(hooks), std::move(past));
}

FaultBackground Collector::background_of(const Fault& fault) const {
  FaultBackground background;
  const auto add = [](std::vector<std::string>& into, const std::string& text) {
    if (!text.empty() && std::find(into.begin(), into.end(), text) == into.end()) {
      into.push_back(text);
    }
  };
  for (const NodeId node : fault.nodes) {
    const auto agent = agents_.find(node);
    if (agent != agents_.end() && agent->second.profile) {
      add(background.regions, agent->second.profile->region);
    }
  }
  const auto end_text = [&](PortId id) -> std::string {
    const auto agent = agents_.find(id.node);
    if (agent == agents_.end() || !agent->second.profile) return "";
    for (const Port& port : agent->second.profile->ports) {
      if (port.index != id.port) continue;
      add(background.vendors, port.isp);
      const std::string address = port.advertised.to_string();
      return port.isp.empty() ? address : fmt::format("{} ({})", address, port.isp);
    }
    return "";
  };
  for (const FaultLink& link : fault.links) {
    background.links.push_back(
        {link.link, end_text(link.link.from), end_text(link.link.to), trails_.trail(link.link)});
  }
  return background;
}

std::vector<Fault> Collector::faults_lately() const {
  std::vector<Fault> faults = judge_.open();
  faults.insert(faults.end(), past_faults_.begin(), past_faults_.end());
  return faults;
}

FleetState Collector::fleet_state() const {
  FleetState fleet;
  for (const auto& [id, agent] : agents_) {
    if (!agent.enrolled) continue;
    ++fleet.nodes;
    if (agent.heard()) ++fleet.nodes_heard;
  }
  return fleet;
}

void Collector::judge_faults(Now now) {
  if (!finder_.due(now)) return;
  NodeTable nodes = node_table(now);
  finder_.look(nodes, now);
  for (const ProbeRequest& request : finder_.take_requests()) {
    const auto agent = agents_.find(request.link.from.node);
    if (agent == agents_.end() || !agent->second.connection) continue;
    // Its probes come with the ordinary samples: no answer is waited for.
    entrances_->send(agent->second.connection->connection,
                     schemas::encode(CollectorMessage(request)));
  }
  const FleetFacts facts{nodes, finder_.links(), ingest_->histories(), finder_.causes()};
  for (FaultChange& change : judge_.look(facts, now)) {
    if (change.event == FaultEvent::opened) keep_evidence(change.fault, nodes, now);
    moves_.explain(change.fault, nodes);
    if (change.fault.open()) judge_.note_routes(change.fault);
    notifier_->tell(change, now);
    tell_fault(change);
    if (change.event != FaultEvent::resolved) continue;
    past_faults_.push_back(std::move(change.fault));
    if (past_faults_.size() > kPastFaultsHeld) past_faults_.pop_front();
  }
}

void Collector::keep_evidence(const Fault& fault, const NodeTable& nodes, Now now) {
  if (finder_.evidence() == nullptr || !shelf_.has_room()) return;
  EvidenceRecord record =
      record_evidence(*finder_.evidence(), finder_.diagnosis(), finder_.options(),
                      finder_.maker().index(), nodes, now.wall);
  record.fault = fault.id;
  record.key = fault.key;
  shelf_.put(std::move(record));
}

void Collector::tell_fault(const FaultChange& change) {
  const Fault& fault = change.fault;
  const bool of_node = fault.scope == FaultScope::node || fault.scope == FaultScope::agent;
  const std::string node = of_node ? fault.members.front() : "";
  std::string detail =
      fmt::format("{} {} ({}): {}", subject_of(fault), to_string(fault.grade), fault.id,
                  change.event == FaultEvent::resolved ? fault.outcome : fault.detail);
  events_->add({0, clock_.now().wall,
                change.event == FaultEvent::resolved ? EventLevel::info : EventLevel::warn,
                std::string(event_name(change.event)), node, "", std::move(detail)});
}

}  // namespace linkpilot::collector
