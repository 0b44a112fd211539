// LatencySketch: a distribution of durations in log-linear buckets (exponent and 7 mantissa bits of
// the nanoseconds, the HdrHistogram layout). Integers only, so merging is exact, commutative and
// associative: the sum of shards equals the whole, bit for bit. Relative bucket width <= 1/128 =
// 0.78 %.
//
// Range 0 .. kSketchValueMax (about 69 s); larger values count in the last bucket, negative ones in
// the first. Sparse in memory: sorted (bucket, count) pairs, bounded by kSketchBuckets. Not
// thread-safe.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <vector>

#include "base/assert.h"
#include "base/time.h"

namespace linkpilot {

inline constexpr unsigned kSketchMantissaBits = 7;
inline constexpr unsigned kSketchExponentMax = 36;
inline constexpr std::size_t kSketchBuckets = (kSketchExponentMax - kSketchMantissaBits + 1)
                                              << kSketchMantissaBits;
inline constexpr Duration kSketchValueMax{(std::int64_t{1} << kSketchExponentMax) - 1};

struct SketchCell {
  std::uint16_t bucket = 0;
  std::uint32_t count = 0;
  friend constexpr bool operator==(const SketchCell&, const SketchCell&) = default;
};

class LatencySketch {
 public:
  void add(Duration value) { add_bucket(bucket_of(value), 1); }
  void add_bucket(std::uint16_t bucket, std::uint32_t count);
  // For cells that come in order: `bucket` is above all that are there, `count` is not zero.
  void append(std::uint16_t bucket, std::uint32_t count) {
    LP_ASSERT(bucket < kSketchBuckets && count > 0 &&
              (cells_.empty() || cells_.back().bucket < bucket));
    cells_.push_back({bucket, count});
  }
  void merge(const LatencySketch& other);
  void clear() { cells_.clear(); }

  [[nodiscard]] std::uint64_t count() const;
  // The value below which a share q in [0,1] of the samples lies: the middle of its bucket, so the
  // error is at most half a bucket (0.39 %). Empty sketch: nullopt.
  [[nodiscard]] std::optional<Duration> quantile(double q) const;

  // Sorted by bucket, no zero counts.
  [[nodiscard]] std::span<const SketchCell> cells() const { return cells_; }

  [[nodiscard]] static std::uint16_t bucket_of(Duration value);
  [[nodiscard]] static Duration bucket_low(std::uint16_t bucket);
  [[nodiscard]] static Duration bucket_width(std::uint16_t bucket);

  friend bool operator==(const LatencySketch&, const LatencySketch&) = default;

 private:
  std::vector<SketchCell> cells_;
};

}  // namespace linkpilot
