#include "collector/api/probe_order.h"

#include <fmt/format.h>

#include <nlohmann/json.hpp>

namespace linkpilot::collector {

namespace {

constexpr std::int64_t kProbeCountMax = 500;
constexpr std::int64_t kProbeIntervalMinMs = 5;
constexpr std::int64_t kProbeIntervalMaxMs = 1'000;
constexpr std::int64_t kProbeTotalMaxMs = 20'000;

}  // namespace

Result<ProbeOrder> parse_probe_order(const std::string& body) {
  const auto json = nlohmann::ordered_json::parse(body, nullptr, false);
  if (!json.is_object()) return fail(ErrorCode::invalid_argument, "the body must be a JSON object");
  ProbeOrder order;
  for (const auto& [key, value] : json.items()) {
    if (key == "from" || key == "to") {
      if (!value.is_string())
        return fail(ErrorCode::invalid_argument, fmt::format("{} must be text", key));
      (key == "from" ? order.from : order.to) = value.get<std::string>();
      continue;
    }
    if (!value.is_number_integer()) {
      return fail(ErrorCode::invalid_argument,
                  fmt::format("{} must be a whole number, or is no key of a probe", key));
    }
    const auto number = value.get<std::int64_t>();
    if (key == "count") {
      order.count = number;
    } else if (key == "interval_ms") {
      order.interval_ms = number;
    } else if (key == "from_port") {
      order.from_port = number;
    } else if (key == "to_port") {
      order.to_port = number;
    } else {
      return fail(
          ErrorCode::invalid_argument,
          fmt::format("unknown key \"{}\": from, to, count, interval_ms, from_port, to_port", key));
    }
  }
  if (order.count < 1 || order.count > kProbeCountMax) {
    return fail(ErrorCode::invalid_argument, fmt::format("count must be 1 to {}", kProbeCountMax));
  }
  if (order.interval_ms < kProbeIntervalMinMs || order.interval_ms > kProbeIntervalMaxMs) {
    return fail(ErrorCode::invalid_argument, fmt::format("interval_ms must be {} to {}",
                                                         kProbeIntervalMinMs, kProbeIntervalMaxMs));
  }
  if (order.count * order.interval_ms > kProbeTotalMaxMs) {
    return fail(ErrorCode::invalid_argument,
                fmt::format("count * interval_ms must not exceed {}", kProbeTotalMaxMs));
  }
  return order;
}

}  // namespace linkpilot::collector
