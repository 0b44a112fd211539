#include "prober/media/playback/timeline.h"

#include <gtest/gtest.h>

namespace linkpilot::prober {
namespace {

using std::chrono::milliseconds;

Timeline at_25_frames(std::uint32_t from, int count = 20) {
  Timeline line(milliseconds(40));
  line.start(from, Duration(0));
  for (int i = 1; i < count; ++i) (void)line.place(from + static_cast<std::uint32_t>(40 * i));
  return line;
}

TEST(Timeline, RunsOnThroughAWrapAtThirtyTwoAndAtThirtyOneBits) {
  Timeline whole = at_25_frames(0xfffffe00, 30);
  EXPECT_EQ(whole.at(), milliseconds(40 * 29));
  EXPECT_EQ(whole.wraps(), 1U);
  EXPECT_EQ(whole.jumps(), 0U);
  Timeline half(milliseconds(40));
  half.start(0x7fffff00, Duration(0));
  for (std::uint32_t i = 1; i < 30; ++i) (void)half.place((0x7fffff00 + 40 * i) & 0x7fffffff);
  EXPECT_EQ(half.at(), milliseconds(40 * 29));
  EXPECT_EQ(half.wraps(), 1U);
  EXPECT_EQ(half.jumps(), 0U);
  // Past 2^31 without masking is no wrap at all.
  EXPECT_EQ(at_25_frames(0x7fffff00, 30).wraps(), 0U);
}

TEST(Timeline, TakesAJumpForOneMedianStepAndCountsIt) {
  struct Case {
    const char* name;
    std::uint32_t to;
    std::int64_t step_ms;
  };
  for (const Case& one :
       {Case{"an hour on", 760 + 3'600'000, 3'600'000}, Case{"back 300 ms", 460, -300},
        Case{"to zero", 0, -760}, Case{"by 2^31", 760 + 0x80000000, -2147483648LL}}) {
    SCOPED_TRACE(one.name);
    Timeline line = at_25_frames(0);
    const TimelineStep step = line.place(one.to);
    EXPECT_EQ(step.kind, StepKind::jump);
    EXPECT_EQ(step.step, milliseconds(one.step_ms));
    EXPECT_EQ(step.at, milliseconds(760 + 40));
    EXPECT_EQ(line.jumps(), 1U);
    EXPECT_EQ(line.jumped(), milliseconds(one.step_ms - 40));
    EXPECT_EQ(line.place(one.to + 40).at, milliseconds(760 + 80));
  }
}

TEST(Timeline, BelievesStepsUpToItsBounds) {
  Timeline line = at_25_frames(0);
  EXPECT_EQ(line.place(760 + 10'000).kind, StepKind::regular);
  EXPECT_EQ(line.place(760 + 9'750).kind, StepKind::backward);
  EXPECT_EQ(line.place(760 + 9'499).kind, StepKind::jump);
  EXPECT_EQ(line.backward_steps(), 1U);
}

TEST(Timeline, ToleratesAClockThatStandsStill) {
  Timeline line(milliseconds(40));
  for (int i = 0; i < 100; ++i) EXPECT_NE(line.place(0).kind, StepKind::jump);
  EXPECT_EQ(line.median_step(), milliseconds(40)) << "nothing was learnt";
  EXPECT_EQ(line.steps().zero_steps(), 100U);
}

TEST(StepHistogram, LearnsThirtyFramesASecondFromRoundedMilliseconds) {
  Timeline line(milliseconds(40));
  for (std::uint32_t i = 0; i < 3000; ++i) (void)line.place(i * 1000 / 30);
  EXPECT_EQ(line.median_step(), milliseconds(33));
  EXPECT_NEAR(static_cast<double>(line.typical_step().count()), 1e9 / 30, 20'000);
  EXPECT_TRUE(line.steps().is_steady());
  EXPECT_NEAR(line.steps().missing_ratio(), 0, 1e-9);
}

TEST(StepHistogram, CountsEveryTenthFrameMissing) {
  Timeline line(milliseconds(40));
  for (std::uint32_t i = 0; i < 3000; ++i) {
    if (i % 10 != 5) (void)line.place(i * 40);
  }
  EXPECT_TRUE(line.steps().is_steady());
  EXPECT_NEAR(line.steps().missing_ratio(), 0.1, 0.002);
}

TEST(StepHistogram, DoesNotCallAnUnsteadyRateOne) {
  Timeline line(milliseconds(40));
  std::uint32_t at = 0;
  for (std::uint32_t i = 0; i < 300; ++i) (void)line.place(at += i % 2 == 0 ? 20 : 90);
  EXPECT_FALSE(line.steps().is_steady());
}

TEST(StepHistogram, KnowsSlidesOfOneFrameInFiveSeconds) {
  Timeline line(milliseconds(40));
  for (std::uint32_t i = 0; i < 20; ++i) (void)line.place(i * 5000);
  EXPECT_NEAR(std::chrono::duration<double>(line.median_step()).count(), 5.0, 0.02);
  EXPECT_TRUE(line.steps().is_steady());
}

}  // namespace
}  // namespace linkpilot::prober
