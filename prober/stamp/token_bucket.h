// A token bucket on the caller's clock: `rate` tokens a second, at most a tenth of a second's worth
// (and at least `burst_min`) saved up.
#pragma once

#include <algorithm>
#include <chrono>

#include "base/time.h"

namespace linkpilot::prober {

class TokenBucket {
 public:
  TokenBucket(double per_second, double burst_min)
      : per_second_(per_second), burst_(std::max(burst_min, per_second / 10)), tokens_(burst_) {}

  // Whether one may pass now; `now` never goes back.
  [[nodiscard]] bool take(MonoTime now) {
    tokens_ = std::min(burst_, tokens_ + per_second_ * seconds_since(now));
    filled_ = now;
    if (tokens_ < 1.0) return false;
    tokens_ -= 1.0;
    return true;
  }

 private:
  [[nodiscard]] double seconds_since(MonoTime now) const {
    return now <= filled_ ? 0.0 : std::chrono::duration<double>(now - filled_).count();
  }

  double per_second_;
  double burst_;
  double tokens_;
  MonoTime filled_{};
};

}  // namespace linkpilot::prober
