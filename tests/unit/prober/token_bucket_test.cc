#include "prober/stamp/token_bucket.h"

#include <gtest/gtest.h>

namespace linkpilot::prober {
namespace {

int taken_in(TokenBucket& bucket, MonoTime from, Duration length, Duration step) {
  int taken = 0;
  for (MonoTime now = from; now < from + length; now += step) taken += bucket.take(now) ? 1 : 0;
  return taken;
}

TEST(TokenBucket, LetsTheRatePassAndTheSavedBurstOnce) {
  TokenBucket bucket(1000, 10);
  const MonoTime start{1'000'000'000};
  EXPECT_NEAR(taken_in(bucket, start, std::chrono::seconds(1), std::chrono::microseconds(100)),
              1100, 2);
  EXPECT_NEAR(taken_in(bucket, start + std::chrono::seconds(1), std::chrono::seconds(1),
                       std::chrono::microseconds(100)),
              1000, 2);
}

TEST(TokenBucket, SavesNoMoreThanABurstWhileIdle) {
  TokenBucket bucket(10, 5);
  const MonoTime late{3'600'000'000'000};
  EXPECT_EQ(taken_in(bucket, late, Duration(100), Duration(1)), 5);
}

}  // namespace
}  // namespace linkpilot::prober
