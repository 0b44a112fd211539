// Small pieces that the JSON files share. Internal to api/.
#pragma once

#include <chrono>
#include <nlohmann/json.hpp>
#include <string>
#include <string_view>

#include "collector/api/json_views.h"

namespace linkpilot::collector {

[[nodiscard]] inline double ms(Duration duration) {
  // To the microsecond: more digits would only be noise to read.
  const std::int64_t micros = (duration.count() + (duration.count() < 0 ? -500 : 500)) / 1'000;
  return static_cast<double>(micros) / 1'000.0;
}

// null for a point in time that never came.
[[nodiscard]] inline Json age_ms(UnixNanos now, UnixNanos then) {
  if (then.ns == 0) return nullptr;
  return ms(now - then);
}

[[nodiscard]] inline Json quantile_ms(const LatencySketch& sketch, double q) {
  const std::optional<Duration> value = sketch.quantile(q);
  if (!value) return nullptr;
  return ms(*value);
}

// "connected", "silent", "dead" or "never_seen", and why; json_agents.cc.
[[nodiscard]] std::string_view state_text(const AgentRecord& agent);
[[nodiscard]] std::string state_reason(const AgentRecord& agent);

}  // namespace linkpilot::collector
