#include "prober/media/dial/push_pacer.h"

#include <gtest/gtest.h>

namespace linkpilot::prober {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;

constexpr Now moment(Duration since) {
  return {.mono = MonoTime{1'000'000'000} + since, .wall = UnixNanos{0} + since};
}

PushPacer pacer_of(std::uint32_t frames_per_s = 25) {
  PushOptions options;
  options.stream.picture.rate = {.frames = frames_per_s, .seconds = 1};
  return PushPacer(PushFeeder::create(options).value());
}

TEST(PushPacer, WakesForEachTagAtItsOwnTimeWithoutGatheringThem) {
  PushPacer pacer = pacer_of(120);
  EXPECT_FALSE(pacer.next_wakeup());
  EXPECT_FALSE(pacer.take_due(moment({})));
  pacer.begin(moment({}).mono);
  Now now = moment({});
  while (pacer.take_due(now)) pacer.note(1);
  for (int i = 0; i < 300; ++i) {
    const MonoTime wakeup = pacer.next_wakeup().value();
    ASSERT_GT(wakeup, now.mono);
    ASSERT_LE(wakeup - now.mono, milliseconds(9));
    now = {.mono = wakeup, .wall = now.wall + (wakeup - now.mono)};
    int together = 0;
    while (pacer.take_due(now)) ++together;
    ASSERT_GE(together, 1);
    ASSERT_LE(together, 2) << "a frame of each track";
  }
  EXPECT_EQ(pacer.report.late_max, Duration(0));
}

TEST(PushPacer, GoesOnWithoutABurstWhenTheServerAsksItToMove) {
  PushPacer pacer = pacer_of();
  pacer.begin(moment({}).mono);
  Now now = moment(seconds(1));
  while (pacer.take_due(now)) {
  }
  now = moment(seconds(4));
  pacer.begin(now.mono);
  EXPECT_EQ(pacer.began(), moment({}).mono);
  std::vector<TagType> types;
  while (const auto tag = pacer.take_due(now)) types.push_back(tag->type);
  ASSERT_GE(types.size(), 3U);
  EXPECT_LE(types.size(), 5U) << "configurations and what was next, not three seconds";
  EXPECT_EQ(types[0], TagType::script);
  EXPECT_EQ(pacer.report.late_max, seconds(1)) << "of the time before";
}

TEST(PushPacer, MeasuresHowLongSomethingWaitedAndWhenAServerIsStuck) {
  PushPacer pacer = pacer_of();
  pacer.begin(moment({}).mono);
  for (int s = 0; s < 60; ++s) pacer.on_offered(1000, 0, moment(seconds(s)).mono);
  EXPECT_EQ(pacer.report.queue_max, Duration(0));
  EXPECT_FALSE(pacer.is_stuck(moment(seconds(100)).mono)) << "nothing to be taken";
  pacer.on_offered(1000, 500, moment(seconds(100)).mono);
  pacer.on_offered(10, 900, moment(seconds(103)).mono);
  EXPECT_EQ(pacer.report.queue_max, seconds(3));
  EXPECT_FALSE(pacer.is_stuck(moment(seconds(107)).mono)) << "slow, and not stuck";
  EXPECT_TRUE(pacer.is_stuck(moment(seconds(109)).mono));
  pacer.on_offered(900, 0, moment(seconds(110)).mono);
  EXPECT_EQ(pacer.report.queue_max, seconds(10));
  EXPECT_FALSE(pacer.is_stuck(moment(seconds(120)).mono));
}

TEST(PushPacer, CountsWhatTheQueueDidNotTake) {
  PushPacer pacer = pacer_of();
  pacer.note(70);
  pacer.note(std::nullopt);
  EXPECT_EQ(pacer.report.tags, 1U);
  EXPECT_EQ(pacer.report.octets, 70U);
  EXPECT_EQ(pacer.report.tags_left_out, 1U);
}

}  // namespace
}  // namespace linkpilot::prober
