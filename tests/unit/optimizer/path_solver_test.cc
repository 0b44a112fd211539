#include "optimizer/paths/path_solver.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <limits>

#include "tests/unit/optimizer/path_reference.h"

namespace linkpilot::optimizer {
namespace {

void expect_pair(const PathSolver& solver, const PathProblem& problem, std::size_t from,
                 std::size_t to) {
  const ReferencePair want = reference_pair(problem, from, to);
  const NodePath best = solver.best(from, to);
  const NodePath second = solver.second(from, to);
  ASSERT_EQ(best, want.best) << from << "->" << to << " cost " << best.cost << " wanted "
                             << want.best.cost << " by " << want.best.first_relay << ","
                             << want.best.second_relay << " got " << best.first_relay << ","
                             << best.second_relay;
  ASSERT_EQ(second, want.second) << from << "->" << to << " second cost " << second.cost
                                 << " wanted " << want.second.cost << " by "
                                 << want.second.first_relay << "," << want.second.second_relay
                                 << " got " << second.first_relay << "," << second.second_relay;
}

void expect_all(const PathSolver& solver, const PathProblem& problem) {
  for (std::size_t from = 0; from < problem.nodes; ++from) {
    for (std::size_t to = 0; to < problem.nodes; ++to) {
      ASSERT_NO_FATAL_FAILURE(expect_pair(solver, problem, from, to));
    }
  }
}

bool same(const PathSolver& a, const PathSolver& b) {
  for (std::size_t i = 0; i < a.nodes(); ++i) {
    for (std::size_t j = 0; j < a.nodes(); ++j) {
      if (a.best(i, j) != b.best(i, j) || a.second(i, j) != b.second(i, j)) return false;
    }
  }
  return true;
}

class PathSolverOn : public ::testing::TestWithParam<InstructionSet> {};

TEST_P(PathSolverOn, EqualsBruteForceOnEverySmallNetwork) {
  Rng rng(11);
  for (int round = 0; round < 300; ++round) {
    const std::size_t nodes = 1 + rng.below(7);
    // Coarse weights make many ties.
    const PathProblem problem =
        random_problem(nodes, rng, static_cast<unsigned>(rng.below(60)), round % 3 == 0 ? 400 : 1);
    PathSolver solver(GetParam());
    solver.solve(problem);
    ASSERT_NO_FATAL_FAILURE(expect_all(solver, problem)) << "round " << round;
  }
}

TEST_P(PathSolverOn, EqualsBruteForceOnRandomNetworks) {
  Rng rng(12);
  for (const std::size_t nodes : {13U, 31U, 32U, 33U, 47U}) {
    for (const std::uint64_t coarse : {1U, 300U}) {
      const PathProblem problem = random_problem(nodes, rng, 10, coarse);
      PathSolver solver(GetParam());
      solver.solve(problem);
      ASSERT_NO_FATAL_FAILURE(expect_all(solver, problem)) << nodes << " nodes";
    }
  }
}

TEST_P(PathSolverOn, EqualsBruteForceOnPairsOfLargeNetworks) {
  Rng rng(13);
  for (const std::size_t nodes : {128U, 200U}) {
    const PathProblem problem = random_problem(nodes, rng, 5);
    PathSolver solver(GetParam());
    solver.solve(problem);
    for (int pair = 0; pair < 60; ++pair) {
      ASSERT_NO_FATAL_FAILURE(expect_pair(solver, problem, rng.below(nodes), rng.below(nodes)));
    }
  }
}

TEST_P(PathSolverOn, UpdateEqualsAFullSolve) {
  Rng rng(14);
  for (const std::size_t nodes : {2U, 5U, 14U, 33U, 70U}) {
    for (const std::uint64_t coarse : {1U, 250U}) {
      PathProblem problem = random_problem(nodes, rng, 10, coarse);
      PathSolver incremental(GetParam());
      incremental.solve(problem);
      for (int round = 0; round < 60; ++round) {
        WeightChange change;
        change.from = static_cast<std::uint16_t>(rng.below(nodes));
        change.to = static_cast<std::uint16_t>(rng.below(nodes));
        const PathUnits before = incremental.weight(change.from, change.to);
        switch (rng.below(5)) {
          case 0:
            change.weight = kUnreachable;
            break;
          case 1:
            change.weight = static_cast<PathUnits>(1 + rng.below(3000));
            break;
          case 2:
            change.weight = 0;
            break;  // missing, too
          case 3:
            change.weight = static_cast<PathUnits>(before / 2 + 1);
            break;
          default:
            change.weight = static_cast<PathUnits>(before < 20000 ? before * 2 : 50);
            break;
        }
        if (change.from != change.to) {
          problem.weight[change.from * nodes + change.to] = change.weight;
        }
        const PathSolver before_update = incremental;
        // Not through the short cut to a full solve, which small networks would take.
        incremental.update_each({&change, 1});
        PathSolver full(GetParam());
        full.solve(problem);
        ASSERT_TRUE(same(incremental, full)) << nodes << " nodes, round " << round;
        for (std::size_t i = 0; i < nodes; ++i) {
          for (std::size_t j = 0; j < nodes; ++j) {
            if (incremental.best(i, j) != before_update.best(i, j)) {
              ASSERT_TRUE(std::ranges::binary_search(incremental.touched(), i * nodes + j));
            }
          }
        }
      }
    }
  }
}

TEST_P(PathSolverOn, ManyChangesEqualAFullSolve) {
  Rng rng(15);
  const std::size_t nodes = 60;
  PathProblem problem = random_problem(nodes, rng);
  PathSolver incremental(GetParam());
  incremental.solve(problem);
  for (const std::size_t count : {3U, 10U, 200U}) {
    std::vector<WeightChange> changes;
    for (std::size_t i = 0; i < count; ++i) {
      const auto from = static_cast<std::uint16_t>(rng.below(nodes));
      const auto to = static_cast<std::uint16_t>(rng.below(nodes));
      if (from == to) continue;
      changes.push_back({from, to, static_cast<PathUnits>(1 + rng.below(2000))});
      problem.weight[from * nodes + to] = changes.back().weight;
    }
    incremental.update(changes);
    PathSolver full(GetParam());
    full.solve(problem);
    ASSERT_TRUE(same(incremental, full)) << count;
  }
}

TEST_P(PathSolverOn, TailCostFallsAlongEveryBestPath) {
  Rng rng(16);
  const PathProblem problem = random_problem(40, rng, 10);
  PathSolver solver(GetParam());
  solver.solve(problem);
  for (std::size_t from = 0; from < 40; ++from) {
    for (std::size_t to = 0; to < 40; ++to) {
      const NodePath best = solver.best(from, to);
      if (from == to || !best.reachable() || best.second_relay == kNoRelay) continue;
      EXPECT_GT(solver.tail_cost(best.first_relay, to), solver.tail_cost(best.second_relay, to));
    }
  }
}

TEST_P(PathSolverOn, CostOfAgreesWithTheSearch) {
  Rng rng(17);
  const PathProblem problem = random_problem(40, rng, 10);
  PathSolver solver(GetParam());
  solver.solve(problem);
  for (std::size_t from = 0; from < 40; ++from) {
    for (std::size_t to = 0; to < 40; ++to) {
      if (from == to || !solver.best(from, to).reachable()) continue;
      EXPECT_EQ(solver.cost_of(from, to, solver.best(from, to)), solver.best(from, to).cost);
    }
  }
}

TEST_P(PathSolverOn, DisconnectedPartsStayApart) {
  PathProblem problem{6, std::vector<PathUnits>(36, kUnreachable), {}};
  for (const std::size_t part : {0U, 3U}) {
    for (std::size_t i = part; i < part + 3; ++i) {
      for (std::size_t j = part; j < part + 3; ++j) problem.weight[i * 6 + j] = 10;
    }
  }
  PathSolver solver(GetParam());
  solver.solve(problem);
  EXPECT_FALSE(solver.best(0, 4).reachable());
  EXPECT_FALSE(solver.second(0, 4).reachable());
  EXPECT_EQ(solver.best(0, 2).cost, 10);
  EXPECT_EQ(solver.second(0, 2).first_relay, 1);
}

TEST_P(PathSolverOn, CostsNearTheCeilingDoNotWrap) {
  PathProblem problem{4, std::vector<PathUnits>(16, 65534), {}};
  PathSolver solver(GetParam());
  solver.solve(problem);
  EXPECT_EQ(solver.best(0, 1).cost, 65534);
  EXPECT_FALSE(solver.second(0, 1).reachable());
  problem.weight[0 * 4 + 2] = 32000;
  problem.weight[2 * 4 + 1] = 33534;
  solver.solve(problem);
  EXPECT_EQ(solver.best(0, 1), (NodePath{65534, kNoRelay, kNoRelay})) << "a tie goes to no relay";
  EXPECT_EQ(solver.second(0, 1), (NodePath{65534, 2, kNoRelay}));
}

TEST_P(PathSolverOn, EmptyAndSingleNetworksAreFine) {
  PathSolver solver(GetParam());
  solver.solve({});
  EXPECT_EQ(solver.nodes(), 0U);
  solver.solve({1, {kUnreachable}, {}});
  EXPECT_FALSE(solver.best(0, 0).reachable());
}

INSTANTIATE_TEST_SUITE_P(EveryInstructionSet, PathSolverOn,
                         ::testing::ValuesIn(available_instruction_sets()),
                         [](const auto& set) { return std::string(to_string(set.param)); });

TEST(Quantise, RoundsOnceAndRefusesWhatIsNoCost) {
  EXPECT_EQ(quantise(12.34), 123);
  EXPECT_EQ(quantise(12.36), 124);
  EXPECT_EQ(quantise(0.001), 1) << "no link is free";
  EXPECT_EQ(quantise(0.0), kUnreachable);
  EXPECT_EQ(quantise(-1.0), kUnreachable);
  EXPECT_EQ(quantise(std::nan("")), kUnreachable);
  EXPECT_EQ(quantise(std::numeric_limits<double>::infinity()), kUnreachable);
  EXPECT_EQ(quantise(6'553.4), 65'534);
  EXPECT_EQ(quantise(6'553.5), kUnreachable);
}

}  // namespace
}  // namespace linkpilot::optimizer
