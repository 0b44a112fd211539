// What the planner remembers between calls. Internal to optimizer/planner*.cc.
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <vector>

#include "optimizer/paths/path_solver.h"
#include "optimizer/planner.h"
#include "optimizer/policy/candidates.h"
#include "optimizer/policy/cost_matrix.h"
#include "optimizer/policy/stability.h"

namespace linkpilot::optimizer {

struct PlannerState::Data {
  std::vector<NodeView> nodes;  // sorted by id; indices of everything below
  CostMatrix costs;
  std::vector<PathUnits> relay_cost;
  PathSolver solver;
  bool solved = false;
  std::vector<PairMemory> pairs;   // media from * nodes + media to
  std::vector<Candidate> seconds;  // in the media's direction; meaningful if has_second
  std::vector<std::uint8_t> has_second;
  ListSet current;                  // as published
  std::vector<ListSet> superseded;  // newest first, younger than the mixing window
  std::vector<RouteTable> tables;   // by node

  [[nodiscard]] std::size_t size() const { return nodes.size(); }
  // Index of a node; size() if unknown.
  [[nodiscard]] std::size_t index_of(NodeId id) const;
  [[nodiscard]] CandidateInput input(const Policy& policy,
                                     std::span<const ListSet* const> live) const {
    return {solver, costs, relay_cost, policy.stability, live};
  }
};

// Superseded tables beyond this many count as gone.
inline constexpr std::size_t kSupersededMax = 16;

// --- planner_network.cc: step 1, the network ---
// Takes the nodes over; if the set of ids changed, all memory is re-indexed.
void adopt_nodes(PlannerState::Data& data, const std::vector<NodeView>& nodes);
// Prices links (all of them, or those between the pairs of `changed`) and solves.
void price_and_solve(PlannerState::Data& data, const NetworkView& view, const Policy& policy,
                     const PlanRequest& request);

// --- planner_damping.cc: what flapping links keep routes from ---
struct DampedCrossing {
  std::uint16_t from;
  std::uint16_t to;
};
// A path that would be taken if its link did not flap.
struct DampedWay {
  Candidate path;
  PathUnits undamped = kUnreachable;  // its cost without the surcharges of damping
  Duration left{};                    // until the last of them ends
};
// At most 64.
[[nodiscard]] std::vector<DampedCrossing> damped_crossings(const PlannerState::Data& data);
// The cheapest path that ends, or begins, or has its middle at one of those links.
[[nodiscard]] std::optional<DampedWay> way_over_damped(const PlannerState::Data& data,
                                                       const Policy& policy,
                                                       std::span<const DampedCrossing> damped,
                                                       std::size_t from, std::size_t to);

// --- planner_tables.cc: step 3, lists to tables ---
// The nodes, by index, whose table would differ from the one in `data` in more than costs and
// times, or is half expired.
[[nodiscard]] std::vector<std::size_t> changed_tables(const PlannerState::Data& data,
                                                      const ListSet& lists, const Policy& policy,
                                                      Now now);
// Every node's table: those of `changed` made anew, the others as they were.
struct BuiltTables {
  std::vector<RouteTable> all;
  std::vector<std::size_t> changed;  // indices into `all`
};
[[nodiscard]] BuiltTables build_tables(const PlannerState::Data& data, const ListSet& lists,
                                       const Policy& policy, const StageTimes& stages, Now now,
                                       std::vector<std::size_t> changed);

[[nodiscard]] Candidate reversed(const Candidate& path);

}  // namespace linkpilot::optimizer
