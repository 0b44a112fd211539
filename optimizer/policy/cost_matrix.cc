#include "optimizer/policy/cost_matrix.h"

#include <algorithm>

#include "optimizer/weight/link_cost.h"

namespace linkpilot::optimizer {
namespace {

const Port* find_port(const Node& node, PortIndex index) {
  const auto found = std::ranges::find(node.ports, index, &Port::index);
  return found == node.ports.end() ? nullptr : &*found;
}

PortPair price_pair(const NodeView& from, const NodeView& to, const LinkBelief& belief,
                    const Policy& policy) {
  PortPair pair{belief.link.from.port, belief.link.to.port};
  const Port* near = find_port(from.node, pair.near);
  const Port* far = find_port(to.node, pair.far);
  if (near == nullptr || far == nullptr || !belief.usable() ||
      !link_allowed(from.node, *near, to.node, *far, policy.links)) {
    return pair;
  }
  const LinkContext context{.utilisation = std::max(from.utilisation, to.utilisation)};
  const CostTerms terms = link_cost(belief, context, policy.weights);
  const double cost_ms =
      terms.total.value + link_surcharge_ms(from.node, *near, to.node, *far, policy.links);
  pair.cost = quantise(cost_ms);
  pair.suspect = belief.state == LinkState::suspect;
  pair.unsteady =
      quantise(terms.unsteadiness) == kUnreachable ? PathUnits{0} : quantise(terms.unsteadiness);
  pair.search = quantise(cost_ms + terms.unsteadiness + (pair.suspect ? kSuspectSurchargeMs : 0.0));
  pair.damped = belief.damped;
  pair.damped_left = belief.damped_left;
  pair.delay = belief.delay;
  return pair;
}

bool lower(const PortPair& a, const PortPair& b) {
  if (a.search != b.search) return a.search < b.search;
  return a.near != b.near ? a.near < b.near : a.far < b.far;
}

}  // namespace

Crossing choose_crossing(const NodeView& from, const NodeView& to,
                         std::span<const LinkBelief> links, const Crossing& before,
                         const Policy& policy) {
  std::vector<PortPair> pairs;
  pairs.reserve(links.size());
  for (const LinkBelief& belief : links) {
    const PortPair pair = price_pair(from, to, belief, policy);
    if (pair.usable()) pairs.push_back(pair);
  }
  Crossing crossing;
  if (pairs.empty()) return crossing;
  std::ranges::sort(pairs, lower);
  crossing.first = pairs.front();
  if (before.first.usable()) {
    const auto kept = std::ranges::find_if(pairs, [&](const PortPair& pair) {
      return pair.near == before.first.near && pair.far == before.first.far;
    });
    const double margin = std::max(policy.stability.margin_ms * kUnitsPerMs,
                                   policy.stability.margin_ratio * crossing.first.search);
    if (kept != pairs.end() && kept->search <= crossing.first.search + margin) {
      crossing.first = *kept;
    }
  }
  int shared_best = 3;
  for (const PortPair& pair : pairs) {  // sorted, so the first of each kind is its cheapest
    const int shared =
        (pair.near == crossing.first.near ? 1 : 0) + (pair.far == crossing.first.far ? 1 : 0);
    if (shared < 2 && shared < shared_best) {
      shared_best = shared;
      crossing.other = pair;
    }
  }
  return crossing;
}

PathUnits relay_units(const NodeView& node, const Policy& policy) {
  if (node.drained || policy.relays_max == 0) return kUnreachable;
  const double ms = node.relay_ms >= 0.0 ? node.relay_ms : policy.weights.relay_ms;
  // A free relay is a loop's best friend: at least one unit.
  return std::max<PathUnits>(1, ms > 0.0 ? quantise(ms) : PathUnits{1});
}

}  // namespace linkpilot::optimizer
