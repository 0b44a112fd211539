#include "optimizer/paths/path_solver.h"

#include <algorithm>
#include <array>
#include <cmath>

#include "base/assert.h"

namespace linkpilot::optimizer {
namespace {

// (cost, first relay + 1, second relay + 1) in one integer: its order is the order of paths.
constexpr std::uint64_t pack(std::uint64_t cost, std::uint64_t first, std::uint64_t second) {
  return cost << 32 | first << 16 | second;
}
constexpr std::uint64_t kNoPath = pack(kUnreachable, 0, 0);

NodePath unpack(std::uint64_t packed) {
  return {static_cast<PathUnits>(packed >> 32), static_cast<std::uint16_t>((packed >> 16) - 1),
          static_cast<std::uint16_t>(packed - 1)};
}

std::uint32_t add(std::uint32_t a, std::uint32_t b) {
  return std::min<std::uint32_t>(a + b, kUnreachable);
}

}  // namespace

PathUnits quantise(double cost_ms) {
  const double units = cost_ms * kUnitsPerMs;
  if (!(units > 0.0) || !(units < static_cast<double>(kUnreachable) - 0.5)) return kUnreachable;
  return static_cast<PathUnits>(std::max(1.0, std::round(units)));
}

std::string_view to_string(InstructionSet set) {
  switch (set) {
    case InstructionSet::baseline:
      return "baseline";
    case InstructionSet::avx2:
      return "avx2";
    case InstructionSet::avx512:
      return "avx512";
  }
  return "?";
}

std::vector<InstructionSet> available_instruction_sets() { return {InstructionSet::baseline}; }

void PathSolver::solve(const PathProblem& problem) {
  LP_ASSERT(problem.nodes <= kSolverNodesMax);
  LP_ASSERT(problem.weight.size() == problem.nodes * problem.nodes);
  nodes_ = stride_ = problem.nodes;
  weight_ = problem.weight;
  relay_cost_ = problem.relay_cost;
  relay_cost_.resize(nodes_, 0);
  for (std::size_t i = 0; i < nodes_; ++i) weight_[i * stride_ + i] = kUnreachable;
  for (PathUnits& w : weight_) w = w == 0 ? kUnreachable : w;
  all_touched_ = true;
  touched_.clear();
  solve_all();
}

void PathSolver::solve_all() {
  const std::size_t n = nodes_;
  // From relay r on: r's own price, then direct or over one more relay.
  const auto onward = [&](std::size_t r, std::size_t t) {
    return add(relay_cost_[r], weight_[r * n + t]);
  };
  std::vector<std::array<std::uint32_t, 3>> tails(n * n);  // (cost << 16 | relay + 1)
  for (std::size_t r = 0; r < n; ++r) {
    for (std::size_t t = 0; t < n; ++t) {
      std::array<std::uint32_t, 3> top;
      top.fill(std::uint32_t{kUnreachable} << 16);
      if (r != t) {
        for (std::size_t x = 0; x <= n; ++x) {
          if (x == r + 1 || x == t + 1) continue;
          const std::uint32_t cost =
              x == 0 ? onward(r, t) : add(onward(r, x - 1), onward(x - 1, t));
          if (cost == kUnreachable) continue;
          std::uint32_t packed = cost << 16 | static_cast<std::uint32_t>(x);
          for (std::uint32_t& place : top) {
            if (packed < place) std::swap(packed, place);
          }
        }
      }
      tails[r * n + t] = top;
    }
  }
  best_.assign(n * n, kNoPath);
  second_.assign(n * n, kNoPath);
  for (std::size_t a = 0; a < n; ++a) {
    for (std::size_t t = 0; t < n; ++t) {
      if (a == t) continue;
      const std::uint64_t direct = pack(weight_[a * n + t], 0, 0);
      const auto search = [&](std::uint64_t start, std::uint64_t b1, std::uint64_t b2) {
        std::uint64_t found = start;
        for (std::size_t r = 0; r < n; ++r) {
          if (r == a || r == t || r + 1 == b1 || r + 1 == b2) continue;
          for (const std::uint32_t tail : tails[r * n + t]) {
            const std::uint32_t x = tail & 0xffff;
            if (x == a + 1 || (x != 0 && (x == b1 || x == b2))) continue;
            const std::uint32_t cost = add(weight_[a * n + r], tail >> 16);
            if (cost != kUnreachable) found = std::min(found, pack(cost, r + 1, x));
            break;
          }
        }
        return found;
      };
      const std::uint64_t best = search(direct, 0, 0);
      best_[a * n + t] = best;
      const std::uint64_t b1 = best >> 16 & 0xffff;
      second_[a * n + t] =
          best == kNoPath ? kNoPath : search(b1 == 0 ? kNoPath : direct, b1, best & 0xffff);
    }
  }
}

void PathSolver::update(std::span<const WeightChange> changes) {
  const std::vector<std::uint64_t> best_before = best_;
  const std::vector<std::uint64_t> second_before = second_;
  for (const WeightChange& change : changes) {
    LP_ASSERT(change.from < nodes_ && change.to < nodes_);
    if (change.from == change.to) continue;
    weight_[change.from * stride_ + change.to] = change.weight == 0 ? kUnreachable : change.weight;
  }
  solve_all();
  all_touched_ = false;
  touched_.clear();
  for (std::uint32_t i = 0; i < best_.size(); ++i) {
    if (best_[i] != best_before[i] || second_[i] != second_before[i]) touched_.push_back(i);
  }
}

NodePath PathSolver::best(std::size_t from, std::size_t to) const {
  return unpack(best_[from * stride_ + to]);
}

NodePath PathSolver::second(std::size_t from, std::size_t to) const {
  return unpack(second_[from * stride_ + to]);
}

PathUnits PathSolver::cost_of(std::size_t from, std::size_t to, NodePath path) const {
  const auto onward = [&](std::size_t r, std::size_t t) {
    return add(relay_cost_[r], weight_[r * stride_ + t]);
  };
  if (from == to) return kUnreachable;
  const std::size_t x = path.first_relay;
  const std::size_t y = path.second_relay;
  if (x == kNoRelay) return weight_[from * stride_ + to];
  if (x >= nodes_ || x == from || x == to) return kUnreachable;
  const std::uint32_t first = weight_[from * stride_ + x];
  if (y == kNoRelay) return static_cast<PathUnits>(add(first, onward(x, to)));
  if (y >= nodes_ || y == from || y == to || y == x) return kUnreachable;
  return static_cast<PathUnits>(add(first, add(onward(x, y), onward(y, to))));
}

PathUnits PathSolver::tail_cost(std::size_t from, std::size_t to) const {
  if (from == to) return 0;
  std::uint32_t cost = add(relay_cost_[from], weight_[from * stride_ + to]);
  for (std::size_t x = 0; x < nodes_; ++x) {
    if (x == from || x == to) continue;
    cost = std::min(cost, add(add(relay_cost_[from], weight_[from * stride_ + x]),
                              add(relay_cost_[x], weight_[x * stride_ + to])));
  }
  return static_cast<PathUnits>(cost);
}

}  // namespace linkpilot::optimizer
