// When a lossy record is outdated: the collector then asks for faster probes, which renew it.
#include <gtest/gtest.h>

#include "optimizer/estimate/link_estimate.h"

namespace linkpilot::optimizer {
namespace {

class LossRecord : public testing::Test {
 protected:
  void probe(std::uint32_t sent, std::uint32_t lost) {
    LinkSample sample;
    sample.link = link_;
    sample.sent = sent;
    sample.answered = sent - lost;
    sample.lost_forward = lost;
    sample.rtt_min = sample.rtt_max = std::chrono::milliseconds(20);
    sample.rtt_sum = sample.rtt_min * static_cast<std::int64_t>(sample.answered);
    now_ += std::chrono::seconds(1);
    estimate_.fold(sample, LinkEnd::near, now_, parameters_);
  }
  [[nodiscard]] LinkBelief belief() const { return estimate_.belief(0.0, now_, parameters_); }

  EstimateParameters parameters_;
  LinkId link_{{NodeId(1), PortIndex(0)}, {NodeId(2), PortIndex(0)}};
  LinkEstimate estimate_{link_};
  MonoTime now_;
};

TEST_F(LossRecord, IsOutdatedAfterEnoughProbesInARowCameThrough) {
  for (int second = 0; second < 15; ++second) probe(20, 1);
  EXPECT_FALSE(belief().loss_outdated);
  for (std::uint32_t probes = 0; probes + 1 < parameters_.outdated_clean_probes; ++probes) {
    probe(1, 0);
    EXPECT_FALSE(belief().loss_outdated) << probes;
  }
  probe(1, 0);
  EXPECT_TRUE(belief().loss_outdated);
}

TEST_F(LossRecord, IsRenewedByFastProbesWithinSeconds) {
  for (int second = 0; second < 15; ++second) probe(20, 1);
  for (int second = 0; second < 40; ++second) probe(1, 0);
  const double before = belief().loss_ratio();
  EXPECT_GT(before, 0.03);
  for (int second = 0; second < 60 && belief().loss_outdated; ++second) probe(20, 0);
  EXPECT_FALSE(belief().loss_outdated);
  EXPECT_LT(belief().loss_ratio(), 0.01);
}

TEST_F(LossRecord, OfAStillLossyLinkIsNotOutdated) {
  for (int second = 0; second < 300; ++second) {
    probe(20, 1);
    EXPECT_FALSE(belief().loss_outdated);
  }
}

TEST_F(LossRecord, OfACleanLinkIsNotOutdated) {
  for (int second = 0; second < 300; ++second) probe(20, 0);
  EXPECT_FALSE(belief().loss_outdated);
}

}  // namespace
}  // namespace linkpilot::optimizer
