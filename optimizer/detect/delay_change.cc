#include "optimizer/detect/delay_change.h"

#include <algorithm>
#include <limits>
#include <span>

#include "base/assert.h"

namespace linkpilot::optimizer {

namespace {

double median_of(std::span<const float> values) {
  LP_ASSERT(!values.empty() && values.size() <= DelayChange::kRecentMax);
  std::array<float, DelayChange::kRecentMax> copy{};
  const auto end = std::copy(values.begin(), values.end(), copy.begin());
  const auto middle = copy.begin() + static_cast<std::ptrdiff_t>(values.size() / 2);
  std::nth_element(copy.begin(), middle, end);
  return static_cast<double>(*middle);
}

struct Band {
  double low = 0.0;
  double high = 0.0;
};

struct Beyond {
  std::size_t above = 0;
  std::size_t below = 0;
};

Beyond count_beyond(std::span<const float> values, Band band) {
  Beyond count;
  for (const float value : values) {
    if (static_cast<double>(value) > band.high) ++count.above;
    if (static_cast<double>(value) < band.low) ++count.below;
  }
  return count;
}

}  // namespace

std::optional<ChangePoint> DelayChange::add(double value, const DelayChangeOptions& options) {
  LP_ASSERT(options.run <= kRecentMax && options.drift <= kRecentMax && options.run > 0 &&
            options.drift > 1);
  const std::size_t window = std::max(options.run, options.drift);
  while (recent_count_ >= window) {
    refer(recent_.front());
    std::copy(recent_.begin() + 1, recent_.begin() + recent_count_, recent_.begin());
    --recent_count_;
  }
  recent_[recent_count_++] = static_cast<float>(value);
  if (since_change_ < std::numeric_limits<std::uint8_t>::max()) ++since_change_;
  if (reference_count_ < options.reference_min || since_change_ <= options.quiet_after) return {};
  const std::optional<ChangePoint> change = judge(options);
  if (change) begin_anew(change->values);
  return change;
}

std::optional<ChangePoint> DelayChange::judge(const DelayChangeOptions& options) const {
  const double middle = median();
  const double floor = options.floor + options.relative_floor * middle;
  const double up = quantile_of(1.0 - options.quantile) - middle + floor;
  const double down = middle - quantile_of(options.quantile) + floor;
  const std::span<const float> recent(recent_.data(), recent_count_);
  const auto change = [&](ChangeKind kind, std::size_t values) {
    return ChangePoint{kind, middle, median_of(recent.last(values)),
                       static_cast<std::uint8_t>(values)};
  };

  const Band far{middle - options.run_level * down, middle + options.run_level * up};
  if (recent.size() >= options.run) {
    const Beyond beyond = count_beyond(recent.last(options.run), far);
    if (beyond.above == options.run) return change(ChangeKind::up, options.run);
    if (beyond.below == options.run) return change(ChangeKind::down, options.run);
  }
  if (recent.size() < options.drift) return {};
  const std::size_t enough = options.drift - 1U;
  const Band near{middle - options.drift_level * down, middle + options.drift_level * up};
  const Beyond beyond = count_beyond(recent.last(options.drift), near);
  if (beyond.above >= enough) return change(ChangeKind::up, options.drift);
  if (beyond.below >= enough) return change(ChangeKind::down, options.drift);
  const Beyond outside = count_beyond(recent.last(options.drift), far);
  if (outside.above + outside.below >= enough) return change(ChangeKind::spread, options.drift);
  return {};
}

// The values that gave the alarm are the first of what is usual now.
void DelayChange::begin_anew(std::size_t values) {
  std::array<float, kRecentMax> kept{};
  const std::span<const float> newest = std::span(recent_.data(), recent_count_).last(values);
  std::copy(newest.begin(), newest.end(), kept.begin());
  clear();
  for (std::size_t i = 0; i < values; ++i) refer(kept[i]);
}

void DelayChange::refer(float value) {
  if (reference_count_ == kReference) drop_oldest_reference();
  auto* end = sorted_.begin() + reference_count_;
  auto* place = std::upper_bound(sorted_.begin(), end, value);
  std::copy_backward(place, end, end + 1);
  *place = value;
  ring_[ring_next_] = value;
  ring_next_ = static_cast<std::uint8_t>((ring_next_ + 1U) % kReference);
  ++reference_count_;
}

void DelayChange::drop_oldest_reference() {
  // Full, so the oldest stands where the next will be written.
  auto* end = sorted_.begin() + reference_count_;
  auto* place = std::lower_bound(sorted_.begin(), end, ring_[ring_next_]);
  std::copy(place + 1, end, place);
  --reference_count_;
}

double DelayChange::quantile_of(double q) const {
  if (reference_count_ == 0) return 0.0;
  const double at = q * (reference_count_ - 1.0);
  const auto low = static_cast<std::size_t>(at);
  const std::size_t high = std::min<std::size_t>(low + 1, reference_count_ - 1U);
  const double share = at - static_cast<double>(low);
  return static_cast<double>(sorted_[low]) * (1.0 - share) +
         static_cast<double>(sorted_[high]) * share;
}

double DelayChange::spread(const DelayChangeOptions& options) const {
  return 0.5 * (quantile_of(1.0 - options.quantile) - quantile_of(options.quantile));
}

double DelayChange::recent_median(std::size_t count) const {
  const std::size_t values = std::min<std::size_t>(count, recent_count_);
  if (values == 0) return 0.0;
  return median_of(std::span(recent_.data(), recent_count_).last(values));
}

}  // namespace linkpilot::optimizer
