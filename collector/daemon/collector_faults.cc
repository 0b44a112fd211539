// What is wrong and worth telling: looked at once a tick, kept in the store, told by mail.
#include <fmt/format.h>

#include "collector/daemon/collector.h"

namespace linkpilot::collector {

namespace {

constexpr std::size_t kPastFaultsHeld = 200;

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

NodeTable Collector::node_table() const {
  NodeTable nodes;
  for (const auto& [id, agent] : agents_) {
    if (!agent.profile) continue;
    NodeFacts facts;
    facts.name = agent.name;
    facts.region = agent.profile->region;
    facts.enrolled = agent.enrolled;
    facts.heard = agent.heard();
    facts.dead = agent.dead;
    facts.dead_reason = agent.dead_reason;
    facts.dead_since = agent.dead_since;
    facts.ports = static_cast<std::uint8_t>(agent.profile->ports.size());
    nodes.emplace(id, std::move(facts));
  }
  return nodes;
}

void Collector::judge_faults(const std::vector<optimizer::LinkBelief>& links, Now now) {
  const NodeTable nodes = node_table();
  for (FaultChange& change : judge_.look({nodes, links, ingest_->histories()}, now)) {
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
  const std::string node = fault.scope == FaultScope::node ? fault.members.front() : "";
  std::string detail =
      fmt::format("{} {} ({}): {}", subject_of(fault), to_string(fault.grade), fault.id,
                  change.event == FaultEvent::resolved ? fault.outcome : fault.detail);
  events_->add({0, clock_.now().wall,
                change.event == FaultEvent::resolved ? EventLevel::info : EventLevel::warn,
                std::string(event_name(change.event)), node, "", std::move(detail)});
}

}  // namespace linkpilot::collector
