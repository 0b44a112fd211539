#include "prober/media/playback/timeline.h"

#include <algorithm>

namespace linkpilot::prober {
namespace {

constexpr std::uint32_t kHalfRange = 0x80000000;

Duration from_ms(std::int64_t ms) { return std::chrono::milliseconds(ms); }

bool is_believed(Duration step) { return step >= -kBackwardStepMax && step <= kForwardStepMax; }

// The step across a wrap at 2^31: both ends near it, or the difference alone would excuse any jump.
bool is_half_wrap(std::uint32_t from, std::uint32_t to, Duration step) {
  constexpr std::uint32_t kNear = 10'000;
  return is_believed(step) && from < kHalfRange && from >= kHalfRange - kNear && to < kNear;
}

}  // namespace

void Timeline::start(std::uint32_t timestamp_ms, Duration at) {
  started_ = true;
  last_timestamp_ = timestamp_ms;
  at_ = at;
  begin_ = at;
  frontier_ = at;
}

TimelineStep Timeline::place(std::uint32_t timestamp_ms) {
  if (!started_) start(timestamp_ms, Duration(0));
  const std::uint32_t from = last_timestamp_;
  const std::uint32_t difference = timestamp_ms - from;
  Duration step = from_ms(static_cast<std::int32_t>(difference));
  if (!is_believed(step)) {
    const Duration half_step = from_ms(static_cast<std::int64_t>(difference & (kHalfRange - 1)));
    if (is_half_wrap(from, timestamp_ms, half_step)) {
      step = half_step;
      ++wraps_;
    }
  } else if (timestamp_ms < from && step >= Duration(0)) {
    ++wraps_;
  }
  last_timestamp_ = timestamp_ms;
  TimelineStep placed{.kind = StepKind::regular, .at = at_, .step = step};
  if (!is_believed(step)) {
    placed.kind = StepKind::jump;
    placed.at = at_ + median_step();
    jumped_ += step - median_step();
    ++jumps_;
  } else {
    placed.at = at_ + step;
    if (step < Duration(0)) {
      placed.kind = StepKind::backward;
      ++backward_;
    } else {
      steps_.add(step);
    }
  }
  at_ = placed.at;
  frontier_ = std::max(frontier_, at_);
  return placed;
}

Duration Timeline::median_step() const { return steps_.count() == 0 ? assumed_ : steps_.median(); }

Duration Timeline::typical_step() const {
  return steps_.count() == 0 ? assumed_ : steps_.typical();
}

}  // namespace linkpilot::prober
