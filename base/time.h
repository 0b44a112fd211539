// Time as three types that do not mix: a Duration, a point on the monotonic clock of this process,
// and a point on the wall clock (UTC, nanoseconds since 1970). RTTs come from durations; one-way
// delays from wall clocks whose error is known; schedules from the monotonic clock only.
#pragma once

#include <chrono>
#include <compare>
#include <cstdint>
#include <string>

namespace linkpilot {

using Duration = std::chrono::nanoseconds;

namespace internal {
template <typename Tag>
struct TimePoint {
  std::int64_t ns = 0;

  friend constexpr bool operator==(TimePoint, TimePoint) = default;
  friend constexpr auto operator<=>(TimePoint, TimePoint) = default;
  friend constexpr TimePoint operator+(TimePoint t, Duration d) { return {t.ns + d.count()}; }
  friend constexpr TimePoint operator-(TimePoint t, Duration d) { return {t.ns - d.count()}; }
  friend constexpr Duration operator-(TimePoint a, TimePoint b) { return Duration(a.ns - b.ns); }
  constexpr TimePoint& operator+=(Duration d) {
    ns += d.count();
    return *this;
  }
};
}  // namespace internal

using MonoTime = internal::TimePoint<struct MonoTag>;
using UnixNanos = internal::TimePoint<struct UnixTag>;

// Both clocks, read together once per turn of a loop and passed down; core code never reads a
// clock.
struct Now {
  MonoTime mono;
  UnixNanos wall;
};

// The seam to the operating system's clocks; the simulated twin is in tests/support.
class Clock {
 public:
  virtual ~Clock() = default;
  [[nodiscard]] virtual Now now() = 0;
};

class SystemClock final : public Clock {
 public:
  [[nodiscard]] Now now() override;
};

// "2026-11-21T09:30:00.123Z"
[[nodiscard]] std::string format_utc(UnixNanos time);
// "250ms", "1.5s", "42us": the shortest form that keeps three digits.
[[nodiscard]] std::string format_duration(Duration duration);

}  // namespace linkpilot
