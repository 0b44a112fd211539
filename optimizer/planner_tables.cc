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

// Is this what path_of() would make, but for its figures? Without making it: of a large fleet all
// routes are looked at each tick, and few change.
bool is_path_of(const PlannerState::Data& data, Direction direction, std::size_t me,
                std::size_t target, const Candidate& candidate, const CandidatePath& path) {
  if (path.loop_free != candidate.loop_free) return false;
  std::size_t at = me;
  std::size_t hops = 0;
  const auto hop_is = [&](std::size_t next, bool other_ports) {
    if (hops >= path.hops.size()) return false;
    const Crossing& crossing =
        direction == Direction::push ? data.costs.at(at, next) : data.costs.at(next, at);
    const PortPair& pair = other_ports ? crossing.other : crossing.first;
    const bool outwards = direction == Direction::push;
    at = next;
    return path.hops[hops++] == Hop{data.nodes[next].node.id, outwards ? pair.near : pair.far,
                                    outwards ? pair.far : pair.near};
  };
  for (const std::uint16_t relay : {candidate.first, candidate.second}) {
    if (relay != kNoRelay && !hop_is(relay, false)) return false;
  }
  return hop_is(target, candidate.other_ports) && hops == path.hops.size();
}

// The routes of build_table() are those of `table`, and so are the targets it drops.
bool has_same_routes(const PlannerState::Data& data, const ListSet& lists, const Policy& policy,
                     std::size_t me, const RouteTable& table) {
  const CandidateInput input = data.input(policy, {});
  auto route = table.routes.begin();
  for (const Direction direction : {Direction::push, Direction::pull}) {
    for (std::size_t target = 0; target < data.size(); ++target) {
      if (target == me) continue;
      const bool known = route != table.routes.end() && route->direction == direction &&
                         route->target == data.nodes[target].node.id;
      std::size_t same = 0;
      for (const Candidate& candidate : lists.at(direction, me, target).view()) {
        if (candidate_cost(input, direction, me, target, candidate) == kUnreachable) continue;
        if (!known || same >= route->candidates.size() ||
            !is_path_of(data, direction, me, target, candidate, route->candidates[same++])) {
          return false;
        }
      }
      if (!known) continue;
      if (same != route->candidates.size()) return false;
      ++route;
    }
  }
  return route == table.routes.end();
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

}  // namespace

Candidate reversed(const Candidate& path) {
  if (path.second == kNoRelay) return path;
  return {path.second, path.first, path.other_ports, path.loop_free};
}

std::vector<std::size_t> changed_tables(const PlannerState::Data& data, const ListSet& lists,
                                        const Policy& policy, Now now) {
  const std::vector<NodeName> names = names_of(data);
  std::vector<std::size_t> changed;
  for (std::size_t me = 0; me < data.size(); ++me) {
    const NodeId node = data.nodes[me].node.id;
    const auto old = std::ranges::lower_bound(data.tables, node, {}, &RouteTable::node);
    const bool current = old != data.tables.end() && old->node == node && old->nodes == names &&
                         now.wall - old->created < policy.valid_soft / 2 &&
                         has_same_routes(data, lists, policy, me, *old);
    if (!current) changed.push_back(me);
  }
  return changed;
}

BuiltTables build_tables(const PlannerState::Data& data, const ListSet& lists, const Policy& policy,
                         const StageTimes& stages, Now now, std::vector<std::size_t> changed) {
  const std::vector<NodeName> names = names_of(data);
  BuiltTables built;
  built.all.reserve(data.size());
  auto next = changed.begin();
  for (std::size_t me = 0; me < data.size(); ++me) {
    if (next == changed.end() || *next != me) {
      built.all.push_back(
          *std::ranges::lower_bound(data.tables, data.nodes[me].node.id, {}, &RouteTable::node));
      continue;
    }
    ++next;
    RouteTable table = build_table(data, lists, policy, names, me);
    table.created = now.wall;
    table.valid_until_soft = now.wall + policy.valid_soft;
    table.valid_until_hard = now.wall + policy.valid_hard;
    table.stages = stages;
    table.stages.solved = now.wall;
    built.all.push_back(std::move(table));
  }
  built.changed = std::move(changed);
  return built;
}

}  // namespace linkpilot::optimizer
