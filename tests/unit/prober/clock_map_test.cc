#include "prober/stamp/clock_map.h"

#include <gtest/gtest.h>

#include "prober/stamp/clock_error.h"

namespace linkpilot::prober {
namespace {

using std::chrono::hours;
using std::chrono::microseconds;
using std::chrono::milliseconds;

constexpr std::int64_t kWallStart = 1'790'000'000'000'000'000;

Now at(Duration mono, Duration step = Duration(0)) {
  return {.mono = MonoTime{mono.count()},
          .wall = UnixNanos{kWallStart + mono.count() + step.count()}};
}

TEST(ClockMap, TurnsStampsIntoMonotonicTimeExactly) {
  ClockMap clock;
  clock.update(at(milliseconds(100)), true);
  clock.update(at(milliseconds(105)), true);
  EXPECT_EQ(clock.to_mono(at(microseconds(103'123)).wall), MonoTime{103'123'000});
  EXPECT_EQ(clock.to_wall(MonoTime{103'123'000}), at(microseconds(103'123)).wall);
}

TEST(ClockMap, KeepsTheOffsetWhenReadingsJitter) {
  ClockMap clock;
  clock.update(at(milliseconds(100)), true);
  clock.update(at(milliseconds(105), microseconds(2)), true);
  EXPECT_FALSE(clock.stepped());
  EXPECT_EQ(clock.to_mono(at(milliseconds(104)).wall), MonoTime{104'000'000});
}

TEST(ClockMap, PlacesStampsOfBothSidesOfAnHoursStep) {
  for (const Duration step : {Duration(hours(1)), Duration(-hours(1))}) {
    ClockMap clock;
    clock.update(at(milliseconds(100)), true);
    clock.update(at(milliseconds(105), step), true);
    EXPECT_TRUE(clock.stepped());
    EXPECT_EQ(clock.to_mono(at(milliseconds(102)).wall), MonoTime{102'000'000});
    EXPECT_EQ(clock.to_mono(at(milliseconds(104), step).wall), MonoTime{104'000'000});
    clock.update(at(milliseconds(110), step), true);
    EXPECT_FALSE(clock.stepped());
    EXPECT_EQ(clock.to_mono(at(milliseconds(108), step).wall), MonoTime{108'000'000});
    EXPECT_EQ(clock.to_mono(at(milliseconds(102)).wall), std::nullopt);
  }
}

TEST(ClockMap, DropsStampsThatFitBothSidesOfASmallStep) {
  ClockMap clock;
  clock.update(at(milliseconds(100)), true);
  clock.update(at(milliseconds(105), milliseconds(1)), true);
  EXPECT_TRUE(clock.stepped());
  EXPECT_EQ(clock.to_mono(at(milliseconds(103)).wall), std::nullopt);
}

TEST(ClockMap, DoesNotTakeALooseReadingForAStep) {
  ClockMap clock;
  clock.update(at(milliseconds(100)), true);
  clock.update(at(milliseconds(105), milliseconds(4)), false);
  EXPECT_FALSE(clock.stepped());
  EXPECT_EQ(clock.to_mono(at(milliseconds(104)).wall), MonoTime{104'000'000});
}

TEST(ClockError, ClaimsNothingWithoutSynchronisation) {
  const KernelClockState state{.synchronized = false, .max_error = milliseconds(1)};
  EXPECT_EQ(clock_error_of(state), std::nullopt);
  EXPECT_FALSE(error_estimate_of(state).synchronized);
  EXPECT_NE(error_estimate_of(state).multiplier, 0);
}

TEST(ClockError, TellsTheKernelsMaximumError) {
  const KernelClockState state{.synchronized = true, .max_error = milliseconds(3)};
  EXPECT_EQ(clock_error_of(state), milliseconds(3));
  EXPECT_TRUE(error_estimate_of(state).synchronized);
  EXPECT_GE(error_estimate_of(state).error(), milliseconds(3));
}

TEST(ClockError, DoesNotBelieveAClockThatMayBeOffByMoreThanASecond) {
  const KernelClockState state{.synchronized = true, .max_error = std::chrono::seconds(16)};
  EXPECT_EQ(clock_error_of(state), std::nullopt);
  EXPECT_FALSE(error_estimate_of(state).synchronized);
}

}  // namespace
}  // namespace linkpilot::prober
