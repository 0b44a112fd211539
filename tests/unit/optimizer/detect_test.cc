// Detectors of loss, blackout, jitter, dials, agents, seasons, and the one that joins those of a
// link.
#include <gtest/gtest.h>

#include "base/rng.h"
#include "optimizer/detect/agent_health.h"
#include "optimizer/detect/calendar.h"
#include "optimizer/detect/dial_target.h"
#include "optimizer/detect/link_detector.h"
#include "optimizer/detect/season.h"

namespace linkpilot::optimizer {
namespace {

std::uint32_t draw_lost(std::uint32_t sent, double share, Rng& rng) {
  std::uint32_t lost = 0;
  for (std::uint32_t i = 0; i < sent; ++i) lost += rng.uniform() < share ? 1U : 0U;
  return lost;
}

// Seconds of 10 probes until it is bad; `most` when it never was.
int seconds_to_bad(double share, std::uint64_t seed, int most) {
  Rng rng(seed);
  LossChange loss;
  for (int second = 1; second <= most; ++second) {
    loss.add(10, draw_lost(10, share, rng), 0.0, {});
    if (loss.bad()) return second;
  }
  return most;
}

TEST(LossChange, EntersAsFastAsItsFormulaSays) {
  for (const auto& [share, probes] : {std::pair{0.05, 210.0}, std::pair{0.02, 720.0}}) {
    double sum = 0;
    for (std::uint64_t seed = 0; seed < 200; ++seed) sum += seconds_to_bad(share, seed, 1'000);
    EXPECT_NEAR(sum / 200.0, probes / 10.0, 0.25 * probes / 10.0) << share;
  }
}

TEST(LossChange, HardlyEverEntersOnLossesThatAreFine) {
  LossChange loss;
  Rng rng(7);
  int entries = 0;
  for (int second = 0; second < 500'000; ++second) {
    const bool was = loss.bad();
    loss.add(10, draw_lost(10, 0.002, rng), 0.0, {});
    entries += !was && loss.bad() ? 1 : 0;
  }
  EXPECT_LE(entries, 1);
}

TEST(LossChange, TakesOneBlackoutOfASecondForNoLossyLink) {
  LossChange loss;
  for (int second = 0; second < 100; ++second) loss.add(10, second == 50 ? 10 : 0, 0.0, {});
  EXPECT_FALSE(loss.bad());
}

TEST(LossChange, LeavesOnCleanProbesOnlyAndNeverOnNone) {
  LossChange loss;
  for (int second = 0; second < 60; ++second) loss.add(10, 1, 0.0, {});
  ASSERT_TRUE(loss.bad());
  EXPECT_NEAR(loss.ratio(), 0.1, 0.01);
  for (int second = 0; second < 1'000; ++second) loss.add(0, 0, 0.0, {});
  EXPECT_TRUE(loss.bad());
  int seconds = 0;
  while (loss.bad() && seconds < 1'000) {
    loss.add(10, 0, 0.0, {});
    ++seconds;
  }
  EXPECT_GT(seconds, 10);
  EXPECT_LT(seconds, 60);
}

TEST(LossChange, AcceptsWhatADirectionLosesAllDay) {
  LossChange loss;
  Rng rng(8);
  for (int second = 0; second < 20'000; ++second) {
    loss.add(10, draw_lost(10, 0.03, rng), 0.03, {});
    ASSERT_FALSE(loss.bad()) << second;
  }
}

TEST(MissRun, DiesOfFifteenMissedInARowAndReturnsAfterTenAnswers) {
  MissRun run;
  run.add(10, 10, {});
  EXPECT_FALSE(run.dead());
  run.add(5, 5, {});
  EXPECT_TRUE(run.dead());
  run.add(0, 0, {});
  run.add(9, 0, {});
  EXPECT_TRUE(run.dead());
  run.add(1, 0, {});
  EXPECT_FALSE(run.dead());
}

TEST(JitterChange, NeedsSecondsFarAboveTheUsualAndComesBack) {
  JitterChange jitter;
  for (int i = 0; i < 100; ++i) jitter.add(1.0 + 0.01 * (i % 7), {});
  jitter.add(80.0, {});
  EXPECT_FALSE(jitter.bad());
  for (int i = 0; i < 30; ++i) jitter.add(3.0, {});
  EXPECT_FALSE(jitter.bad());
  for (int i = 0; i < 3; ++i) jitter.add(30.0, {});
  EXPECT_TRUE(jitter.bad());
  for (int i = 0; i < 30; ++i) jitter.add(1.0, {});
  EXPECT_FALSE(jitter.bad());
}

TEST(Season, IsWorseOnlyThanEveryReferenceAndUnknownWithoutAny) {
  const SeasonLimits limits{.ratio = 1.25, .absolute = 10.0};
  EXPECT_EQ(compare_with_seasons(200.0, {}, limits), SeasonVerdict::unknown);
  EXPECT_EQ(compare_with_seasons(std::nullopt, {.yesterday = 100.0}, limits),
            SeasonVerdict::unknown);
  EXPECT_EQ(compare_with_seasons(200.0, {.yesterday = 195.0, .previous = 100.0}, limits),
            SeasonVerdict::usual);
  EXPECT_EQ(compare_with_seasons(200.0, {.yesterday = 120.0, .last_week = 100.0}, limits),
            SeasonVerdict::worse);
  EXPECT_EQ(compare_with_seasons(200.0, {.yesterday = 50.0}, limits, 5.0), SeasonVerdict::usual);
  EXPECT_EQ(compare_with_seasons(50.0, {.yesterday = 120.0}, limits), SeasonVerdict::better);
}

TEST(EventCalendar, RaisesTheExpectationOfItsStreamWhileItLasts) {
  EventCalendar calendar;
  ASSERT_TRUE(calendar.add({"final", UnixNanos{100}, UnixNanos{200}, 5.0}, UnixNanos{0}));
  ASSERT_TRUE(calendar.add({"", UnixNanos{150}, UnixNanos{300}, 2.0}, UnixNanos{0}));
  EXPECT_EQ(calendar.factor("final", UnixNanos{99}), 1.0);
  EXPECT_EQ(calendar.factor("final", UnixNanos{160}), 5.0);
  EXPECT_EQ(calendar.factor("other", UnixNanos{160}), 2.0);
  EXPECT_EQ(calendar.factor("final", UnixNanos{200}), 2.0);
  EXPECT_FALSE(calendar.add({"x", UnixNanos{5}, UnixNanos{5}, 2.0}, UnixNanos{0}));
  EXPECT_FALSE(calendar.add({"x", UnixNanos{5}, UnixNanos{6}, 0.0}, UnixNanos{0}));
}

TEST(EventCalendar, IsBoundedAndForgetsWhatIsOver) {
  EventCalendar calendar;
  for (std::size_t i = 0; i < EventCalendar::kEventsMax; ++i) {
    ASSERT_TRUE(calendar.add({"s", UnixNanos{1}, UnixNanos{10}, 2.0}, UnixNanos{0}));
  }
  EXPECT_FALSE(calendar.add({"s", UnixNanos{1}, UnixNanos{20}, 2.0}, UnixNanos{0}));
  EXPECT_TRUE(calendar.add({"s", UnixNanos{1}, UnixNanos{20}, 2.0}, UnixNanos{10}));
  EXPECT_EQ(calendar.events().size(), 1U);
}

Now second_of(std::int64_t second) {
  return {MonoTime{second * 1'000'000'000}, UnixNanos{second * 1'000'000'000}};
}

TEST(AgentHealth, IsOverloadedAfterThreeLateLooksAndWellAfterTenGoodOnes) {
  AgentHealth health;
  std::int64_t now = 0;
  const AgentLook late{.scheduled = 100, .missed_by_us = 20};
  const AgentLook fine{.scheduled = 100};
  for (int i = 0; i < 2; ++i) health.look(late, second_of(++now), {});
  EXPECT_TRUE(health.credible());
  health.look(late, second_of(++now), {});
  EXPECT_TRUE(health.has(AgentTrouble::overload));
  EXPECT_EQ(health.since(AgentTrouble::overload).mono, second_of(3).mono);
  for (int i = 0; i < 9; ++i) health.look(fine, second_of(++now), {});
  EXPECT_TRUE(health.sick());
  health.look(fine, second_of(++now), {});
  EXPECT_TRUE(health.credible());
}

TEST(AgentHealth, IsBlamedForAClockThatAllItsLinksSeeMoveOnly) {
  AgentHealth all;
  AgentHealth one;
  for (int i = 1; i < 5; ++i) {
    all.look({.scheduled = 100, .links_timed = 13, .links_skewed = 13}, second_of(i), {});
    one.look({.scheduled = 100, .links_timed = 13, .links_skewed = 1}, second_of(i), {});
  }
  EXPECT_TRUE(all.has(AgentTrouble::clock));
  EXPECT_TRUE(one.credible());
}

TEST(AgentHealth, IsSilentAfterFiveSecondsInWhichItCouldHaveBeenHeard) {
  AgentHealth health;
  health.look({.scheduled = 100}, second_of(10), {});
  health.judge_silence(MonoTime{}, second_of(14), {});
  EXPECT_TRUE(health.credible());
  health.judge_silence(second_of(14).mono, second_of(16), {});
  EXPECT_TRUE(health.credible());
  health.judge_silence(MonoTime{}, second_of(15), {});
  EXPECT_TRUE(health.has(AgentTrouble::silence));
  health.look({.scheduled = 100}, second_of(16), {});
  EXPECT_TRUE(health.credible());
}

TEST(DialTarget, FailsAfterThreeOfFourAndNamesTheCommonestFailure) {
  DialTarget target;
  const DialTargetOptions options;
  for (int i = 0; i < 50; ++i) target.add({.first_frame = std::chrono::milliseconds(400)}, options);
  target.add({.failed = true, .stage = 4, .kind = 6}, options);
  EXPECT_FALSE(target.failing());
  target.add({.failed = true, .stage = 3, .kind = 7, .code = 403}, options);
  target.add({.first_frame = std::chrono::milliseconds(400)}, options);
  for (int i = 0; i < 3; ++i) {
    target.add({.failed = true, .stage = 3, .kind = 7, .code = 403}, options);
  }
  EXPECT_TRUE(target.failing());
  ASSERT_EQ(target.kinds().size(), 2U);
  EXPECT_EQ(target.kinds()[0], (DialFailureCount{3, 7, 403, 4}));
}

TEST(DialTarget, IsLateWhenItsFirstFrameShiftsAndNotWhenItsProberIsOverloaded) {
  DialTarget target;
  const DialTargetOptions options;
  const auto dial = [&](int ms, bool overloaded) {
    target.add({.prober_overloaded = overloaded, .first_frame = std::chrono::milliseconds(ms)},
               options);
  };
  for (int i = 0; i < 50; ++i) dial(400 + i % 5, false);
  for (int i = 0; i < 20; ++i) dial(2'000, true);
  EXPECT_FALSE(target.late());
  for (int i = 0; i < 5; ++i) dial(1'500, false);
  EXPECT_TRUE(target.late());
  EXPECT_NEAR(*target.first_frame_usual_ms(), 402, 3);
  for (int i = 0; i < 15; ++i) dial(400, false);
  EXPECT_FALSE(target.late());
}

TEST(DialTarget, IsComparedWithEnoughPeersOnly) {
  const DialTargetOptions options;
  EXPECT_FALSE(later_than_peers(2'000, std::vector<double>{300, 300}, options));
  EXPECT_TRUE(later_than_peers(2'000, std::vector<double>{300, 300, 1'900}, options));
  EXPECT_FALSE(later_than_peers(400, std::vector<double>{300, 300, 300}, options));
}

LinkLook quiet_look(double rtt_ms = 50.0) {
  return {.sent = 10, .rtt_ms = rtt_ms, .forward_ms = rtt_ms / 2, .backward_ms = rtt_ms / 2};
}

TEST(LinkDetector, TellsWhichDirectionLoses) {
  LinkDetector link;
  for (int i = 0; i < 600; ++i) link.look(quiet_look(), {});
  for (int i = 0; i < 60; ++i) {
    LinkLook look = quiet_look();
    look.lost_forward = i % 2 == 0 ? 1 : 0;
    link.look(look, {});
  }
  EXPECT_NEAR(static_cast<double>(link.forward().loss), 0.05, 0.01);
  EXPECT_GT(link.forward().loss_nats, 17.0F);
  EXPECT_EQ(link.backward().loss_nats, 0.0F);
}

TEST(LinkDetector, DealsGrowthOfTheRoundTripToTheDirectionThatGrew) {
  LinkDetector link;
  for (int i = 0; i < 60; ++i) link.look(quiet_look(), {});
  for (int i = 0; i < 20; ++i) {
    LinkLook look = quiet_look(80.0);
    look.forward_ms = 25.0;
    look.backward_ms = 55.0;
    link.look(look, {});
  }
  EXPECT_NEAR(static_cast<double>(link.backward().delay_ms), 30.0, 2.0);
  EXPECT_NEAR(static_cast<double>(link.forward().delay_ms), 0.0, 2.0);
  EXPECT_TRUE(link.backward().delay_directed);
  for (int i = 0; i < 20; ++i) link.look(quiet_look(), {});
  EXPECT_EQ(link.backward().delay_ms, 0.0F);
}

TEST(LinkDetector, TakesAOneWayStepThatTheRoundTripDoesNotSeeForAClock) {
  LinkDetector link;
  for (int i = 0; i < 60; ++i) link.look(quiet_look(), {});
  for (int i = 0; i < 20; ++i) {
    LinkLook look = quiet_look();
    look.forward_ms = 25.0 + 100.0;
    look.backward_ms = 25.0 - 100.0;
    link.look(look, {});
  }
  EXPECT_TRUE(link.skewed());
  EXPECT_EQ(link.forward().delay_ms, 0.0F);
}

TEST(LinkDetector, IsDeadWithoutAnswersAndKnowsNothingFromSilence) {
  LinkDetector link;
  for (int i = 0; i < 60; ++i) link.look(quiet_look(), {});
  link.look({}, {});
  EXPECT_FALSE(link.dead());
  link.look({.sent = 10, .lost_forward = 10}, {});
  link.look({.sent = 10, .lost_forward = 10}, {});
  EXPECT_TRUE(link.dead());
  for (int i = 0; i < 100; ++i) link.look({}, {});
  EXPECT_TRUE(link.dead());
}

}  // namespace
}  // namespace linkpilot::optimizer
