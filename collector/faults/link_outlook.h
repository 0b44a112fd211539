// LinkOutlook: how one directed link stands at one moment, as the judge of faults looks at it.
#pragma once

#include <cstdint>

#include "base/time.h"

namespace linkpilot::collector {

enum class LinkHealth : std::uint8_t { unknown, fine, degraded, dead };

// Negative: not known.
struct LinkOutlook {
  LinkHealth health = LinkHealth::unknown;
  Now health_since{};
  Now bad_since{};  // zero: it is not bad
  double usual_rtt_ms = -1;
  double rtt_ms = -1;
  double usual_loss_ratio = -1;
  double loss_ratio = -1;
  [[nodiscard]] bool bad() const {
    return health == LinkHealth::dead || health == LinkHealth::degraded;
  }
};

}  // namespace linkpilot::collector
