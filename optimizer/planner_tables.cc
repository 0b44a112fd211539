#include <algorithm>

#include "optimizer/planner_data.h"

namespace linkpilot::optimizer {
namespace {

// The hops of a candidate, from the node outwards, and what the media meets on them.
CandidatePath path_of(const PlannerState::Data& data, Direction direction, std::size_t me,
                      std::size_t target, const Candidate& candidate, PathUnits cost) {
  CandidatePath path;
  path.loop_free = candidate.loop_free;
  path.cost_us = std::uint64_t{cost} * 100;
  std::size_t at = me;
  const auto hop_to = [&](std::size_t next, bool other_ports) {
    const Crossing& crossing =
        direction == Direction::push ? data.costs.at(at, next) : data.costs.at(next, at);
    const PortPair& pair = other_ports ? crossing.other : crossing.first;
    const bool outwards = direction == Direction::push;
    path.hops.push_back({data.nodes[next].node.id, outwards ? pair.near : pair.far,
                         outwards ? pair.far : pair.near});
    path.delay += pair.delay;
    at = next;
  };
  for (const std::uint16_t relay : {candidate.first, candidate.second}) {
    if (relay == kNoRelay) continue;
    hop_to(relay, false);
    path.delay += std::chrono::microseconds(std::int64_t{data.relay_cost[relay]} * 100);
  }
  hop_to(target, candidate.other_ports);
  return path;
}

std::vector<NodeName> names_of(const PlannerState::Data& data) {
  std::vector<NodeName> names;
  names.reserve(data.size());
  for (const NodeView& view : data.nodes) {
    const Node& node = view.node;
    NodeName name{node.id, node.name, node.region, node.media_base, {}};
    for (const Port& port : node.ports) {
      if (name.port_addresses.size() <= port.index.value) {
        name.port_addresses.resize(std::size_t{port.index.value} + 1);
      }
      name.port_addresses[port.index.value] = port.advertised.to_string();
    }
    names.push_back(std::move(name));
  }
  return names;
}

RouteTable build_table(const PlannerState::Data& data, const ListSet& lists, const Policy& policy,
                       const std::vector<NodeName>& names, std::size_t me) {
  const CandidateInput input = data.input(policy, {});
  RouteTable table;
  table.node = data.nodes[me].node.id;
  table.nodes = names;
  for (const Direction direction : {Direction::push, Direction::pull}) {
    for (std::size_t target = 0; target < data.size(); ++target) {
      if (target == me) continue;
      Route route{data.nodes[target].node.id, direction, {}};
      for (const Candidate& candidate : lists.at(direction, me, target).view()) {
        const PathUnits cost = candidate_cost(input, direction, me, target, candidate);
        if (cost == kUnreachable) continue;
        route.candidates.push_back(path_of(data, direction, me, target, candidate, cost));
      }
      if (!route.candidates.empty()) {
        table.routes.push_back(std::move(route));
        continue;
      }
      const std::string reason =
          direction == Direction::push ? "no usable path to it" : "no usable path from it";
      const auto known =
          std::ranges::find(table.dropped, data.nodes[target].node.id, &DroppedTarget::target);
      if (known == table.dropped.end()) {
        table.dropped.push_back({data.nodes[target].node.id, reason});
      } else {
        known->reason += ", " + reason;
      }
    }
  }
  std::ranges::sort(table.dropped, {}, &DroppedTarget::target);
  return table;
}

bool same_routes(const std::vector<Route>& a, const std::vector<Route>& b) {
  const auto same_path = [](const CandidatePath& x, const CandidatePath& y) {
    return x.hops == y.hops && x.loop_free == y.loop_free;
  };
  return std::ranges::equal(a, b, [&](const Route& x, const Route& y) {
    return x.target == y.target && x.direction == y.direction &&
           std::ranges::equal(x.candidates, y.candidates, same_path);
  });
}

}  // namespace

Candidate reversed(const Candidate& path) {
  if (path.second == kNoRelay) return path;
  return {path.second, path.first, path.other_ports, path.loop_free};
}

BuiltTables build_tables(const PlannerState::Data& data, const ListSet& lists, const Policy& policy,
                         const StageTimes& stages, Now now) {
  const std::vector<NodeName> names = names_of(data);
  BuiltTables built;
  built.all.reserve(data.size());
  for (std::size_t me = 0; me < data.size(); ++me) {
    RouteTable table = build_table(data, lists, policy, names, me);
    const auto old = std::ranges::lower_bound(data.tables, table.node, {}, &RouteTable::node);
    const bool known = old != data.tables.end() && old->node == table.node;
    if (known && same_routes(old->routes, table.routes) && old->dropped == table.dropped &&
        old->nodes == table.nodes && now.wall - old->created < policy.valid_soft / 2) {
      built.all.push_back(*old);
      continue;
    }
    table.created = now.wall;
    table.valid_until_soft = now.wall + policy.valid_soft;
    table.valid_until_hard = now.wall + policy.valid_hard;
    table.stages = stages;
    table.stages.solved = now.wall;
    built.changed.push_back(built.all.size());
    built.all.push_back(std::move(table));
  }
  return built;
}

}  // namespace linkpilot::optimizer
