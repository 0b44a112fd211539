// StepHistogram: the steps between decode times of one track, in whole milliseconds below 512 ms
// and in bins of 32 ms up to 10 s. Tells the median step and the typical one: the mean of the steps
// near the median, which a 30 fps stream's 33, 33, 34 ms need. O(1) amortised, 3.3 kB. Zero steps
// are counted apart, because servers with a zero clock would make the median 0.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>

#include "base/time.h"

namespace linkpilot::prober {

class StepHistogram {
 public:
  void add(Duration step);  // 0 .. 10 s

  [[nodiscard]] std::uint64_t count() const { return total_; }  // without zero steps
  [[nodiscard]] std::uint64_t zero_steps() const { return zeros_; }
  [[nodiscard]] Duration median() const { return median_; }    // 0 before the first step
  [[nodiscard]] Duration typical() const { return typical_; }  // 0 before the first step

  // Of the steps there should have been, were each longer one filled with typical ones, the share
  // that is missing: a constant frame rate's share of dropped frames.
  [[nodiscard]] double missing_ratio() const;
  // Whether four fifths of the steps are typical, so that missing_ratio means something.
  [[nodiscard]] bool is_steady() const;

 private:
  static constexpr std::size_t kFineBins = 512;
  static constexpr std::size_t kCoarseBins = 297;

  [[nodiscard]] static double bin_ms(std::size_t bin);
  [[nodiscard]] bool is_typical(std::size_t bin) const;
  void recompute();

  std::array<std::uint32_t, kFineBins + kCoarseBins> bins_{};
  std::uint64_t total_ = 0;
  std::uint64_t zeros_ = 0;
  Duration median_{};
  Duration typical_{};
};

}  // namespace linkpilot::prober
