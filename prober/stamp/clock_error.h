// How far this host's wall clock may be from UTC, as its kernel knows it from whatever disciplines
// it (chrony, ntpd, linuxptp alike: all tell the kernel). Source: adjtimex(2); RFC 4656 s4.1.2 for
// S.
#pragma once

#include <algorithm>
#include <chrono>
#include <optional>

#include "base/time.h"
#include "prober/stamp/stamp_packet.h"

namespace linkpilot::prober {

struct KernelClockState {
  bool synchronized = false;  // neither STA_UNSYNC nor TIME_ERROR
  Duration max_error{};       // grows by 500 us/s between corrections
};

// Above it, "synchronised" means nothing (the kernel itself gives up at 16 s).
inline constexpr Duration kClockErrorMax = std::chrono::seconds(1);

// nullopt: the wall clock must not be used for one-way delays.
[[nodiscard]] inline std::optional<Duration> clock_error_of(KernelClockState state) {
  if (!state.synchronized || state.max_error > kClockErrorMax) return std::nullopt;
  return std::max(state.max_error, Duration(1000));  // adjtimex counts in microseconds
}

[[nodiscard]] inline ErrorEstimate error_estimate_of(KernelClockState state) {
  const std::optional<Duration> error = clock_error_of(state);
  return ErrorEstimate::of(error.value_or(std::max(state.max_error, Duration(1000))),
                           error.has_value());
}

}  // namespace linkpilot::prober
