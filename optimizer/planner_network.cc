#include <algorithm>
#include <unordered_map>

#include "base/assert.h"
#include "optimizer/planner_data.h"

namespace linkpilot::optimizer {
namespace {

constexpr std::size_t kGone = static_cast<std::size_t>(-1);

// Old index -> new index, kGone where the node left.
std::vector<std::size_t> index_map(const std::vector<NodeView>& before,
                                   const PlannerState::Data& after) {
  std::vector<std::size_t> map;
  map.reserve(before.size());
  for (const NodeView& node : before) {
    const std::size_t index = after.index_of(node.node.id);
    map.push_back(index == after.size() ? kGone : index);
  }
  return map;
}

bool map_relay(std::uint16_t& relay, const std::vector<std::size_t>& map) {
  if (relay == kNoRelay) return true;
  if (map[relay] == kGone) return false;
  relay = static_cast<std::uint16_t>(map[relay]);
  return true;
}

ListSet map_lists(const ListSet& lists, const std::vector<std::size_t>& map, std::size_t nodes) {
  ListSet mapped{nodes, std::vector<CandidateList>(nodes * nodes),
                 std::vector<CandidateList>(nodes * nodes), lists.superseded};
  for (const Direction direction : {Direction::push, Direction::pull}) {
    for (std::size_t me = 0; me < map.size(); ++me) {
      for (std::size_t target = 0; target < map.size(); ++target) {
        if (map[me] == kGone || map[target] == kGone || lists.nodes == 0) continue;
        CandidateList& to = mapped.at(direction, map[me], map[target]);
        for (Candidate path : lists.at(direction, me, target).view()) {
          if (map_relay(path.first, map) && map_relay(path.second, map)) to.add(path);
        }
      }
    }
  }
  return mapped;
}

// The links of one ordered pair of nodes are neighbours after this sort.
using PairKey = std::pair<NodeId, NodeId>;
PairKey pair_of(const LinkBelief& belief) { return {belief.link.from.node, belief.link.to.node}; }

PathProblem problem_of(const PlannerState::Data& data, const Policy& policy) {
  const std::size_t n = data.size();
  PathProblem problem{n, std::vector<PathUnits>(n * n, kUnreachable), data.relay_cost,
                      policy.relays_max};
  for (std::size_t from = 0; from < n; ++from) {
    for (std::size_t to = 0; to < n; ++to) {
      if (from != to) problem.weight[from * n + to] = data.costs.at(from, to).first.search;
    }
  }
  return problem;
}

}  // namespace

std::size_t PlannerState::Data::index_of(NodeId id) const {
  const auto found =
      std::ranges::lower_bound(nodes, id, {}, [](const NodeView& view) { return view.node.id; });
  return found != nodes.end() && found->node.id == id
             ? static_cast<std::size_t>(found - nodes.begin())
             : nodes.size();
}

void adopt_nodes(PlannerState::Data& data, const std::vector<NodeView>& nodes) {
  const auto id_of = [](const NodeView& view) { return view.node.id; };
  std::vector<NodeView> before = std::move(data.nodes);
  data.nodes = nodes;
  std::ranges::sort(data.nodes, {}, id_of);
  LP_ASSERT(std::ranges::adjacent_find(data.nodes, {}, id_of) == data.nodes.end());
  LP_ASSERT(data.nodes.size() <= kSolverNodesMax);
  if (std::ranges::equal(before, data.nodes, {}, id_of, id_of)) return;

  const std::vector<std::size_t> map = index_map(before, data);
  const std::size_t n = data.size();
  const std::size_t old = before.size();
  CostMatrix costs(n);
  std::vector<PairMemory> pairs(n * n);
  std::vector<Candidate> seconds(n * n);
  std::vector<std::uint8_t> has_second(n * n, 0);
  for (std::size_t from = 0; from < old; ++from) {
    for (std::size_t to = 0; to < old; ++to) {
      if (map[from] == kGone || map[to] == kGone) continue;
      const std::size_t was = from * old + to;
      const std::size_t is = map[from] * n + map[to];
      costs.at(map[from], map[to]) = data.costs.at(from, to);
      PairMemory memory = data.pairs[was];
      if (map_relay(memory.first_relay, map) && map_relay(memory.second_relay, map)) {
        pairs[is] = memory;
      }
      Candidate second = data.seconds[was];
      if (data.has_second[was] != 0 && map_relay(second.first, map) &&
          map_relay(second.second, map)) {
        seconds[is] = second;
        has_second[is] = 1;
      }
    }
  }
  data.costs = std::move(costs);
  data.pairs = std::move(pairs);
  data.seconds = std::move(seconds);
  data.has_second = std::move(has_second);
  data.current = map_lists(data.current, map, n);
  for (ListSet& lists : data.superseded) lists = map_lists(lists, map, n);
  std::erase_if(data.tables,
                [&](const RouteTable& table) { return data.index_of(table.node) == data.size(); });
  data.solved = false;
}

void price_and_solve(PlannerState::Data& data, const NetworkView& view, const Policy& policy,
                     const PlanRequest& request) {
  const std::size_t n = data.size();
  std::vector<PathUnits> relay_cost;
  relay_cost.reserve(n);
  for (const NodeView& node : data.nodes) relay_cost.push_back(relay_units(node, policy));
  const bool incremental = request.mode == PlanMode::alarm && data.solved &&
                           relay_cost == data.relay_cost &&
                           data.solver.relays_max() == policy.relays_max;
  data.relay_cost = std::move(relay_cost);

  std::vector<PairKey> wanted;
  for (const LinkId& link : request.changed) wanted.emplace_back(link.from.node, link.to.node);
  std::ranges::sort(wanted);
  std::vector<LinkBelief> links;
  links.reserve(incremental ? wanted.size() : view.links.size());
  for (const LinkBelief& belief : view.links) {
    if (!incremental || std::ranges::binary_search(wanted, pair_of(belief)))
      links.push_back(belief);
  }
  std::ranges::sort(links, {}, &LinkBelief::link);
  const auto pair_less = [](const LinkBelief& a, const LinkBelief& b) {
    return pair_of(a) < pair_of(b);
  };
  std::ranges::stable_sort(links, pair_less);

  std::vector<WeightChange> changes;
  const auto price = [&](std::size_t from, std::size_t to, std::span<const LinkBelief> group) {
    Crossing& crossing = data.costs.at(from, to);
    const PathUnits before = crossing.first.search;
    crossing = choose_crossing(data.nodes[from], data.nodes[to], group, crossing, policy);
    if (crossing.first.search != before) {
      changes.push_back({static_cast<std::uint16_t>(from), static_cast<std::uint16_t>(to),
                         crossing.first.search});
    }
  };
  const auto group_of = [&](PairKey key) {
    const auto range = std::ranges::equal_range(links, key, {}, pair_of);
    return std::span<const LinkBelief>(range.begin(), range.end());
  };
  if (incremental) {
    wanted.erase(std::ranges::unique(wanted).begin(), wanted.end());
    for (const PairKey& key : wanted) {
      const std::size_t from = data.index_of(key.first);
      const std::size_t to = data.index_of(key.second);
      if (from != n && to != n && from != to) price(from, to, group_of(key));
    }
    data.solver.update(changes);
    return;
  }
  for (std::size_t from = 0; from < n; ++from) {
    for (std::size_t to = 0; to < n; ++to) {
      if (from != to) price(from, to, group_of({data.nodes[from].node.id, data.nodes[to].node.id}));
    }
  }
  data.solver.solve(problem_of(data, policy));
  data.solved = true;
}

}  // namespace linkpilot::optimizer
