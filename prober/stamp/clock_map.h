// ClockMap: kernel stamps are wall-clock times, RTTs and silences must not be. It turns a
// wall-clock stamp taken since the last update into monotonic time and survives a clock step.
//
// Between steps the two clocks of Linux differ by a constant (slewing moves both alike), so the
// offset is kept exactly and only replaced when it changes by more than the reading can explain.
#pragma once

#include <chrono>
#include <optional>

#include "base/time.h"

namespace linkpilot::prober {

class ClockMap {
 public:
  // Two readings of one moment differ by well under this, when they are read back to back.
  static constexpr Duration kStepMin = std::chrono::microseconds(20);
  // A stamp may be this much older than the update before the last: sockets are drained once a
  // tick.
  static constexpr Duration kStampAgeMax = std::chrono::seconds(2);

  // Once per tick, before its stamps are read. A pair that was not read tightly says nothing of
  // steps.
  void update(Now now, bool tight) {
    const Duration offset(now.wall.ns - now.mono.ns);
    stepped_ = set_ && tight && std::chrono::abs(offset - offset_) > kStepMin;
    if (stepped_) old_offset_ = offset_;
    if (!set_ || stepped_) offset_ = offset;
    set_ = true;
    now_ = now.mono;
  }

  // When the stamp was taken. nullopt: it fits neither side of a step, or both.
  [[nodiscard]] std::optional<MonoTime> to_mono(UnixNanos stamp) const {
    const MonoTime mono{stamp.ns - offset_.count()};
    const bool fits = is_recent(mono);
    if (!stepped_) return fits ? std::optional(mono) : std::nullopt;
    const MonoTime old{stamp.ns - old_offset_.count()};
    if (fits == is_recent(old)) return std::nullopt;
    return fits ? mono : old;
  }

  // The wall clock as it now stands, at a monotonic time.
  [[nodiscard]] UnixNanos to_wall(MonoTime mono) const { return {mono.ns + offset_.count()}; }
  // Whether the last update found a step.
  [[nodiscard]] bool stepped() const { return stepped_; }

 private:
  // Up to one tick ahead of the update: packets keep coming while a tick works.
  [[nodiscard]] bool is_recent(MonoTime mono) const {
    return mono <= now_ + kStampAgeMax && mono >= now_ - kStampAgeMax;
  }

  Duration offset_{};
  Duration old_offset_{};
  MonoTime now_{};
  bool set_ = false;
  bool stepped_ = false;
};

}  // namespace linkpilot::prober
