// How often an agent wakes. Each wake costs about as much as probing eight peers, so it is no more
// frequent than what the links in the plan can use: a tenth of the fastest interval, between the
// configured tick and four of them. Then a tick adds at most a tenth of an interval to the delay of
// a send and an answer, and to the silence of at least three intervals that makes a link suspect.
// While something is being found out (a burst is on its way), the configured tick holds.
#pragma once

#include <algorithm>
#include <span>

#include "base/plan.h"
#include "base/time.h"

namespace linkpilot::agent {

inline constexpr int kTicksPerInterval = 10;
inline constexpr int kTickStretchMax = 4;
// How long the configured tick holds after a burst began: burst, answers, confirmation, undoing.
inline constexpr Duration kBriskTime = std::chrono::seconds(2);

[[nodiscard]] inline Duration tick_for(std::span<const PlannedLink> links, Duration configured) {
  Duration fastest = configured * (kTicksPerInterval * kTickStretchMax);
  for (const PlannedLink& link : links) fastest = std::min(fastest, link.interval);
  return std::max(configured, fastest / kTicksPerInterval);
}

}  // namespace linkpilot::agent
