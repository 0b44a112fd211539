// Properties of the path search over drawn networks: ties, missing links and forbidden relays
// included.
#include <gtest/gtest.h>
#include <rapidcheck/gtest.h>

#include <algorithm>
#include <numeric>

#include "tests/unit/optimizer/path_reference.h"

namespace linkpilot::optimizer {
namespace {

struct Draw {
  Rng rng;
  PathProblem problem;
};

Draw draw(std::size_t nodes_max) {
  Rng rng(*rc::gen::arbitrary<std::uint32_t>());
  const auto nodes = *rc::gen::inRange<std::size_t>(1, nodes_max + 1);
  const auto missing = *rc::gen::inRange<unsigned>(0, 90);
  const auto coarse = *rc::gen::element<std::uint64_t>(1, 50, 400);
  PathProblem problem = random_problem(nodes, rng, missing, coarse);
  return {rng, std::move(problem)};
}

PathSolver solved(const PathProblem& problem) {
  PathSolver solver;
  solver.solve(problem);
  return solver;
}

template <typename Check>
void for_each_pair(std::size_t nodes, Check&& check) {
  for (std::size_t from = 0; from < nodes; ++from) {
    for (std::size_t to = 0; to < nodes; ++to) {
      if (from != to) check(from, to);
    }
  }
}

WeightChange random_change(const PathProblem& problem, Rng& rng) {
  WeightChange change;
  change.from = static_cast<std::uint16_t>(rng.below(problem.nodes));
  change.to = static_cast<std::uint16_t>(rng.below(problem.nodes));
  change.weight = rng.below(6) == 0 ? kUnreachable : static_cast<PathUnits>(1 + rng.below(4000));
  return change;
}

RC_GTEST_PROP(PathProperty, BestAndSecondAreOptimalByBruteForce, ()) {
  const Draw drawn = draw(9);
  const PathSolver solver = solved(drawn.problem);
  for_each_pair(drawn.problem.nodes, [&](std::size_t from, std::size_t to) {
    const ReferencePair want = reference_pair(drawn.problem, from, to);
    RC_ASSERT(solver.best(from, to) == want.best);
    RC_ASSERT(solver.second(from, to) == want.second);
  });
}

RC_GTEST_PROP(PathProperty, NoPathMeetsANodeTwiceAndNoTwoShareARelay, ()) {
  const Draw drawn = draw(40);
  const PathSolver solver = solved(drawn.problem);
  for_each_pair(drawn.problem.nodes, [&](std::size_t from, std::size_t to) {
    const NodePath best = solver.best(from, to);
    const NodePath second = solver.second(from, to);
    for (const NodePath& path : {best, second}) {
      if (!path.reachable()) continue;
      // cost_of() refuses a path that repeats a node.
      RC_ASSERT(solver.cost_of(from, to, path) == path.cost);
    }
    if (!second.reachable()) return;
    RC_ASSERT(best.reachable() && best.cost <= second.cost);
    RC_ASSERT(!best.uses_relay(second.first_relay));
    RC_ASSERT(!best.uses_relay(second.second_relay));
  });
}

RC_GTEST_PROP(PathProperty, PermutingTheNodesPermutesTheAnswer, ()) {
  Draw drawn = draw(30);
  const PathProblem& problem = drawn.problem;
  const std::size_t n = problem.nodes;
  std::vector<std::size_t> place(n);
  std::iota(place.begin(), place.end(), std::size_t{0});
  for (std::size_t i = n; i > 1; --i) std::swap(place[i - 1], place[drawn.rng.below(i)]);
  PathProblem moved{n, std::vector<PathUnits>(n * n), std::vector<PathUnits>(n)};
  for (std::size_t i = 0; i < n; ++i) {
    moved.relay_cost[place[i]] = problem.relay_cost[i];
    for (std::size_t j = 0; j < n; ++j) {
      moved.weight[place[i] * n + place[j]] = problem.weight[i * n + j];
    }
  }
  const PathSolver solver = solved(problem);
  const PathSolver other = solved(moved);
  for_each_pair(n, [&](std::size_t from, std::size_t to) {
    // Ties go to the lowest index, so relays may differ where costs do not.
    const NodePath best = solver.best(from, to);
    RC_ASSERT(best.cost == other.best(place[from], place[to]).cost);
    const auto relay_at = [&](std::uint16_t relay) {
      return relay == kNoRelay ? kNoRelay : static_cast<std::uint16_t>(place[relay]);
    };
    const NodePath there{best.cost, relay_at(best.first_relay), relay_at(best.second_relay)};
    if (best.reachable()) RC_ASSERT(other.cost_of(place[from], place[to], there) == best.cost);
  });
}

RC_GTEST_PROP(PathProperty, IncrementalEqualsFullOverAnyRunOfChanges, ()) {
  Draw drawn = draw(24);
  PathProblem problem = drawn.problem;
  PathSolver incremental = solved(problem);
  const auto rounds = *rc::gen::inRange(1, 12);
  for (int round = 0; round < rounds; ++round) {
    std::vector<WeightChange> changes;
    for (std::uint64_t i = drawn.rng.below(5) + 1; i > 0; --i) {
      changes.push_back(random_change(problem, drawn.rng));
    }
    for (const WeightChange& change : changes) {
      problem.weight[change.from * problem.nodes + change.to] = change.weight;
    }
    incremental.update_each(changes);
    const PathSolver full = solved(problem);
    for_each_pair(problem.nodes, [&](std::size_t from, std::size_t to) {
      RC_ASSERT(incremental.best(from, to) == full.best(from, to));
      RC_ASSERT(incremental.second(from, to) == full.second(from, to));
    });
  }
}

RC_GTEST_PROP(PathProperty, ABetterLinkMakesNoPathWorse, ()) {
  Draw drawn = draw(30);
  PathSolver solver = solved(drawn.problem);
  const PathSolver before = solver;
  WeightChange change = random_change(drawn.problem, drawn.rng);
  if (change.from == change.to) return;
  change.weight = std::min(change.weight, solver.weight(change.from, change.to));
  solver.update({&change, 1});
  for_each_pair(drawn.problem.nodes, [&](std::size_t from, std::size_t to) {
    RC_ASSERT(solver.best(from, to).cost <= before.best(from, to).cost);
  });
}

}  // namespace
}  // namespace linkpilot::optimizer
