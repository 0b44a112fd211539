// Whether a better path replaces the one in use: margin, confirmation in k of n ticks, dwell. Bad
// news
// - the path died, or became clearly worse than when it was chosen - skips all of that. A pure
// function of what the pair of nodes remembers.
#pragma once

#include <cstdint>
#include <optional>

#include "base/time.h"
#include "optimizer/paths/path_solver.h"
#include "optimizer/planner.h"
#include "optimizer/policy/policy.h"

namespace linkpilot::optimizer {

// What one ordered pair of nodes (media from, media to) remembers.
struct PairMemory {
  std::uint16_t first_relay = kNoRelay;
  std::uint16_t second_relay = kNoRelay;
  bool reachable = false;
  bool pinned = false;            // the path in use is the operator's
  bool settling = true;           // first path since it was last unreachable: no dwell yet
  std::uint8_t better_ticks = 0;  // history of "a path better by the margin exists", newest bit 0
  PathUnits reference = kUnreachable;  // its cost when chosen, following improvements at once and
                                       // drift slowly
  MonoTime since;
  [[nodiscard]] NodePath path(PathUnits cost) const {
    return {reachable ? cost : kUnreachable, first_relay, second_relay};
  }
};

struct PairDecision {
  bool move = false;
  MoveReason reason = MoveReason::better;
  std::optional<SuppressionReason> suppressed;  // when a better path is not taken
  Duration left{};
};

struct PairQuestion {
  PathUnits in_use_cost = kUnreachable;  // today's, without the surcharge of suspicion
  NodePath best;                         // the search's; its cost has the surcharges
  bool best_is_suspect = false;
  bool counts_tick = false;  // false between ticks (alarms): only bad news moves
  bool forced = false;
};

// Updates `memory`'s history and reference; the move itself is made by `take_path`.
[[nodiscard]] PairDecision decide_pair(PairMemory& memory, const PairQuestion& question,
                                       const StabilityPolicy& policy, MonoTime now);
void take_path(PairMemory& memory, const NodePath& path, MoveReason reason, MonoTime now);

// The gain that a new path needs over one that costs this much.
[[nodiscard]] double margin_units(PathUnits in_use_cost, const StabilityPolicy& policy);

}  // namespace linkpilot::optimizer
