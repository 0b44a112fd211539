// When trouble is worth telling: thresholds of links and how long they must be passed. Separate
// levels for entering and leaving, so that a link at the edge is one fault, not many.
#pragma once

#include "base/time.h"

namespace linkpilot::collector {

struct FaultRules {
  Duration dead_patience = std::chrono::seconds(8);  // a dead link or node is told after this
  Duration degraded_patience = std::chrono::seconds(15);
  Duration resolved_patience = std::chrono::seconds(10);  // good again for so long: over
  // Loss is judged against what is usual for a direction; but no more than loss_leave ever is
  // usual, and what lost loss_enter from its first minute on is told.
  double loss_enter = 0.05;
  double loss_leave = 0.02;
  // Growth of a link's round trip above its own usual one; groups of links are told from half of it
  // on.
  double delay_enter_ms = 15;
  double delay_leave_ms = 5;
  friend bool operator==(const FaultRules&, const FaultRules&) = default;
};

}  // namespace linkpilot::collector
