// When trouble is worth telling: thresholds of links and how long they must be passed. Separate
// levels for entering and leaving, so that a link at the edge is one fault, not many.
#pragma once

#include "base/time.h"

namespace linkpilot::collector {

struct FaultRules {
  Duration dead_patience = std::chrono::seconds(8);  // a dead link or node is told after this
  Duration degraded_patience = std::chrono::seconds(15);
  Duration resolved_patience = std::chrono::seconds(10);  // good again for so long: over
  // Share of lost packets of one direction. Estimates rest on about 300 probes: 15 lost of them are
  // no accident even where 1 % is lost all day (Poisson, 1e-6 per window).
  double loss_enter = 0.05;
  double loss_leave = 0.02;
  // Median round trip above the link's own usual one.
  double delay_enter_ms = 50;
  double delay_leave_ms = 20;
  friend bool operator==(const FaultRules&, const FaultRules&) = default;
};

}  // namespace linkpilot::collector
