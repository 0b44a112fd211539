// JitterChange: whether the jitter of a link (mean absolute RFC 3393 IPDV of a second) stays above
// what is usual for it. One-sided cumulative sum (Page 1954) of how far each second is above the
// usual, in units of the usual and of a floor, less a slack; each second counts at most `step_max`,
// so that no single burst is a fault. The usual is a slow mean that stands still while it is bad.
//
// With a slack of 1 and a level of 12 in steps of at most 4, three seconds far above raise it, and
// seconds at up to twice the usual plus the floor never do. O(1), 24 octets, milliseconds.
#pragma once

#include <algorithm>
#include <cstdint>

namespace linkpilot::optimizer {

struct JitterChangeOptions {
  double floor_ms = 2.0;
  double slack = 1.0;
  double step_max = 4.0;
  double enter_level = 12.0;
  double usual_seconds = 600.0;
  std::uint32_t looks_min = 20;
};

class JitterChange {
 public:
  void add(double jitter_ms, const JitterChangeOptions& options) {
    const auto usual = static_cast<double>(usual_ms_);
    if (looks_ >= options.looks_min) {
      const double above = (jitter_ms - usual) / (usual + options.floor_ms) - options.slack;
      const double sum = static_cast<double>(sum_) + std::min(above, options.step_max);
      sum_ = static_cast<float>(std::clamp(sum, 0.0, options.enter_level));
      if (static_cast<double>(sum_) >= options.enter_level) bad_ = true;
      if (sum_ <= 0.0F) bad_ = false;
    }
    if (bad_) return;
    looks_ += looks_ < options.looks_min ? 1U : 0U;
    const double share = looks_ < options.looks_min ? 1.0 / looks_ : 1.0 / options.usual_seconds;
    usual_ms_ += static_cast<float>(share * (jitter_ms - usual));
  }
  [[nodiscard]] bool bad() const { return bad_; }
  [[nodiscard]] double usual_ms() const { return static_cast<double>(usual_ms_); }

 private:
  float usual_ms_ = 0.0F;
  float sum_ = 0.0F;
  std::uint32_t looks_ = 0;
  bool bad_ = false;
};

}  // namespace linkpilot::optimizer
