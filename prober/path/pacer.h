// A token bucket that says when the next token comes: `per_second` sends a second, at most `burst`
// at once after a pause. One thread.
#pragma once

#include <algorithm>
#include <chrono>
#include <cstdint>

#include "base/time.h"

namespace linkpilot::prober {

class Pacer {
 public:
  Pacer(double per_second, double burst)
      : each_(std::chrono::duration_cast<Duration>(std::chrono::duration<double>(1 / per_second))),
        tolerance_(std::chrono::duration_cast<Duration>((burst - 1) * each_)) {}

  // When the next send may be.
  [[nodiscard]] MonoTime next_at() const { return empty_until_ - tolerance_; }
  [[nodiscard]] bool may_send(MonoTime now) const { return now >= next_at(); }
  void note_send(MonoTime now) { empty_until_ = std::max(empty_until_, now) + each_; }

 private:
  Duration each_;
  Duration tolerance_;
  MonoTime empty_until_{};  // the bucket is full again then
};

}  // namespace linkpilot::prober
