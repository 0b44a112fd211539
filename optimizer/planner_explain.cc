#include <algorithm>

#include "optimizer/planner_data.h"

namespace linkpilot::optimizer {
namespace {

struct Context {
  const NetworkView& view;
  const Policy& policy;
  const PlannerState::Data& data;
};

HopExplanation explain_hop(const Context& context, std::size_t from, std::size_t to,
                           bool other_ports) {
  const Crossing& crossing = context.data.costs.at(from, to);
  const PortPair& pair = other_ports ? crossing.other : crossing.first;
  const NodeView& near = context.data.nodes[from];
  const NodeView& far = context.data.nodes[to];
  HopExplanation hop;
  hop.link = {{near.node.id, pair.near}, {far.node.id, pair.far}};
  const auto belief = std::ranges::find(context.view.links, hop.link, &LinkBelief::link);
  if (belief == context.view.links.end()) {
    hop.belief.link = hop.link;
    hop.belief.stale = true;
    return hop;
  }
  hop.belief = *belief;
  hop.terms = link_cost(*belief, {.utilisation = std::max(near.utilisation, far.utilisation)},
                        context.policy.weights);
  return hop;
}

CandidateExplanation explain_path(const Context& context, std::size_t from, std::size_t to,
                                  const Candidate& path) {
  CandidateExplanation explained;
  std::size_t at = from;
  for (const std::uint16_t relay : {path.first, path.second}) {
    if (relay == kNoRelay) continue;
    explained.hops.push_back(explain_hop(context, at, relay, false));
    if (at != from) explained.hops.back().relay_ms = context.data.relay_cost[at] / kUnitsPerMs;
    at = relay;
  }
  explained.hops.push_back(explain_hop(context, at, to, path.other_ports));
  if (at != from) explained.hops.back().relay_ms = context.data.relay_cost[at] / kUnitsPerMs;
  const PathUnits cost =
      candidate_cost(context.data.input(context.policy, {}), Direction::push, from, to, path);
  explained.usable = cost != kUnreachable;
  explained.cost_ms = explained.usable ? cost / kUnitsPerMs : 0.0;
  return explained;
}

std::vector<NodeId> relays_of(const PlannerState::Data& data, const Candidate& path) {
  std::vector<NodeId> ids;
  for (const std::uint16_t relay : {path.first, path.second}) {
    if (relay != kNoRelay) ids.push_back(data.nodes[relay].node.id);
  }
  return ids;
}

}  // namespace

RouteExplanation explain_route(const NetworkView& view, const Policy& policy,
                               const PlannerState& state, NodeId from, NodeId to, Now now) {
  const PlannerState::Data& data = state.data();
  const Context context{view, policy, data};
  RouteExplanation explanation;
  explanation.from = from;
  explanation.to = to;
  const std::size_t a = data.index_of(from);
  const std::size_t b = data.index_of(to);
  if (a == data.size() || b == data.size() || a == b || data.current.nodes != data.size()) {
    return explanation;
  }
  const CandidateList& list = data.current.at(Direction::push, a, b);
  PairMemory memory = data.pairs[a * data.size() + b];
  explanation.since = memory.since;
  if (list.count == 0) return explanation;
  explanation.reachable = true;
  explanation.in_use = explain_path(context, a, b, list.candidates[0]);
  for (const Candidate& path : list.view().subspan(1)) {
    explanation.others.push_back(explain_path(context, a, b, path));
  }
  const PathUnits cost =
      candidate_cost(data.input(policy, {}), Direction::push, a, b, list.candidates[0]);
  const auto suppressed = [&](SuppressionReason reason, const Candidate& path, PathUnits path_cost,
                              Duration left) {
    return Suppression{from,
                       to,
                       reason,
                       relays_of(data, list.candidates[0]),
                       relays_of(data, path),
                       explanation.in_use.cost_ms,
                       path_cost / kUnitsPerMs,
                       left};
  };
  const NodePath best = data.solver.best(a, b);
  const Candidate better{best.first_relay, best.second_relay};
  if (best.reachable() && !better.same_path(list.candidates[0])) {
    explanation.better = explain_path(context, a, b, better);
    const PairDecision decision =
        decide_pair(memory, {.in_use_cost = cost, .best = best, .counts_tick = true},
                    policy.stability, now.mono);
    if (decision.suppressed) {
      explanation.suppressed = suppressed(*decision.suppressed, better, best.cost, decision.left);
    }
    return explanation;
  }
  const auto way = way_over_damped(data, policy, damped_crossings(data), a, b);
  if (way && !way->path.same_path(list.candidates[0]) && cost != kUnreachable &&
      cost - way->undamped > margin_units(cost, policy.stability)) {
    explanation.better = explain_path(context, a, b, way->path);
    explanation.suppressed =
        suppressed(SuppressionReason::damped_link, way->path, way->undamped, way->left);
  }
  return explanation;
}

}  // namespace linkpilot::optimizer
