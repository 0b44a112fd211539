#include "base/sketch.h"

#include <algorithm>
#include <bit>
#include <cmath>
#include <limits>

#include "base/assert.h"

namespace linkpilot {
namespace {

constexpr std::uint64_t kSubBuckets = std::uint64_t{1} << kSketchMantissaBits;

// Counts saturate instead of wrapping: a full bucket stays the fullest.
std::uint32_t saturating_add(std::uint32_t a, std::uint32_t b) {
  const std::uint32_t sum = a + b;
  return sum < a ? std::numeric_limits<std::uint32_t>::max() : sum;
}

}  // namespace

std::uint16_t LatencySketch::bucket_of(Duration value) {
  const auto ns = static_cast<std::uint64_t>(
      std::clamp<std::int64_t>(value.count(), 0, kSketchValueMax.count()));
  if (ns < kSubBuckets) return static_cast<std::uint16_t>(ns);
  const auto shift = static_cast<unsigned>(std::bit_width(ns)) - 1 - kSketchMantissaBits;
  return static_cast<std::uint16_t>(((shift + 1) << kSketchMantissaBits) |
                                    ((ns >> shift) & (kSubBuckets - 1)));
}

Duration LatencySketch::bucket_low(std::uint16_t bucket) {
  const std::uint64_t row = bucket >> kSketchMantissaBits;
  const std::uint64_t column = bucket & (kSubBuckets - 1);
  if (row == 0) return Duration(static_cast<std::int64_t>(column));
  return Duration(static_cast<std::int64_t>((kSubBuckets + column) << (row - 1)));
}

Duration LatencySketch::bucket_width(std::uint16_t bucket) {
  const std::uint64_t row = bucket >> kSketchMantissaBits;
  return Duration(row == 0 ? 1 : std::int64_t{1} << (row - 1));
}

void LatencySketch::add_bucket(std::uint16_t bucket, std::uint32_t count) {
  LP_ASSERT(bucket < kSketchBuckets);
  if (count == 0) return;
  const auto cell = std::ranges::lower_bound(cells_, bucket, {}, &SketchCell::bucket);
  if (cell != cells_.end() && cell->bucket == bucket) {
    cell->count = saturating_add(cell->count, count);
  } else {
    cells_.insert(cell, SketchCell{bucket, count});
  }
}

void LatencySketch::merge(const LatencySketch& other) {
  std::vector<SketchCell> merged;
  merged.reserve(cells_.size() + other.cells_.size());
  auto a = cells_.begin();
  auto b = other.cells_.begin();
  while (a != cells_.end() || b != other.cells_.end()) {
    if (b == other.cells_.end() || (a != cells_.end() && a->bucket < b->bucket)) {
      merged.push_back(*a++);
    } else if (a == cells_.end() || b->bucket < a->bucket) {
      merged.push_back(*b++);
    } else {
      merged.push_back({a->bucket, saturating_add(a->count, b->count)});
      ++a;
      ++b;
    }
  }
  cells_ = std::move(merged);
}

std::uint64_t LatencySketch::count() const {
  std::uint64_t total = 0;
  for (const SketchCell& cell : cells_) total += cell.count;
  return total;
}

std::optional<Duration> LatencySketch::quantile(double q) const {
  const std::uint64_t total = count();
  if (total == 0) return std::nullopt;
  const double rank = std::ceil(std::clamp(q, 0.0, 1.0) * static_cast<double>(total));
  const std::uint64_t target = std::max<std::uint64_t>(1, static_cast<std::uint64_t>(rank));
  std::uint64_t seen = 0;
  for (const SketchCell& cell : cells_) {
    seen += cell.count;
    if (seen >= target) return bucket_low(cell.bucket) + bucket_width(cell.bucket) / 2;
  }
  return bucket_low(cells_.back().bucket);
}

}  // namespace linkpilot
