// One changed link i->j, exactly: which pairs can have another best or second path now, and those
// cells anew.
//
// A path uses the link as its first leg (source i), its last leg (target j) or its middle leg
// (a -> i -> j -> t). If it got dearer, only pairs whose best or second path used it can change. If
// it got cheaper, only pairs for which a path over it costs no more than their second one.
#include <algorithm>

#include "base/assert.h"
#include "optimizer/paths/path_solver.h"

namespace linkpilot::optimizer {
namespace {

// Scanning this many single columns costs as much as all rows.
constexpr std::size_t kColumnsMax = 24;

}  // namespace

void PathSolver::find_dirty(const WeightChange& change, PathUnits before) {
  const std::size_t i = change.from;
  const std::size_t j = change.to;
  const auto id_i = static_cast<std::uint16_t>(i + 1);
  const auto id_j = static_cast<std::uint16_t>(j + 1);
  const bool cheaper = change.weight < before;
  const PathKernel& kernel = kernel_of(set_);
  std::vector<std::uint16_t> found(stride_);
  const auto mark = [this](std::size_t from, std::size_t to) {
    if (from != to && from < nodes_ && to < nodes_) {
      dirty_.push_back(static_cast<std::uint32_t>(from * stride_ + to));
    }
  };
  mark(i, j);
  if (cheaper) {
    const std::size_t first = kernel.columns_within(
        change.weight, &tail_cost_[j * stride_], &second_cost_[i * stride_], stride_, found.data());
    for (std::size_t k = 0; k < first; ++k) mark(i, found[k]);
    const std::uint32_t leg = cost_sum(relay_cost_[i], change.weight);
    for (std::size_t a = 0; a < nodes_; ++a) {
      const std::uint32_t last = cost_sum(best_cost_[a * stride_ + i], leg);
      if (last != kUnreachable && last <= second_cost_[a * stride_ + j]) mark(a, j);
      const std::uint32_t base = cost_sum(weight_[a * stride_ + i], leg);
      if (base == kUnreachable || a == j) continue;
      const std::size_t middle =
          kernel.columns_within(static_cast<std::uint16_t>(base), &onward_[j * stride_],
                                &second_cost_[a * stride_], stride_, found.data());
      for (std::size_t k = 0; k < middle; ++k) {
        const std::size_t at = a * stride_ + found[k];
        const std::uint32_t cost = base + onward_[j * stride_ + found[k]];
        const auto on_best = [&](std::uint16_t id) {
          return best_first_[at] == id || best_last_[at] == id;
        };
        // Dearer than the best path and sharing a relay with it: neither best nor second.
        if (cost > best_cost_[at] && (on_best(id_i) || on_best(id_j))) continue;
        mark(a, found[k]);
      }
    }
    return;
  }
  for (std::size_t t = 0; t < nodes_; ++t) {
    if (best_first_[i * stride_ + t] == id_j || second_first_[i * stride_ + t] == id_j) mark(i, t);
  }
  const auto ends_over = [&](std::uint16_t first, std::uint16_t last) {
    return last == 0 ? first == id_i : last == id_i;
  };
  for (std::size_t a = 0; a < nodes_; ++a) {
    const std::size_t at = a * stride_ + j;
    if (ends_over(best_first_[at], best_last_[at]) ||
        ends_over(second_first_[at], second_last_[at])) {
      mark(a, j);
    }
  }
  // Middle leg: only towards targets for which j is one of i's two best ways on, unless a third was
  // ever needed.
  std::vector<std::size_t> targets;
  for (std::size_t t = 0; t < nodes_; ++t) {
    const std::size_t at = i * stride_ + t;
    if (tail_relay_[at] == id_j || tail2_relay_[at] == id_j) targets.push_back(t);
  }
  if (third_used_[i * stride_ + j] != 0 || targets.size() > kColumnsMax) {
    for (std::size_t a = 0; a < nodes_; ++a) {
      const std::size_t row = a * stride_;
      std::size_t count = kernel.columns_equal(&best_first_[row], id_i, &best_last_[row], id_j,
                                               stride_, found.data());
      for (std::size_t k = 0; k < count; ++k) mark(a, found[k]);
      count = kernel.columns_equal(&second_first_[row], id_i, &second_last_[row], id_j, stride_,
                                   found.data());
      for (std::size_t k = 0; k < count; ++k) mark(a, found[k]);
    }
    return;
  }
  for (const std::size_t t : targets) {
    for (std::size_t a = 0; a < nodes_; ++a) {
      const std::size_t at = a * stride_ + t;
      if ((best_first_[at] == id_i && best_last_[at] == id_j) ||
          (second_first_[at] == id_i && second_last_[at] == id_j)) {
        mark(a, t);
      }
    }
  }
}

// The two best tails of `relay` to `to`, after the way over `over` changed.
void PathSolver::refresh_tail(std::size_t relay, std::size_t to, std::size_t over, bool cheaper) {
  if (relay == to) return;
  const std::size_t at = relay * stride_ + to;
  const auto id = static_cast<std::uint16_t>(over + 1);
  const bool listed = tail_relay_[at] == id || tail2_relay_[at] == id;
  if (!listed) {
    if (!cheaper) return;
    const std::uint32_t cost =
        cost_sum(onward_[relay * stride_ + over], onward_[over * stride_ + to]);
    if (cost > tail2_cost_[at] || cost == kUnreachable) return;
  }
  const PathArrays p = arrays();
  PathCell cells[2];
  kernel_of(set_).tail_cell(&p, relay, to, cells);
  const std::size_t to_at = to * stride_ + relay;
  tail_cost_[at] = tail_cost_to_[to_at] = cells[0].cost;
  tail_relay_[at] = tail_relay_to_[to_at] = cells[0].first;
  tail2_cost_[at] = tail2_cost_to_[to_at] = cells[1].cost;
  tail2_relay_[at] = tail2_relay_to_[to_at] = cells[1].first;
}

void PathSolver::refresh_tails(std::size_t from, std::size_t to, bool cheaper) {
  for (std::size_t t = 0; t < nodes_; ++t) {
    if (t != to) refresh_tail(from, t, to, cheaper);
  }
  for (std::size_t r = 0; r < nodes_; ++r) {
    if (r != from) refresh_tail(r, to, from, cheaper);
  }
  // The direct tail itself: as if every way had changed.
  const std::size_t at = from * stride_ + to;
  tail2_cost_[at] = kUnreachable;
  tail2_relay_[at] = static_cast<std::uint16_t>(from + 1);
  refresh_tail(from, to, from, true);
}

void PathSolver::refresh_pair(std::size_t from, std::size_t to) {
  const PathKernel& kernel = kernel_of(set_);
  const PathArrays p = arrays();
  const std::size_t at = from * stride_ + to;
  const PathCell best = kernel.best_cell(&p, from, to);
  int third = 0;
  PathCell second{kUnreachable, 0, 0};
  if (best.cost != kUnreachable) second = kernel.second_cell(&p, from, to, best, &third);
  const bool same = best.cost == best_cost_[at] && best.first == best_first_[at] &&
                    best.last == best_last_[at] && second.cost == second_cost_[at] &&
                    second.first == second_first_[at] && second.last == second_last_[at];
  if (same) return;
  best_cost_[at] = best.cost;
  best_first_[at] = best.first;
  best_last_[at] = best.last;
  second_cost_[at] = second.cost;
  second_first_[at] = second.first;
  second_last_[at] = second.last;
  if (third != 0 && second.last != 0)
    third_used_[(second.first - std::size_t{1}) * stride_ + second.last - 1] = 1;
  touched_.push_back(static_cast<std::uint32_t>(from * nodes_ + to));
}

void PathSolver::update_one(const WeightChange& change) {
  LP_ASSERT(change.from < nodes_ && change.to < nodes_);
  WeightChange clean = change;
  if (clean.weight == 0) clean.weight = kUnreachable;
  const PathUnits before = weight(clean.from, clean.to);
  if (clean.from == clean.to || clean.weight == before) return;
  dirty_.clear();
  find_dirty(clean, before);
  set_weight(clean.from, clean.to, clean.weight);
  refresh_tails(clean.from, clean.to, clean.weight < before);
  std::ranges::sort(dirty_);
  const auto repeated = std::ranges::unique(dirty_);
  dirty_.erase(repeated.begin(), repeated.end());
  for (const std::uint32_t at : dirty_) refresh_pair(at / stride_, at % stride_);
}

}  // namespace linkpilot::optimizer
