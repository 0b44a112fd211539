#include "optimizer/guard/guard.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>

namespace linkpilot::optimizer {
namespace {

std::string_view name_of(Direction direction) {
  switch (direction) {
    case Direction::push:
      return "push";
    case Direction::pull:
      return "pull";
    case Direction::unspecified:
      break;
  }
  return "unspecified";
}

// Empty if the path is sound.
std::string path_fault(const CandidatePath& path, NodeId me, NodeId target,
                       std::span<const NodeId> nodes) {
  if (path.hops.empty() || path.hops.size() > kRelaysMax + 1) return "wrong number of hops";
  if (path.hops.back().node != target) return "does not end at its target";
  if (path.cost_us == 0) return "cost is not positive";
  if (path.delay.count() < 0) return "delay is negative";
  for (std::size_t i = 0; i < path.hops.size(); ++i) {
    const Hop& hop = path.hops[i];
    if (hop.node == me) return "comes back to where it started";
    if (!std::ranges::binary_search(nodes, hop.node)) return "crosses an unknown node";
    if (hop.near_port.value >= kPortsPerNodeMax || hop.far_port.value >= kPortsPerNodeMax) {
      return "uses an unknown port";
    }
    for (std::size_t j = 0; j < i; ++j) {
      if (path.hops[j].node == hop.node) return "visits a node twice";
    }
  }
  return {};
}

std::string route_fault(const Route& route, NodeId me, std::span<const NodeId> nodes) {
  if (route.direction == Direction::unspecified) return "has no direction";
  if (route.target == me) return "leads to its own node";
  if (!std::ranges::binary_search(nodes, route.target)) return "leads to an unknown node";
  if (route.candidates.empty()) return "has no candidate";
  if (route.candidates.size() > kCandidatesMax) return "has too many candidates";
  for (const CandidatePath& path : route.candidates) {
    std::string fault = path_fault(path, me, route.target, nodes);
    if (!fault.empty()) return fault;
  }
  return {};
}

std::string table_fault(const RouteTable& table, std::span<const NodeId> nodes) {
  if (!std::ranges::binary_search(nodes, table.node)) return "is for an unknown node";
  const auto key = [](const Route& route) { return std::pair(route.direction, route.target); };
  if (!std::ranges::is_sorted(table.routes, {}, key) ||
      std::ranges::adjacent_find(table.routes, {}, key) != table.routes.end()) {
    return "has routes out of order or twice";
  }
  for (const Route& route : table.routes) {
    const std::string fault = route_fault(route, table.node, nodes);
    if (!fault.empty()) {
      return fmt::format("{} route to node {} {}", name_of(route.direction), route.target.value,
                         fault);
    }
  }
  for (const Direction direction : kDirections) {
    for (const NodeId target : nodes) {
      if (target == table.node) continue;
      if (std::ranges::binary_search(table.routes, std::pair(direction, target), {}, key)) continue;
      const auto dropped = std::ranges::find(table.dropped, target, &DroppedTarget::target);
      if (dropped == table.dropped.end() || dropped->reason.empty()) {
        return fmt::format("leaves node {} out of its {} routes without a reason", target.value,
                           name_of(direction));
      }
    }
  }
  return {};
}

GuardVerdict refuse(std::string reason) { return {false, std::move(reason)}; }

}  // namespace

GuardVerdict check_tables(const GuardInput& input, const GuardPolicy& policy) {
  for (const RouteTable& table : input.tables) {
    const std::string fault = table_fault(table, input.nodes);
    if (!fault.empty()) return refuse(fmt::format("table of node {} {}", table.node.value, fault));
  }
  std::string loop = find_loop(input.tables);
  if (!loop.empty()) return refuse(std::move(loop));
  if (input.forced) return {};
  if (std::uint64_t{input.agents_reporting} * 100 <
      std::uint64_t{input.agents_enrolled} * policy.quorum_percent) {
    return refuse(fmt::format("only {} of {} agents are reporting, {} % are needed",
                              input.agents_reporting, input.agents_enrolled,
                              policy.quorum_percent));
  }
  const double share = input.routes_total == 0 ? 0.0
                                               : static_cast<double>(input.routes_moved) /
                                                     static_cast<double>(input.routes_total);
  if (input.routes_moved > policy.moves_free && share > policy.churn_max) {
    return refuse(fmt::format("{} of {} routes would move, {:.0f} % are allowed at once",
                              input.routes_moved, input.routes_total, policy.churn_max * 100.0));
  }
  return {};
}

}  // namespace linkpilot::optimizer
