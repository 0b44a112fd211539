#include "base/sketch.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <vector>

#include "base/rng.h"

namespace linkpilot {
namespace {

TEST(LatencySketch, BucketsTileTheRangeWithoutGapsAndStayNarrow) {
  for (std::size_t i = 0; i + 1 < kSketchBuckets; ++i) {
    const auto bucket = static_cast<std::uint16_t>(i);
    const Duration low = LatencySketch::bucket_low(bucket);
    const Duration width = LatencySketch::bucket_width(bucket);
    ASSERT_EQ(LatencySketch::bucket_low(static_cast<std::uint16_t>(i + 1)), low + width);
    ASSERT_EQ(LatencySketch::bucket_of(low), bucket);
    ASSERT_EQ(LatencySketch::bucket_of(low + width - Duration(1)), bucket);
    if (low.count() >= 128) {
      ASSERT_LE(static_cast<double>(width.count()) / static_cast<double>(low.count()), 0.008);
    }
  }
}

TEST(LatencySketch, ClampsWhatItCannotHold) {
  EXPECT_EQ(LatencySketch::bucket_of(Duration(-5)), 0);
  EXPECT_EQ(LatencySketch::bucket_of(std::chrono::hours(1)), kSketchBuckets - 1);
  EXPECT_EQ(LatencySketch::bucket_of(kSketchValueMax), kSketchBuckets - 1);
}

TEST(LatencySketch, QuantileIsWithinHalfABucketOfTheExactOne) {
  Rng rng(7);
  LatencySketch sketch;
  std::vector<std::int64_t> values;
  for (int i = 0; i < 5000; ++i) {
    const auto ns = static_cast<std::int64_t>(rng.below(std::uint64_t{1} << (10 + rng.below(25))));
    values.push_back(ns);
    sketch.add(Duration(ns));
  }
  std::ranges::sort(values);
  for (const double q : {0.01, 0.5, 0.9, 0.99, 1.0}) {
    const auto rank = static_cast<std::size_t>(std::max(1.0, std::ceil(q * 5000))) - 1;
    const double exact = static_cast<double>(values[rank]);
    EXPECT_NEAR(static_cast<double>(sketch.quantile(q)->count()), exact, exact * 0.0040 + 1) << q;
  }
}

TEST(LatencySketch, MergeOfShardsEqualsTheWholeInAnyOrder) {
  Rng rng(11);
  LatencySketch whole;
  std::vector<LatencySketch> shards(5);
  for (int i = 0; i < 3000; ++i) {
    const Duration value(static_cast<std::int64_t>(rng.below(400'000'000)));
    whole.add(value);
    shards[rng.below(shards.size())].add(value);
  }
  LatencySketch forward;
  LatencySketch backward;
  for (std::size_t i = 0; i < shards.size(); ++i) {
    forward.merge(shards[i]);
    backward.merge(shards[shards.size() - 1 - i]);
  }
  EXPECT_EQ(forward, whole);
  EXPECT_EQ(backward, whole);
  EXPECT_EQ(whole.count(), 3000U);
}

TEST(LatencySketch, EmptySketchHasNoQuantile) {
  EXPECT_FALSE(LatencySketch{}.quantile(0.5).has_value());
}

TEST(LatencySketch, CountsSaturateInsteadOfWrapping) {
  LatencySketch sketch;
  sketch.add_bucket(3, 0xffff'fff0U);
  sketch.add_bucket(3, 0xffU);
  EXPECT_EQ(sketch.count(), 0xffff'ffffU);
}

}  // namespace
}  // namespace linkpilot
