// What is wrong and worth telling: looked at once a tick, kept in the store, told by mail.
#include <fmt/format.h>

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
    facts.awaited = agent.state == AgentState::never_seen && now.mono - started_mono_ < kAwaitedFor;
    for (const Port& port : agent.profile->ports) facts.isps.push_back(port.isp);
    facts.dead = agent.dead;
    facts.dead_reason = agent.dead_reason;
    facts.dead_since = agent.dead_since;
    facts.ports = static_cast<std::uint8_t>(agent.profile->ports.size());
    nodes.emplace(id, std::move(facts));
  }
  return nodes;
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
    moves_.explain(change.fault, nodes);
    if (change.fault.open()) judge_.note_routes(change.fault);
    notifier_->tell(change, now);
    tell_fault(change);
    if (change.event != FaultEvent::resolved) continue;
    past_faults_.push_back(std::move(change.fault));
    if (past_faults_.size() > kPastFaultsHeld) past_faults_.pop_front();
  }
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
