// What [alertmanager] and [webhook] of collector.toml say: who is told of faults by HTTP.
#pragma once

#include <cstdint>
#include <string>

#include "base/time.h"

namespace linkpilot::collector {

struct AlertSettings {
  std::string url;      // "http://127.0.0.1:9093"; empty: none
  std::string ca_file;  // empty: the system's
  Duration refresh_interval = std::chrono::minutes(1);
  Duration timeout = std::chrono::seconds(10);
  friend bool operator==(const AlertSettings&, const AlertSettings&) = default;
};

struct HookSettings {
  std::string url;  // empty: none
  std::string ca_file;
  std::string secret_file;
  Duration timeout = std::chrono::seconds(10);
  Duration retry_min = std::chrono::seconds(5);
  Duration retry_max = std::chrono::minutes(5);
  Duration give_up_after = std::chrono::hours(24);
  std::uint32_t queue_max = 1'000;  // deliveries
  friend bool operator==(const HookSettings&, const HookSettings&) = default;
};

// http:// or https:// and a host, without blanks, control characters or anything to break out with.
[[nodiscard]] bool is_sink_url(std::string_view text);

}  // namespace linkpilot::collector
