#include "prober/media/playback/step_histogram.h"

#include <algorithm>
#include <bit>
#include <cmath>

namespace linkpilot::prober {
namespace {

constexpr std::int64_t kNanosPerMs = 1'000'000;
constexpr std::int64_t kCoarseMs = 32;
constexpr std::uint64_t kRecomputeEvery = 64;

}  // namespace

void StepHistogram::add(Duration step) {
  const std::int64_t ms = std::clamp<std::int64_t>(step.count() / kNanosPerMs, 0, 9'999);
  if (ms == 0) {
    ++zeros_;
    return;
  }
  constexpr auto kFine = static_cast<std::int64_t>(kFineBins);
  const auto bin = static_cast<std::size_t>(ms < kFine ? ms : kFine + (ms - kFine) / kCoarseMs);
  ++bins_[bin];
  ++total_;
  if (std::has_single_bit(total_) || total_ % kRecomputeEvery == 0) recompute();
}

double StepHistogram::bin_ms(std::size_t bin) {
  if (bin < kFineBins) return static_cast<double>(bin);
  return static_cast<double>(kFineBins) +
         (static_cast<double>(bin - kFineBins) + 0.5) * static_cast<double>(kCoarseMs);
}

// Within a tenth of the median, or a millisecond: what rounding to milliseconds makes of one rate.
bool StepHistogram::is_typical(std::size_t bin) const {
  const double median_ms = static_cast<double>(median_.count()) / kNanosPerMs;
  return std::abs(bin_ms(bin) - median_ms) <= std::max(1.0, median_ms / 10);
}

void StepHistogram::recompute() {
  std::uint64_t below = 0;
  for (std::size_t bin = 0; bin < bins_.size(); ++bin) {
    below += bins_[bin];
    if (2 * below < total_ || bins_[bin] == 0) continue;
    median_ = Duration(static_cast<std::int64_t>(bin_ms(bin) * kNanosPerMs));
    break;
  }
  double sum = 0;
  double count = 0;
  for (std::size_t bin = 0; bin < bins_.size(); ++bin) {
    if (bins_[bin] == 0 || !is_typical(bin)) continue;
    sum += bin_ms(bin) * bins_[bin];
    count += bins_[bin];
  }
  typical_ = count > 0 ? Duration(static_cast<std::int64_t>(sum / count * kNanosPerMs)) : median_;
}

double StepHistogram::missing_ratio() const {
  const double typical_ms = static_cast<double>(typical_.count()) / kNanosPerMs;
  if (typical_ms <= 0) return 0;
  double expected = 0;
  for (std::size_t bin = 0; bin < bins_.size(); ++bin) {
    if (bins_[bin] == 0) continue;
    expected += bins_[bin] * std::max(1.0, std::round(bin_ms(bin) / typical_ms));
  }
  return expected <= 0 ? 0 : 1.0 - static_cast<double>(total_) / expected;
}

bool StepHistogram::is_steady() const {
  std::uint64_t typical = 0;
  for (std::size_t bin = 0; bin < bins_.size(); ++bin) typical += is_typical(bin) ? bins_[bin] : 0;
  return total_ >= 8 && 5 * typical >= 4 * total_;
}

}  // namespace linkpilot::prober
