// Timeline: one track's 32-bit decode timestamps as a line that never wraps or jumps, so that
// lateness can be judged on it. Steps within -250 ms .. +10 s are believed; anything else is a
// jump: counted, and the line goes on one median step later, so no stall or freeze comes of it.
// Wraps at 2^32 and at 2^31 (servers mask the sign bit) are no jumps. Only frames belong here:
// sequence headers and metadata carry times of their own.
//
// Bounds from notes of practice: 250 ms is SRS's own discontinuity limit. O(1) a frame. Single
// thread.
#pragma once

#include <cstdint>

#include "base/time.h"
#include "prober/media/playback/step_histogram.h"

namespace linkpilot::prober {

inline constexpr Duration kBackwardStepMax = std::chrono::milliseconds(250);
inline constexpr Duration kForwardStepMax = std::chrono::seconds(10);

enum class StepKind : std::uint8_t { first, regular, backward, jump };

struct TimelineStep {
  StepKind kind = StepKind::first;
  Duration at{};    // on the unwrapped line
  Duration step{};  // since the frame before, as the timestamps say it (also of a jump)
};

class Timeline {
 public:
  // `assumed` stands for the median until there is one.
  explicit Timeline(Duration assumed) : assumed_(assumed) {}

  // The line's zero is the caller's: a second track starts at its own distance from the first.
  void start(std::uint32_t timestamp_ms, Duration at);
  TimelineStep place(std::uint32_t timestamp_ms);

  [[nodiscard]] bool started() const { return started_; }
  [[nodiscard]] std::uint32_t last_timestamp() const { return last_timestamp_; }
  [[nodiscard]] Duration at() const { return at_; }        // of the newest frame
  [[nodiscard]] Duration begin() const { return begin_; }  // of the first frame
  [[nodiscard]] Duration frontier() const { return frontier_; }
  [[nodiscard]] Duration median_step() const;
  [[nodiscard]] Duration typical_step() const;
  [[nodiscard]] const StepHistogram& steps() const { return steps_; }

  [[nodiscard]] std::uint32_t jumps() const { return jumps_; }
  [[nodiscard]] std::uint32_t backward_steps() const { return backward_; }
  [[nodiscard]] std::uint32_t wraps() const { return wraps_; }
  // What jumps took out of the line, forward positive.
  [[nodiscard]] Duration jumped() const { return jumped_; }

 private:
  Duration assumed_;
  bool started_ = false;
  std::uint32_t last_timestamp_ = 0;
  Duration at_{};
  Duration begin_{};
  Duration frontier_{};
  Duration jumped_{};
  std::uint32_t jumps_ = 0;
  std::uint32_t backward_ = 0;
  std::uint32_t wraps_ = 0;
  StepHistogram steps_;
};

}  // namespace linkpilot::prober
