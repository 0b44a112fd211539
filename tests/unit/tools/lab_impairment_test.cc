#include "tools/lab/impairment.h"

#include <gtest/gtest.h>

namespace linkpilot::lab {
namespace {

using namespace std::chrono_literals;

struct BurstShare {
  double ratio = 0;
  double mean_ms = 0;
};

// Looks at the chain every `step` for `length` and tells how much of the time was lost, and the
// mean length of a burst as far as the steps show it.
BurstShare observe(const BurstLoss& settings, Duration step, Duration length, std::uint64_t seed) {
  BurstState state;
  Rng rng(seed);
  std::int64_t lost = 0;
  std::int64_t bursts = 0;
  std::int64_t steps = 0;
  bool before = false;
  for (MonoTime now{}; now.ns < length.count(); now += step, ++steps) {
    const bool in_burst = state.advance(settings, now, rng);
    lost += in_burst ? 1 : 0;
    bursts += in_burst && !before ? 1 : 0;
    before = in_burst;
  }
  const double step_ms = static_cast<double>(step.count()) / 1e6;
  return {static_cast<double>(lost) / static_cast<double>(steps),
          static_cast<double>(lost) * step_ms / static_cast<double>(bursts)};
}

TEST(LabBurst, TakesTheShareAndLengthThatWereAskedFor) {
  // 1 % in bursts of 5 ms over 1000 s: about 2000 bursts, so the mean is good to 2.2 %.
  const BurstShare seen = observe({.ratio = 0.01, .mean = 5ms}, 100us, 1000s, 7);
  EXPECT_NEAR(seen.ratio, 0.01, 0.0015);
  EXPECT_NEAR(seen.mean_ms, 5, 0.6);
}

TEST(LabBurst, IsSteppedInTimeSoThatSparseProbesSeeTheSameShare) {
  const BurstShare sparse = observe({.ratio = 0.05, .mean = 20ms}, 50ms, 10'000s, 7);
  EXPECT_NEAR(sparse.ratio, 0.05, 0.004);
}

TEST(LabBurst, SurvivesALongIdleTime) {
  BurstState state;
  Rng rng(1);
  const BurstLoss settings{.ratio = 0.5, .mean = 1ms};
  (void)state.advance(settings, MonoTime{}, rng);
  int lost = 0;
  for (int hour = 1; hour <= 2'000; ++hour) {
    lost += state.advance(settings, MonoTime{hour * 3'600'000'000'000}, rng) ? 1 : 0;
  }
  EXPECT_NEAR(lost, 1'000, 120);
}

TEST(LabBurst, LosesNothingWithoutSettings) {
  BurstState state;
  Rng rng(1);
  for (int i = 0; i < 100; ++i) EXPECT_FALSE(state.advance({}, MonoTime{i * 1'000'000}, rng));
}

}  // namespace
}  // namespace linkpilot::lab
