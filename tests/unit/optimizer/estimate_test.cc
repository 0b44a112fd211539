#include <gtest/gtest.h>

#include <chrono>
#include <cmath>

#include "base/rng.h"
#include "optimizer/estimate/fleet_estimates.h"
#include "optimizer/weight/link_cost.h"
#include "tests/unit/optimizer/network_builder.h"

namespace linkpilot::optimizer {
namespace {

using namespace std::chrono_literals;

MonoTime at(double seconds) { return MonoTime{static_cast<std::int64_t>(seconds * 1e9) + 1}; }

// One second of `probes` probes at about `rtt_ms`, of which some are lost on the way there or back.
LinkSample make_sample(LinkId link, double rtt_ms, std::uint32_t probes,
                       std::uint32_t lost_forward = 0, std::uint32_t lost_backward = 0,
                       Rng* noise = nullptr) {
  LinkSample sample;
  sample.link = link;
  sample.length = 1s;
  sample.sent = probes;
  sample.lost_forward = lost_forward;
  sample.lost_backward = lost_backward;
  sample.answered = probes - lost_forward - lost_backward;
  sample.rtt_min = Duration::max();
  for (std::uint32_t i = 0; i < sample.answered; ++i) {
    const double jitter = noise == nullptr ? 0.0 : -std::log(1.0 - noise->uniform()) * 0.8;
    const Duration rtt(static_cast<std::int64_t>((rtt_ms + jitter) * 1e6));
    sample.rtt.add(rtt);
    sample.rtt_sum += rtt;
    sample.rtt_min = std::min(sample.rtt_min, rtt);
    sample.rtt_max = std::max(sample.rtt_max, rtt);
  }
  if (sample.answered == 0) sample.rtt_min = Duration{};
  return sample;
}

Alarm make_alarm(LinkId link, LinkState state, bool confirmed) {
  Alarm alarm;
  alarm.link = link;
  alarm.state = state;
  alarm.confirmed = confirmed;
  return alarm;
}

TEST(FleetEstimates, OneSampleFeedsBothDirections) {
  FleetEstimates fleet;
  for (int s = 0; s < 30; ++s) {
    ASSERT_TRUE(fleet.fold(make_sample(make_link(0, 1), 80, 20, 2, 0), at(s)));
  }
  const LinkBelief there = fleet.belief(make_link(0, 1), at(30));
  const LinkBelief back = fleet.belief(make_link(1, 0), at(30));
  EXPECT_TRUE(there.usable());
  EXPECT_TRUE(back.usable());
  EXPECT_NEAR(there.loss_ratio(), 0.1, 0.005);
  EXPECT_EQ(back.loss_ratio(), 0.0) << "the way back lost nothing";
  EXPECT_NEAR(static_cast<double>(there.delay.count()), 40e6, 0.4e6);
}

TEST(FleetEstimates, OneWayDelayIsTakenWhereClocksAllow) {
  FleetEstimates fleet;
  for (int s = 0; s < 20; ++s) {
    LinkSample sample = make_sample(make_link(0, 1), 80, 20);
    sample.forward_delay = {20, 60ms, 20 * 60ms, 100us};
    sample.backward_delay = {20, 20ms, 20 * 20ms, 100us};
    fleet.fold(sample, at(s));
  }
  const LinkBelief there = fleet.belief(make_link(0, 1), at(20));
  EXPECT_TRUE(there.delay_from_clocks);
  EXPECT_NEAR(static_cast<double>(there.delay.count()), 60e6, 0.6e6);
  const LinkBelief back = fleet.belief(make_link(1, 0), at(20));
  EXPECT_NEAR(static_cast<double>(back.delay.count()), 20e6, 0.3e6);
}

TEST(FleetEstimates, AnUntrustworthyClockIsIgnored) {
  FleetEstimates fleet;
  for (int s = 0; s < 20; ++s) {
    LinkSample sample = make_sample(make_link(0, 1), 80, 20);
    sample.forward_delay = {20, 60ms, 20 * 60ms, 50ms};
    fleet.fold(sample, at(s));
  }
  EXPECT_FALSE(fleet.belief(make_link(0, 1), at(20)).delay_from_clocks);
}

TEST(FleetEstimates, AChangedProbeRateMovesNoWeight) {
  Rng noise(3);
  FleetEstimates fleet;
  const LinkId link = make_link(0, 1);
  double second = 0;
  const auto cost_after = [&](int seconds, std::uint32_t probes) {
    for (int s = 0; s < seconds; ++s) {
      second += 1;
      // Other links, so that there is a fleet.
      for (std::size_t other = 2; other < 6; ++other) {
        fleet.fold(make_sample(make_link(0, other), 50, 20, 0, 0, &noise), at(second));
      }
      fleet.fold(make_sample(link, 100, probes, 0, 0, &noise), at(second));
    }
    return link_cost(fleet.belief(link, at(second)), {}, {}).total.value;
  };
  const double fast = cost_after(60, 20);
  const double slow = cost_after(120, 1);
  const double fast_again = cost_after(60, 20);
  EXPECT_NEAR(slow, fast, 1.0);
  EXPECT_NEAR(fast_again, fast, 1.0);
}

TEST(FleetEstimates, ASlowLinkIsFilledUpWithTheFleetsMedianLoss) {
  FleetEstimates fleet;
  for (int s = 0; s < 60; ++s) {
    for (std::size_t other = 1; other < 6; ++other) {
      fleet.fold(make_sample(make_link(0, other), 50, 20, s % 5 == 0 ? 1U : 0U, 0), at(s));
    }
    if (s < 10) fleet.fold(make_sample(make_link(6, 7), 50, 1), at(s + 50));
  }
  const LinkBelief slow = fleet.belief(make_link(6, 7), at(60));
  EXPECT_EQ(slow.sent_effective, 300.0);
  EXPECT_NEAR(slow.sent_measured, 10.0, 1e-9);
  EXPECT_GT(slow.loss_ratio(), 0.004);
}

TEST(FleetEstimates, OneEndAloneOnlySuspects) {
  FleetEstimates fleet;
  const LinkId link = make_link(0, 1);
  EXPECT_TRUE(fleet.apply(make_alarm(link, LinkState::suspect, false), node_id(1), at(1)));
  EXPECT_EQ(fleet.belief(link, at(1)).state, LinkState::suspect);
  EXPECT_TRUE(fleet.apply(make_alarm(link, LinkState::suspect, false), node_id(0), at(1)));
  EXPECT_EQ(fleet.belief(link, at(1)).state, LinkState::dead) << "both ends agree";
}

TEST(FleetEstimates, AConfirmedWordKillsAndTheSameEndRevives) {
  FleetEstimates fleet;
  const LinkId link = make_link(0, 1);
  EXPECT_TRUE(fleet.apply(make_alarm(link, LinkState::dead, true), node_id(1), at(1)));
  EXPECT_FALSE(fleet.belief(link, at(1)).usable());
  EXPECT_FALSE(fleet.apply(make_alarm(link, LinkState::dead, true), node_id(1), at(1.2)))
      << "a repeated alarm is no news";
  EXPECT_TRUE(fleet.apply(make_alarm(link, LinkState::alive, true), node_id(1), at(3)));
  EXPECT_EQ(fleet.belief(link, at(3)).state, LinkState::alive);
}

TEST(FleetEstimates, AWordOfAnAgentThatDiedDoesNotHoldForEver) {
  FleetEstimates fleet;
  const LinkId link = make_link(0, 1);
  fleet.apply(make_alarm(link, LinkState::dead, true), node_id(0), at(0));
  for (int s = 1; s <= 9; ++s) fleet.fold(make_sample(make_link(1, 0), 50, 20), at(s));
  EXPECT_EQ(fleet.belief(link, at(9)).state, LinkState::dead);
  fleet.fold(make_sample(make_link(1, 0), 50, 20), at(10));
  EXPECT_EQ(fleet.belief(link, at(10)).state, LinkState::alive);
  fleet.apply(make_alarm(link, LinkState::dead, true), node_id(0), at(11));
  fleet.agent_restarted(node_id(0));
  EXPECT_EQ(fleet.belief(link, at(11)).state, LinkState::alive);
}

TEST(FleetEstimates, AnAlarmOfAStrangerIsRefused) {
  FleetEstimates fleet;
  EXPECT_FALSE(fleet.apply(make_alarm(make_link(0, 1), LinkState::dead, true), node_id(2), at(1)));
  EXPECT_EQ(fleet.refused(), 1U);
}

TEST(FleetEstimates, ALinkThatFlapsIsDampedByItsDeathsAndDecays) {
  FleetEstimates fleet;
  const LinkId link = make_link(0, 1);
  for (int flap = 0; flap < 3; ++flap) {
    fleet.apply(make_alarm(link, LinkState::dead, true), node_id(1), at(flap * 2));
    fleet.apply(make_alarm(link, LinkState::alive, true), node_id(1), at(flap * 2 + 1));
  }
  const LinkBelief now = fleet.belief(link, at(6));
  EXPECT_TRUE(now.damped);
  EXPECT_GT(now.damped_left.count(), 0);
  const double left = static_cast<double>(now.damped_left.count()) * 1e-9;
  EXPECT_TRUE(fleet.belief(link, at(6 + left - 1)).damped);
  EXPECT_FALSE(fleet.belief(link, at(6 + left + 1)).damped);
}

TEST(FleetEstimates, ALinkThatWasReusedIsSuppressedOnlyByManyDeathsAgain) {
  FleetEstimates fleet;
  const LinkId link = make_link(0, 1);
  const auto die_and_return = [&](double second) {
    fleet.apply(make_alarm(link, LinkState::dead, true), node_id(1), at(second));
    fleet.apply(make_alarm(link, LinkState::alive, true), node_id(1), at(second + 1));
  };
  for (int flap = 0; flap < 3; ++flap) die_and_return(flap * 2);
  ASSERT_FALSE(fleet.belief(link, at(200)).damped);
  die_and_return(200);
  EXPECT_FALSE(fleet.belief(link, at(201)).damped);
  die_and_return(202);
  die_and_return(204);
  EXPECT_TRUE(fleet.belief(link, at(205)).damped);
}

TEST(FleetEstimates, TheSameLossProbedFastOrSlowlyGivesTheSameWeight) {
  // Per loss: the means over 40 links probed 20 times a second and 40 probed once a second.
  constexpr std::size_t kEach = 40;
  for (const double loss : {0.0, 0.002, 0.01, 0.05}) {
    Rng rng(static_cast<std::uint64_t>(loss * 1e4) + 1);
    FleetEstimates fleet;
    for (int second = 0; second < 600; ++second) {
      for (std::size_t i = 0; i < 2 * kEach; ++i) {
        const std::uint32_t sent = i < kEach ? 20 : 1;
        std::uint32_t lost = 0;
        for (std::uint32_t probe = 0; probe < sent; ++probe) lost += rng.uniform() < loss ? 1 : 0;
        fleet.fold(make_sample(make_link(0, i + 1), 20, sent, lost), at(second));
      }
    }
    double ratio[2] = {0.0, 0.0};
    double weight[2] = {0.0, 0.0};
    for (std::size_t i = 0; i < 2 * kEach; ++i) {
      const LinkBelief belief = fleet.belief(make_link(0, i + 1), at(600));
      ratio[i / kEach] += belief.loss_ratio() / kEach;
      weight[i / kEach] += link_cost(belief, {}, {}).total.value / kEach;
    }
    // Four deviations of the mean of 40 effective samples of 300.
    const double noise = 4.0 * std::sqrt(2.0 * loss / (kEach * 300.0));
    EXPECT_NEAR(ratio[0], ratio[1], noise + 1e-12) << "loss " << loss;
    EXPECT_NEAR(weight[0], weight[1], 0.02 * weight[0]) << "loss " << loss;
  }
}

TEST(FleetEstimates, WhatIsNotHeardOfGoesStale) {
  FleetEstimates fleet;
  for (int s = 0; s < 10; ++s) fleet.fold(make_sample(make_link(0, 1), 50, 20), at(s));
  EXPECT_TRUE(fleet.belief(make_link(0, 1), at(20)).usable());
  EXPECT_FALSE(fleet.belief(make_link(0, 1), at(31)).usable());
  EXPECT_FALSE(fleet.belief(make_link(4, 5), at(0)).usable()) << "never heard of";
}

TEST(FleetEstimates, IsBoundedAndCountsWhatItRefuses) {
  FleetEstimates fleet({}, 2);
  EXPECT_TRUE(fleet.fold(make_sample(make_link(0, 1), 50, 20), at(0)));
  EXPECT_FALSE(fleet.fold(make_sample(make_link(0, 2), 50, 20), at(0)));
  EXPECT_FALSE(fleet.fold(make_sample(make_link(3, 3), 50, 20), at(0)));
  EXPECT_EQ(fleet.size(), 2U);
  EXPECT_EQ(fleet.refused(), 2U);
  fleet.forget(node_id(1));
  EXPECT_EQ(fleet.size(), 0U);
}

TEST(Noise, MovesNothingInSimulatedHours) {
  // Three equally good ways, jitter and 0.5 % loss, fast and slow links: no route may ever move.
  Rng noise(5);
  FleetEstimates fleet;
  NetworkView view;
  constexpr std::size_t kNodes = 5;
  for (std::size_t i = 0; i < kNodes; ++i) view.nodes.push_back(make_node(i));
  PlannerState state;
  std::size_t moves = 0;
  for (int second = 0; second < 2 * 3600; ++second) {
    for (std::size_t i = 0; i < kNodes; ++i) {
      for (std::size_t j = 0; j < kNodes; ++j) {
        if (i == j) continue;
        const std::uint32_t probes = (i + j) % 2 == 0 ? 20 : 1;
        std::uint32_t lost = 0;
        for (std::uint32_t p = 0; p < probes; ++p) lost += noise.below(200) == 0 ? 1U : 0U;
        const double rtt = i == 0 || j == 0 ? 120.0 : 57.0;
        fleet.fold(make_sample(make_link(i, j), rtt, probes, lost, 0, &noise), at(second));
      }
    }
    if (second < 10) continue;
    view.links = fleet.beliefs(at(second));
    PlannerResult result =
        plan_routes(view, {}, std::move(state), {}, at_second(static_cast<double>(second)));
    ASSERT_TRUE(result.guard.publish) << result.guard.reason;
    state = std::move(result.next);
    for (const RouteMove& move : result.moves) moves += move.reason == MoveReason::first ? 0U : 1U;
  }
  EXPECT_EQ(moves, 0U);
}

}  // namespace
}  // namespace linkpilot::optimizer
