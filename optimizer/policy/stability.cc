#include "optimizer/policy/stability.h"

#include <algorithm>
#include <bit>

namespace linkpilot::optimizer {
namespace {

// The reference rises by this share of the gap per tick: about a minute to follow a daily drift,
// slow against a worsening that deserves a move.
constexpr double kReferenceRise = 1.0 / 64.0;

void follow_reference(PairMemory& memory, PathUnits cost) {
  if (cost <= memory.reference) {
    memory.reference = cost;
    return;
  }
  const double gap = static_cast<double>(cost) - static_cast<double>(memory.reference);
  memory.reference = static_cast<PathUnits>(
      std::min(65534.0, static_cast<double>(memory.reference) + gap * kReferenceRise + 0.5));
}

bool clearly_worse(const PairMemory& memory, PathUnits cost, const StabilityPolicy& policy) {
  const double reference = memory.reference;
  const double rise = static_cast<double>(cost) - reference;
  return rise > policy.worse_ms * kUnitsPerMs && rise > policy.worse_ratio * reference;
}

std::uint8_t history_mask(const StabilityPolicy& policy) {
  const unsigned n = std::clamp<unsigned>(policy.confirm_n, 1, 8);
  return static_cast<std::uint8_t>((1U << n) - 1U);
}

}  // namespace

double margin_units(PathUnits in_use_cost, const StabilityPolicy& policy) {
  return std::max(policy.margin_ms * kUnitsPerMs,
                  policy.margin_ratio * static_cast<double>(in_use_cost));
}

PairDecision decide_pair(PairMemory& memory, const PairQuestion& question,
                         const StabilityPolicy& policy, MonoTime now) {
  const NodePath& best = question.best;
  const PathUnits cost = question.in_use_cost;
  if (!memory.reachable) return {best.reachable(), MoveReason::first, {}, {}};
  if (cost == kUnreachable) return {true, MoveReason::path_lost, {}, {}};

  const bool same =
      best.first_relay == memory.first_relay && best.second_relay == memory.second_relay;
  const double gain = static_cast<double>(cost) - static_cast<double>(best.cost);
  const bool better = !same && best.reachable() && gain > margin_units(cost, policy);
  if (question.forced && !same && best.reachable() && gain > 0.0) {
    return {true, MoveReason::forced, {}, {}};
  }
  if (better && !question.best_is_suspect && clearly_worse(memory, cost, policy)) {
    return {true, MoveReason::worse, {}, {}};
  }
  if (!question.counts_tick) return {};

  follow_reference(memory, cost);
  memory.better_ticks = static_cast<std::uint8_t>(
      ((memory.better_ticks << 1) | (better && !question.best_is_suspect ? 1 : 0)) &
      history_mask(policy));
  if (same || !best.reachable() || gain <= 0.0) return {};
  if (!better) return {false, {}, SuppressionReason::below_margin, {}};
  if (question.best_is_suspect) return {false, {}, SuppressionReason::suspect_link, {}};
  const Duration dwelt = now - memory.since;
  if (!memory.settling && dwelt < policy.dwell) {
    return {false, {}, SuppressionReason::dwelling, policy.dwell - dwelt};
  }
  if (std::popcount(memory.better_ticks) < std::min<int>(policy.confirm_k, policy.confirm_n)) {
    return {false, {}, SuppressionReason::unconfirmed, {}};
  }
  return {true, MoveReason::better, {}, {}};
}

void take_path(PairMemory& memory, const NodePath& path, MoveReason reason, MonoTime now) {
  memory.reachable = path.reachable();
  memory.first_relay = path.first_relay;
  memory.second_relay = path.second_relay;
  memory.reference = path.cost;
  memory.better_ticks = 0;
  memory.since = now;
  memory.settling = reason == MoveReason::first;
  memory.pinned = reason == MoveReason::pinned;
}

}  // namespace linkpilot::optimizer
