#include "tests/support/link_noise.h"

#include <gtest/gtest.h>

namespace linkpilot::agent {
namespace {

using std::chrono::hours;
using std::chrono::milliseconds;
using std::chrono::minutes;

// A laxer rule than the real one, so that there is something to compare.
NoiseOptions lax(double loss, Duration burst_mean, std::uint64_t seed) {
  return {.loss = loss,
          .burst_mean = burst_mean,
          .delay_ab = milliseconds(31),
          .delay_ba = milliseconds(47),
          .detector = {.missed_min = 5},
          .seed = seed};
}

TEST(LinkNoise, FindsTheSkipsOfIndependentLossThatSimulatingEverythingFinds) {
  LinkNoise noise(lax(0.1, {}, 5), hours(1));
  EXPECT_NEAR(noise.measured_loss(), 0.1, 0.004);
  const std::vector<LinkNoise::Skip> everything = noise.skips_of_everything();
  EXPECT_GT(everything.size(), 5U);
  EXPECT_EQ(noise.skips(), everything);
}

TEST(LinkNoise, FindsTheSkipsOfBurstsThatSimulatingEverythingFinds) {
  LinkNoise noise(lax(0.06, milliseconds(20), 6), hours(1));
  EXPECT_NEAR(noise.measured_loss(), 0.06, 0.004);
  const std::vector<LinkNoise::Skip> everything = noise.skips_of_everything();
  EXPECT_GT(everything.size(), 5U);
  EXPECT_EQ(noise.skips(), everything);
}

TEST(LinkNoise, FindsTheSameSkipsWherePhasesAreLeftToChance) {
  NoiseOptions options = lax(0.06, milliseconds(20), 6);
  options.steer = false;
  LinkNoise noise(options, hours(1));
  EXPECT_EQ(noise.skips(), noise.skips_of_everything());
}

// Probe and answer that leave together are lost together; ticks of 5 ms and jitter leave less than
// the quarter of an interval that steering aims at.
TEST(LinkSimulation, SteeringKeepsProbesAndAnswersApartOnNearlyEveryLink) {
  constexpr int kLinks = 200;
  int close = 0;
  Rng rng(7);
  for (int i = 0; i < kLinks; ++i) {
    const Duration there(static_cast<std::int64_t>(1e6 * (1 + 149 * rng.uniform())));
    LinkSimulation sim({.delay_ab = there,
                        .delay_ba = there + there / 20,
                        .jitter = milliseconds(2),
                        .seed = rng.next()});
    sim.run_for(std::chrono::seconds(10));
    close += sim.apart() < milliseconds(7) ? 1 : 0;
  }
  EXPECT_LE(close, kLinks / 20);
}

TEST(LinkNoise, LeavesMostOfACleanDayUnsimulated) {
  LinkNoise noise({.loss = 0.005}, hours(24));
  EXPECT_EQ(noise.skips(), std::vector<LinkNoise::Skip>{});
  EXPECT_LT(noise.simulated(), 10U);
}

TEST(LinkNoise, IsTheSameForTheSameSeed) {
  LinkNoise one(lax(0.08, {}, 9), minutes(30));
  LinkNoise two(lax(0.08, {}, 9), minutes(30));
  EXPECT_EQ(one.skips(), two.skips());
}

}  // namespace
}  // namespace linkpilot::agent
