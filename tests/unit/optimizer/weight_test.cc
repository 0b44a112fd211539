#include <gtest/gtest.h>

#include <cmath>
#include <limits>

#include "optimizer/weight/link_cost.h"
#include "tests/unit/optimizer/network_builder.h"

namespace linkpilot::optimizer {
namespace {

TEST(WilsonUpper, EqualsZSquaredOverNPlusZSquaredWithoutLoss) {
  // Cardwell, Detour list 1998: n samples, none lost => z^2 / (n + z^2).
  for (const double sent : {1.0, 100.0, 300.0}) {
    EXPECT_NEAR(wilson_upper(0, sent, 2.0), 4.0 / (sent + 4.0), 1e-12);
  }
}

TEST(WilsonUpper, EqualsWilson1927) {
  // 10 of 100 at z = 1.96: (0.1 + 0.019208 + 1.96 sqrt(0.0009 + 0.00009604)) / 1.038416.
  EXPECT_NEAR(wilson_upper(10, 100, 1.96), 0.17437, 1e-5);
}

TEST(WilsonUpper, StaysAProbabilityWhateverItIsFed) {
  EXPECT_EQ(wilson_upper(0, 0, 1.645), 1.0);
  EXPECT_NEAR(wilson_upper(5, 5, 1.645), 1.0, 1e-12);
  EXPECT_LE(wilson_upper(50, 5, 1.645), 1.0);
}

TEST(LossRecovery, IsRttTimesPOverOneMinusP) {
  EXPECT_NEAR(loss_recovery_ms(200, 0.03), 200 * 0.03 / 0.97, 1e-12);
  EXPECT_EQ(loss_recovery_ms(200, 0.0), 0.0);
  EXPECT_TRUE(std::isfinite(loss_recovery_ms(200, 1.0)));
}

TEST(Load, IsFlatBelowSeventyPercentAndDoublesAboveNinety) {
  EXPECT_LT(load_ms(100, 0.70), 1.0);
  EXPECT_NEAR(load_ms(100, 0.80), 50.0, 1e-9);
  EXPECT_GT(load_ms(100, 0.90), 99.0);
  EXPECT_LE(load_ms(100, 50.0), 100.0);
}

TEST(LinkCost, IsTheSumOfItsTerms) {
  LinkBelief belief = make_belief(make_link(0, 1), 40.0);
  belief.lost_effective = 3.0;
  belief.rtt_p95 = belief.rtt_p50 + std::chrono::milliseconds(6);
  const CostTerms terms = link_cost(belief, {}, {});
  EXPECT_NEAR(terms.delay, 40.0, 1e-6);
  EXPECT_NEAR(terms.jitter_allowance, 3.0, 1e-6);
  EXPECT_NEAR(terms.loss_recovery, loss_recovery_ms(80.0, wilson_upper(3, 300, 1.645)), 1e-6);
  EXPECT_NEAR(terms.total.value, terms.delay + terms.jitter_allowance + terms.loss_recovery, 1e-9);
}

TEST(LinkCost, IsPositiveAndFiniteForEveryInput) {
  const double nan = std::nan("");
  const double infinity = std::numeric_limits<double>::infinity();
  for (const double bad : {nan, infinity, -infinity, -1.0, 0.0, 1e300}) {
    LinkBelief belief = make_belief(make_link(0, 1), 10.0);
    belief.lost_effective = bad;
    belief.sent_effective = bad;
    belief.delay = Duration(-5);
    belief.rtt_p50 = Duration::max();
    const double cost =
        link_cost(belief, {.utilisation = bad, .price = bad}, {.price_ms_per_unit = 1.0})
            .total.value;
    EXPECT_GT(cost, 0.0);
    EXPECT_LE(cost, WeightParameters{}.cost_max_ms);
  }
}

TEST(LinkCost, GrowsWithDelayAndLoss) {
  LinkBelief belief = make_belief(make_link(0, 1), 10.0);
  const double before = link_cost(belief, {}, {}).total.value;
  belief.lost_effective = 9.0;
  const double lossy = link_cost(belief, {}, {}).total.value;
  EXPECT_GT(lossy, before);
  EXPECT_GT(link_cost(make_belief(make_link(0, 1), 11.0), {}, {}).total.value, before);
}

}  // namespace
}  // namespace linkpilot::optimizer
