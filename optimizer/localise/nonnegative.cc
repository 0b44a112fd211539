#include "optimizer/localise/nonnegative.h"

#include <Eigen/Core>
#include <algorithm>
#include <cmath>

namespace linkpilot::optimizer {

std::vector<double> solve_nonnegative(std::size_t unknowns,
                                      const std::vector<Observation>& observations,
                                      double sparsity) {
  constexpr int kRoundsMax = 10'000;
  constexpr double kStill = 1e-9;
  const auto count = static_cast<Eigen::Index>(unknowns);
  Eigen::MatrixXd normal = Eigen::MatrixXd::Zero(count, count);
  Eigen::VectorXd gradient = Eigen::VectorXd::Constant(count, sparsity);
  for (const Observation& observation : observations) {
    const double weight = 1.0 / (observation.error * observation.error);
    for (const std::uint32_t a : observation.unknowns) {
      gradient(a) -= weight * observation.value;
      for (const std::uint32_t b : observation.unknowns) normal(a, b) += weight;
    }
  }
  // `gradient` is that of the objective at x, kept up to date.
  Eigen::VectorXd x = Eigen::VectorXd::Zero(count);
  for (int round = 0; round < kRoundsMax; ++round) {
    double moved = 0.0;
    for (Eigen::Index i = 0; i < count; ++i) {
      if (normal(i, i) <= 0.0) continue;
      const double next = std::max(0.0, x(i) - gradient(i) / normal(i, i));
      const double step = next - x(i);
      if (step == 0.0) continue;
      gradient += step * normal.col(i);
      x(i) = next;
      moved = std::max(moved, std::abs(step));
    }
    if (moved < kStill) break;
  }
  return {x.data(), x.data() + count};
}

}  // namespace linkpilot::optimizer
