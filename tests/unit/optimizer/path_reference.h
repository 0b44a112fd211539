// The path search as its definition says it, for comparison: every path with at most two relays is
// looked at. N^4: small networks only; `reference_pair` does one pair of a large one.
#pragma once

#include <cstdint>
#include <vector>

#include "base/rng.h"
#include "optimizer/paths/path_solver.h"

namespace linkpilot::optimizer {

struct ReferencePair {
  NodePath best;
  NodePath second;
};

inline ReferencePair reference_pair(const PathProblem& problem, std::size_t from, std::size_t to) {
  const std::size_t n = problem.nodes;
  const auto weight = [&](std::size_t a, std::size_t b) -> std::uint64_t {
    const PathUnits w = problem.weight[a * n + b];
    return w == 0 || w == kUnreachable ? 1'000'000 : w;
  };
  const auto price = [&](std::size_t r) -> std::uint64_t {
    if (problem.relay_cost.empty()) return 0;
    return problem.relay_cost[r] == kUnreachable ? 1'000'000 : problem.relay_cost[r];
  };
  const auto search = [&](auto&& allowed) {
    NodePath found;
    std::uint64_t key = ~std::uint64_t{0};
    const auto offer = [&](std::uint64_t cost, std::uint16_t x, std::uint16_t y) {
      if (cost >= kUnreachable || !allowed(x, y)) return;
      const std::uint64_t k = cost << 32 | std::uint64_t{static_cast<std::uint16_t>(x + 1)} << 16 |
                              static_cast<std::uint16_t>(y + 1);
      if (k >= key) return;
      key = k;
      found = {static_cast<PathUnits>(cost), x, y};
    };
    offer(weight(from, to), kNoRelay, kNoRelay);
    for (std::uint16_t x = 0; x < n; ++x) {
      if (x == from || x == to) continue;
      const std::uint64_t first = weight(from, x) + price(x);
      if (first >= kUnreachable) continue;
      offer(first + weight(x, to), x, kNoRelay);
      for (std::uint16_t y = 0; y < n; ++y) {
        if (y == from || y == to || y == x) continue;
        offer(first + weight(x, y) + price(y) + weight(y, to), x, y);
      }
    }
    return found;
  };
  ReferencePair pair;
  if (from == to) return pair;
  pair.best = search([](std::uint16_t, std::uint16_t) { return true; });
  if (!pair.best.reachable()) return pair;
  const bool direct = pair.best.first_relay == kNoRelay;
  pair.second = search([&](std::uint16_t x, std::uint16_t y) {
    if (x == kNoRelay) return !direct;
    return !pair.best.uses_relay(x) && !pair.best.uses_relay(y);
  });
  return pair;
}

// Points in a plane with noise and detours, some links missing, in units.
inline PathProblem random_problem(std::size_t nodes, Rng& rng, unsigned missing_percent = 0,
                                  std::uint64_t coarse = 1) {
  PathProblem problem{nodes, std::vector<PathUnits>(nodes * nodes, kUnreachable), {}};
  std::vector<double> x(nodes);
  std::vector<double> y(nodes);
  for (std::size_t i = 0; i < nodes; ++i) {
    x[i] = rng.uniform() * 1500.0;
    y[i] = rng.uniform() * 800.0;
    problem.relay_cost.push_back(static_cast<PathUnits>(rng.below(20) == 0 ? kUnreachable : 30));
  }
  for (std::size_t i = 0; i < nodes; ++i) {
    for (std::size_t j = 0; j < nodes; ++j) {
      if (i == j || rng.below(100) < missing_percent) continue;
      const double dx = x[i] - x[j];
      const double dy = y[i] - y[j];
      double d = 10.0 + (dx < 0 ? -dx : dx) + (dy < 0 ? -dy : dy);
      d *= 0.8 + 0.6 * rng.uniform();
      if (rng.below(4) == 0) d *= 1.0 + 2.0 * rng.uniform();
      const auto units = static_cast<std::uint64_t>(d) / coarse * coarse;
      problem.weight[i * nodes + j] = static_cast<PathUnits>(units == 0 ? coarse : units);
    }
  }
  return problem;
}

}  // namespace linkpilot::optimizer
