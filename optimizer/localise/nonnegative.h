// Non-negative sparse least squares over Eigen: strengths of causes that add up on observations.
// Plain vectors here; Eigen stays in the source.
#pragma once

#include <cstdint>
#include <vector>

namespace linkpilot::optimizer {

// One observation: which of the unknowns add up in it, their sum as seen, and its standard error.
struct Observation {
  std::vector<std::uint32_t> unknowns;
  double value = 0.0;
  double error = 1.0;
};

// argmin over x >= 0 of sum ((A x - y) / error)^2 / 2 + sparsity * sum x. Sequential
// coordinate-wise descent on the normal equations (Franc, Hlavac, Navara, CAIP 2005): converges,
// since the problem is convex; stops when no unknown moves by more than 1e-9, or after 10 000
// rounds.
[[nodiscard]] std::vector<double> solve_nonnegative(std::size_t unknowns,
                                                    const std::vector<Observation>& observations,
                                                    double sparsity);

}  // namespace linkpilot::optimizer
