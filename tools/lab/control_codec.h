// The lab's control language: one JSON object per line in, one per line out.
//
//   {"op":"fault","kind":"blackhole","from":"fra","to":"nyc","both":true}
//   {"op":"fault","kind":"delay","from":"fra","to":"nyc","add_ms":80}   kinds and their keys:
//   faults.h,
//     keys: from to both flow add_ms jitter_ms ratio mean_ms delay_ms bits_per_second queue_ms mtu
//     node region
//   {"op":"heal"}  {"op":"heal","id":3}  {"op":"heal","from":"fra","to":"nyc","both":true}
//   {"op":"status"}  {"op":"status","reset":true}   {"op":"links"}   {"op":"flush"}
//
// Every answer has "ok" and "time_ns", the CLOCK_REALTIME at which it took effect; "ok":false comes
// with "error". An unknown op or key is an error, so that a typo never passes for a fault that was
// set.
#pragma once

#include <string>
#include <string_view>
#include <variant>

#include "base/result.h"
#include "tools/lab/faults.h"

namespace linkpilot::lab {

inline constexpr std::size_t kControlLineBytesMax = 16 * 1024;

struct StatusRequest {
  bool reset = false;  // begin the lateness figures anew, after this answer
};
struct LinksRequest {};
struct FlushRequest {};  // answers when the ledger file holds everything so far

using ControlRequest =
    std::variant<FaultRequest, HealRequest, StatusRequest, LinksRequest, FlushRequest>;

[[nodiscard]] Result<ControlRequest> parse_control(std::string_view line);

}  // namespace linkpilot::lab
