#include "optimizer/detect/delay_change.h"

#include <gtest/gtest.h>
#include <rapidcheck/gtest.h>

#include <algorithm>
#include <cmath>
#include <deque>
#include <numbers>
#include <vector>

#include "base/rng.h"

namespace linkpilot::optimizer {
namespace {

double normal(Rng& rng) {  // Box and Muller 1958
  const double radius = std::sqrt(-2.0 * std::log1p(-rng.uniform()));
  return radius * std::cos(2.0 * std::numbers::pi * rng.uniform());
}

struct Raised {
  std::size_t at = 0;
  ChangePoint change;
};

std::vector<Raised> run(const std::vector<double>& values) {
  DelayChange detector;
  std::vector<Raised> raised;
  for (std::size_t i = 0; i < values.size(); ++i) {
    if (const auto change = detector.add(values[i], DelayChangeOptions{})) {
      raised.push_back({i, *change});
    }
  }
  return raised;
}

std::vector<double> noise(std::size_t count, double level, double width, Rng& rng) {
  std::vector<double> values(count);
  for (double& value : values) value = level + width * normal(rng);
  return values;
}

TEST(DelayChange, SeesAStepUpAndItsReturnAfterFourValuesEach) {
  Rng rng(1);
  std::vector<double> values = noise(100, 80.0, 0.5, rng);
  for (const auto& part : {noise(100, 100.0, 0.5, rng), noise(100, 80.0, 0.5, rng)}) {
    values.insert(values.end(), part.begin(), part.end());
  }
  const std::vector<Raised> raised = run(values);
  ASSERT_EQ(raised.size(), 2U);
  EXPECT_EQ(raised[0].at, 103U);
  EXPECT_EQ(raised[0].change.kind, ChangeKind::up);
  EXPECT_EQ(raised[0].change.values, 4);
  EXPECT_NEAR(raised[0].change.before, 80.0, 1.0);
  EXPECT_NEAR(raised[0].change.after, 100.0, 1.0);
  EXPECT_EQ(raised[1].at, 203U);
  EXPECT_EQ(raised[1].change.kind, ChangeKind::down);
}

TEST(DelayChange, SeesASmallLastingStepLater) {
  Rng rng(2);
  std::vector<double> values = noise(100, 80.0, 0.2, rng);
  const std::vector<double> more = noise(50, 82.0, 0.2, rng);
  values.insert(values.end(), more.begin(), more.end());
  const std::vector<Raised> raised = run(values);
  ASSERT_EQ(raised.size(), 1U);
  EXPECT_EQ(raised[0].change.kind, ChangeKind::up);
  EXPECT_GT(raised[0].at, 104U);
  EXPECT_LE(raised[0].at, 112U);
}

TEST(DelayChange, SeesADelayThatBeginsToSwing) {
  Rng rng(3);
  std::vector<double> values = noise(100, 80.0, 0.2, rng);
  for (int i = 0; i < 30; ++i) values.push_back(i % 3 == 0 ? 72.0 : i % 3 == 1 ? 88.0 : 90.0);
  const std::vector<Raised> raised = run(values);
  ASSERT_FALSE(raised.empty());
  EXPECT_EQ(raised[0].change.kind, ChangeKind::spread);
}

TEST(DelayChange, TakesThreeSpikesInARowForWeather) {
  Rng rng(4);
  std::vector<double> values = noise(300, 80.0, 0.5, rng);
  for (std::size_t i = 50; i < 280; i += 40) {
    values[i] = values[i + 1] = values[i + 2] = 300.0;
  }
  EXPECT_TRUE(run(values).empty());
}

TEST(DelayChange, RaisesTheFalseAlarmsItStatesOnIndependentNoise) {
  Rng rng(5);
  for (const auto& [width, most] : {std::pair{0.1, 10U}, {1.0, 10U}, {10.0, 800U}, {50.0, 800U}}) {
    const std::vector<Raised> raised = run(noise(200'000, 100.0, width, rng));
    EXPECT_LE(raised.size(), most) << width;
  }
}

TEST(DelayChange, SaysTheSameWhateverTheLevelIsMovedByWithoutARelativeFloor) {
  DelayChangeOptions options;
  options.relative_floor = 0.0;
  Rng rng(6);
  DelayChange low;
  DelayChange high;
  for (int i = 0; i < 2'000; ++i) {
    const double value = std::round(64.0 * (20.0 + (i / 100 % 2) * 7.0 + normal(rng))) / 64.0;
    const auto a = low.add(value, options);
    const auto b = high.add(value + 128.0, options);
    ASSERT_EQ(a.has_value(), b.has_value()) << i;
    if (a) {
      EXPECT_EQ(a->kind, b->kind);
    }
  }
}

RC_GTEST_PROP(DelayChange, KeepsTheMedianOfTheLastValuesBeforeTheWindow, ()) {
  const auto values = *rc::gen::container<std::vector<unsigned>>(rc::gen::inRange(0U, 40U));
  DelayChangeOptions options;
  options.run_level = options.drift_level = 1e9;
  DelayChange detector;
  std::deque<double> reference;
  for (std::size_t i = 0; i < values.size(); ++i) {
    RC_ASSERT(!detector.add(values[i], options).has_value());
    if (i >= options.drift) reference.push_back(values[i - options.drift]);
    if (reference.size() > DelayChange::kReference) reference.pop_front();
  }
  RC_ASSERT(detector.reference_count() == reference.size());
  if (reference.size() % 2 == 1) {
    std::sort(reference.begin(), reference.end());
    RC_ASSERT(detector.median() == reference[reference.size() / 2]);
  }
}

}  // namespace
}  // namespace linkpilot::optimizer
