// The simulated twin of Clock (base/time.h): it stands still until it is told to go on, and its
// wall clock can be stepped, as an operator or NTP does, without the monotonic one noticing.
#pragma once

#include "base/assert.h"
#include "base/time.h"

namespace linkpilot {

class SimClock final : public Clock {
 public:
  static constexpr MonoTime kStart{1'000'000'000'000};
  static constexpr std::int64_t kWallOffset = 1'800'000'000'000'000'000;

  explicit SimClock(MonoTime start = kStart, std::int64_t wall_offset = kWallOffset)
      : mono_(start), wall_offset_(wall_offset) {}

  [[nodiscard]] Now now() override { return at(mono_); }
  // What both clocks show, or showed, when the monotonic one stands at `mono`; no step is
  // remembered.
  [[nodiscard]] Now at(MonoTime mono) const { return {mono, UnixNanos{mono.ns + wall_offset_}}; }
  [[nodiscard]] MonoTime mono() const { return mono_; }

  void advance(Duration time) { advance_to(mono_ + time); }
  void advance_to(MonoTime time) {
    LP_ASSERT(time >= mono_);
    mono_ = time;
  }
  void step_wall(Duration step) { wall_offset_ += step.count(); }

 private:
  MonoTime mono_;
  std::int64_t wall_offset_;
};

}  // namespace linkpilot
