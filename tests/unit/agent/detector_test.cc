#include "agent/detect/detector.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>

#include "tests/support/link_simulation.h"

namespace linkpilot::agent {
namespace {

using std::chrono::hours;
using std::chrono::milliseconds;
using std::chrono::seconds;

constexpr std::size_t kA = LinkSimulation::kA;
constexpr std::size_t kB = LinkSimulation::kB;
using Marks = LinkSimulation::Marks;

TEST(Cadence, CountsExpectedArrivalsOfBothRhythms) {
  const Rhythm probes{true, MonoTime{0}, milliseconds(50)};
  const Rhythm answers{true, MonoTime{25'000'000}, milliseconds(50)};
  // After the answer at 25 ms: 50, 75, 100, 125, 150, 175, 200.
  const auto due =
      nth_expected_arrival(probes, answers, MonoTime{25'000'000}, MonoTime{25'000'000}, 7);
  ASSERT_TRUE(due);
  EXPECT_EQ(due->ns, 200'000'000);
}

TEST(Cadence, ExpectsNoAnswersOnceTheyHaveStoppedForLong) {
  const Rhythm probes{true, MonoTime{1'000'000'000}, milliseconds(50)};
  const Rhythm answers{true, MonoTime{25'000'000}, milliseconds(50)};
  const auto due = nth_expected_arrival(probes, answers, probes.last, probes.last, 7);
  ASSERT_TRUE(due);
  EXPECT_EQ((*due - probes.last), milliseconds(350));
}

TEST(Cadence, ExpectsNothingOfAPeerThatWasNeverHeard) {
  EXPECT_FALSE(nth_expected_arrival({}, {}, MonoTime{0}, MonoTime{0}, 7));
}

// Whatever the phases: at least 7 expected arrivals are missed, and the link is marked 150 to 210
// ms (and one tick) after the last packet got through.
TEST(Detector, MarksATwoWayCutWithinTheSilenceRuleAtAllDelaysAndPhases) {
  Rng rng(7);
  for (const int delay_ms : {0, 1, 10, 37, 70, 150}) {
    for (std::uint64_t seed = 1; seed <= 25; ++seed) {
      SCOPED_TRACE("delay " + std::to_string(delay_ms) + " ms, seed " + std::to_string(seed));
      LinkSimulation sim(
          {.delay_ab = milliseconds(delay_ms), .delay_ba = milliseconds(delay_ms), .seed = seed});
      sim.run_for(seconds(3) + Duration(static_cast<std::int64_t>(rng.below(100'000'000))));
      const MonoTime cut = sim.time();
      sim.cut(kA);
      sim.cut(kB);
      sim.run_for(milliseconds(delay_ms) + milliseconds(220));
      for (const std::size_t end : {kA, kB}) {
        EXPECT_EQ(sim.marks(end), (Marks{.outbound = true, .inbound = true}));
        const Duration reaction = sim.outbound_marked_at(end) - cut - milliseconds(delay_ms);
        EXPECT_GE(reaction, milliseconds(100));
        EXPECT_LE(reaction, milliseconds(215));
        ASSERT_EQ(sim.alarms(end).size(), 2U);
        EXPECT_EQ(sim.alarms(end)[0].state, LinkState::suspect);
        EXPECT_FALSE(sim.alarms(end)[0].confirmed);
      }
      sim.run_for(seconds(1));
      for (const std::size_t end : {kA, kB}) {
        EXPECT_EQ(sim.count(end, LinkEvent::dead), 1U);
        EXPECT_EQ(sim.alarms(end).back().state, LinkState::dead);
        EXPECT_TRUE(sim.alarms(end).back().confirmed);
      }
    }
  }
}

TEST(Detector, TellsTheSenderOfAOneWayCutAndKeepsItsHealthyDirectionClear) {
  for (const int delay_ms : {10, 70, 150}) {
    for (std::uint64_t seed = 1; seed <= 20; ++seed) {
      SCOPED_TRACE("delay " + std::to_string(delay_ms) + " ms, seed " + std::to_string(seed));
      LinkSimulation sim(
          {.delay_ab = milliseconds(delay_ms), .delay_ba = milliseconds(delay_ms), .seed = seed});
      sim.run_for(seconds(3));
      const MonoTime cut = sim.time();
      sim.cut(kA);
      sim.run_for(milliseconds(2 * delay_ms + 230));
      EXPECT_EQ(sim.marks(kA), (Marks{.outbound = true, .inbound = false}));
      EXPECT_EQ(sim.marks(kB), (Marks{.outbound = true, .inbound = true}));
      EXPECT_LE(sim.outbound_marked_at(kA) - cut, milliseconds(2 * delay_ms + 225));
      // a's evidence: the way to b is suspect by b's word, the way from b is alive.
      EXPECT_THAT(sim.alarms(kA), testing::Contains(testing::AllOf(
                                      testing::Field(&Alarm::link, LinkSimulation::link_of(kB)),
                                      testing::Field(&Alarm::state, LinkState::alive))));
      EXPECT_THAT(sim.alarms(kA), testing::Contains(testing::AllOf(
                                      testing::Field(&Alarm::link, LinkSimulation::link_of(kA)),
                                      testing::Field(&Alarm::state, LinkState::suspect))));
      sim.run_for(seconds(20));  // and it stays so: a never suspects the direction it hears
      EXPECT_EQ(sim.marks(kA), (Marks{.outbound = true, .inbound = false}));
      EXPECT_EQ(sim.count(kA, LinkEvent::suspected), 0U);
      EXPECT_EQ(sim.alarms(kA).back().state, LinkState::dead);
      sim.heal(kA);
      sim.run_for(seconds(2));
      EXPECT_EQ(sim.marks(kA), Marks{});
      EXPECT_EQ(sim.marks(kB), Marks{});
      EXPECT_EQ(sim.count(kB, LinkEvent::returned), 1U);
      EXPECT_EQ(sim.count(kA, LinkEvent::peer_hears), 1U);
    }
  }
}

TEST(Detector, ReturnsADeadLinkOnlyAfterTheDwell) {
  LinkSimulation sim({});
  sim.run_for(seconds(3));
  sim.cut(kA);
  sim.cut(kB);
  sim.run_for(seconds(5));
  sim.heal(kA);
  sim.heal(kB);
  sim.run_for(milliseconds(900));
  EXPECT_TRUE(sim.marks(kA).inbound);
  sim.run_for(milliseconds(400));
  EXPECT_EQ(sim.marks(kA), Marks{});
  EXPECT_EQ(sim.marks(kB), Marks{});
  EXPECT_EQ(sim.alarms(kA).back().state, LinkState::alive);
}

TEST(Detector, UndoesASuspicionAtTheFirstArrivalAndSaysSo) {
  LinkSimulation sim({.delay_ab = milliseconds(10), .delay_ba = milliseconds(10)});
  sim.run_for(seconds(3));
  sim.cut(kA);
  sim.cut(kB);
  while (!sim.marks(kB).inbound) sim.run_for(milliseconds(1));
  sim.heal(kA);
  sim.heal(kB);
  sim.run_for(milliseconds(70));  // the burst is heard within one delay and a tick of each end
  EXPECT_EQ(sim.marks(kA), Marks{});
  EXPECT_EQ(sim.marks(kB), Marks{});
  EXPECT_GE(sim.count(kB, LinkEvent::undone), 1U);
  for (const LinkTransition& change : sim.transitions(kB)) {
    if (change.event != LinkEvent::undone) continue;
    EXPECT_NE(change.cause, UndoCause::none);
    EXPECT_GT(change.skipped, Duration::zero());
    EXPECT_LE(change.skipped, milliseconds(70));
    if (change.cause != UndoCause::peer_hears) {
      EXPECT_GE(change.silence, milliseconds(150));
    }
  }
  EXPECT_EQ(sim.count(kB, LinkEvent::dead), 0U);
  EXPECT_EQ(sim.alarms(kB).back().state, LinkState::alive);
}

TEST(Detector, BlamesNobodyForItsOwnStall) {
  for (std::uint64_t seed = 1; seed <= 30; ++seed) {
    SCOPED_TRACE(seed);
    LinkSimulation sim({.seed = seed});
    sim.run_for(seconds(3));
    sim.stall(kA, milliseconds(static_cast<int>(40 * seed)));
    sim.run_for(seconds(3));
    EXPECT_EQ(sim.count(kA, LinkEvent::suspected), 0U);
  }
}

TEST(Detector, StaysQuietThroughStallsOfThePeerShorterThanTheRule) {
  for (std::uint64_t seed = 1; seed <= 30; ++seed) {
    LinkSimulation sim({.jitter = milliseconds(5), .seed = seed});
    sim.run_for(seconds(3));
    sim.stall(kB, milliseconds(110));
    sim.run_for(seconds(2));
    EXPECT_EQ(sim.count(kA, LinkEvent::suspected), 0U) << "seed " << seed;
  }
}

// Probability that a run of `missed` expected arrivals, alternately a probe (lost with p) and an
// answer (lost with 1-(1-p)^2), starts at a given arrival; times arrivals: the count of false
// suspicions.
double expected_suspicions(double loss, double arrivals, std::uint32_t missed) {
  const double answer_loss = 1 - (1 - loss) * (1 - loss);
  const double probes_first = std::pow(loss, (missed + 1) / 2) * std::pow(answer_loss, missed / 2);
  const double answers_first = std::pow(answer_loss, (missed + 1) / 2) * std::pow(loss, missed / 2);
  return arrivals / 2 * (probes_first * (1 - answer_loss) + answers_first * (1 - loss));
}

std::size_t simulate_suspicions(double loss, std::uint32_t missed, hours length, int links,
                                Duration delay) {
  std::size_t suspicions = 0;
  for (int link = 0; link < links; ++link) {
    LinkSimulation sim({.delay_ab = delay,
                        .delay_ba = delay,
                        .jitter = milliseconds(2),
                        .loss = loss,
                        .detector = {.missed_min = missed},
                        .seed = 1000 + static_cast<std::uint64_t>(link)});
    sim.run_for(length);
    suspicions += sim.count(kA, LinkEvent::suspected) + sim.count(kB, LinkEvent::suspected);
    EXPECT_EQ(sim.count(kA, LinkEvent::dead) + sim.count(kB, LinkEvent::dead), 0U);
  }
  return suspicions;
}

// The formula is checked where it can be seen (a laxer rule that fires often) ...
TEST(Detector, FiresAsOftenAsComputedUnderIndependentLoss) {
  const double arrivals = 2 * 2 * 40.0 * 3600;
  const double computed = expected_suspicions(0.03, arrivals, 3);
  const auto seen =
      static_cast<double>(simulate_suspicions(0.03, 3, hours(1), 2, milliseconds(23)));
  // A run that reaches the third miss counts; the margin lets late ones pass. Poisson, 5 sigma and
  // 25 %.
  EXPECT_GT(seen, computed * 0.75 - 5 * std::sqrt(computed));
  EXPECT_LT(seen, computed * 1.25 + 5 * std::sqrt(computed));
}

// ... and the real rule must not fire at all: computed below 1e-3 at 3 % for the hours simulated
// here.
TEST(Detector, DoesNotFireFalselyInSimulatedHoursOfLoss) {
  EXPECT_LT(expected_suspicions(0.03, 10 * 2 * 40.0 * 3600, 7), 1e-3);
  EXPECT_EQ(simulate_suspicions(0.03, 7, hours(1), 3, milliseconds(23)), 0U);
  EXPECT_EQ(simulate_suspicions(0.005, 7, hours(1), 2, milliseconds(80)), 0U);
}

// The bound of a fleet, by the same formula: 182 directed links for a day.
TEST(Detector, KeepsFalseSkipsOfAFleetBelowOneADay) {
  const double arrivals = 182 * 40.0 * 86'400;
  EXPECT_LT(expected_suspicions(0.03, arrivals, 7), 0.5);
  EXPECT_LT(expected_suspicions(0.005, arrivals, 7), 1e-4);
}

// A node with four peers, driven by hand.
class FourPeers : public testing::Test {
 protected:
  FourPeers() : detector_(DetectorOptions{}) {
    for (std::uint16_t peer = 2; peer <= 5; ++peer) {
      PlannedLink link;
      link.link = {{NodeId{1}, PortIndex{0}}, {NodeId{peer}, PortIndex{0}}};
      link.interval = milliseconds(50);
      planned_.push_back(link);
    }
    detector_.plan(planned_, now(), out_);
  }
  [[nodiscard]] Now now() const { return {time_, UnixNanos{time_.ns}}; }
  void hear(std::size_t peer) {
    const prober::Arrival arrival{.link = planned_[peer].link.reversed(),
                                  .received = UnixNanos{time_.ns},
                                  .received_mono = time_,
                                  .peer_interval = milliseconds(50)};
    detector_.on_arrivals(std::span(&arrival, 1), now(), out_);
  }
  void run(Duration length, std::size_t peers_from, std::size_t peers_to) {
    for (const MonoTime end = time_ + length; time_ < end; time_ += milliseconds(5)) {
      if (time_.ns % 25'000'000 == 0) {
        for (std::size_t peer = peers_from; peer < peers_to; ++peer) hear(peer);
      }
      detector_.judge(now(), Duration::zero(), out_);
    }
  }
  [[nodiscard]] std::size_t count(LinkEvent event) const {
    std::size_t n = 0;
    for (const auto& t : out_.transitions) n += t.event == event ? 1 : 0;
    return n;
  }

  std::vector<PlannedLink> planned_;
  Detector detector_;
  DetectorOutput out_;
  MonoTime time_;
};

TEST_F(FourPeers, LosingAllAtOnceMakesANodeSuspectItself) {
  run(seconds(3), 0, 4);
  run(seconds(2), 0, 0);
  EXPECT_TRUE(detector_.self_suspected());
  EXPECT_EQ(count(LinkEvent::self_suspected), 1U);
  EXPECT_EQ(count(LinkEvent::suspected), 0U);
  EXPECT_TRUE(out_.marks.empty());
  EXPECT_TRUE(out_.alarms.empty());
  run(seconds(2), 0, 3);  // all but one come back: now the missing one is to blame
  EXPECT_EQ(count(LinkEvent::self_cleared), 1U);
  EXPECT_EQ(count(LinkEvent::suspected), 1U);
}

TEST_F(FourPeers, LosingAllButOneMarksTheLost) {
  run(seconds(3), 0, 4);
  run(seconds(1), 3, 4);
  EXPECT_FALSE(detector_.self_suspected());
  EXPECT_EQ(count(LinkEvent::suspected), 3U);
}

TEST_F(FourPeers, FarPeersStillOnTheirWayDoNotHideOurOwnTrouble) {
  run(seconds(3), 0, 4);
  run(milliseconds(140), 3, 4);  // the far peer's packets arrive 140 ms longer
  run(seconds(1), 0, 0);
  EXPECT_TRUE(detector_.self_suspected());
  for (std::size_t peer = 0; peer < 4; ++peer) {
    EXPECT_EQ(detector_.state_of(planned_[peer].link.reversed()), LinkState::alive);
  }
  EXPECT_FALSE(out_.marks.empty() ? false : out_.marks.back().inbound_dead);
}

TEST_F(FourPeers, APlannedPeerThatNeverSpeaksIsMarkedWithoutAnAlarm) {
  run(seconds(4), 0, 3);
  EXPECT_EQ(count(LinkEvent::never_heard), 1U);
  ASSERT_EQ(out_.marks.size(), 1U);
  EXPECT_TRUE(out_.marks[0].outbound_dead);
  EXPECT_TRUE(out_.alarms.empty());
  run(milliseconds(50), 0, 4);
  EXPECT_EQ(count(LinkEvent::first_heard), 1U);
  EXPECT_FALSE(out_.marks.back().outbound_dead);
}

TEST_F(FourPeers, SlowingBothEndsDownRaisesNoAlarm) {
  run(seconds(3), 0, 4);
  for (PlannedLink& link : planned_) link.interval = seconds(1);
  detector_.plan(planned_, now(), out_);
  for (int second = 0; second < 10; ++second) {
    run(milliseconds(995), 0, 0);
    for (std::size_t peer = 0; peer < 4; ++peer) hear(peer);
  }
  EXPECT_EQ(count(LinkEvent::suspected), 0U);
  EXPECT_EQ(count(LinkEvent::self_suspected), 0U);
}

TEST_F(FourPeers, ALinkThatLeavesThePlanLeavesNoMarkBehind) {
  run(seconds(3), 0, 4);
  run(seconds(1), 1, 4);
  ASSERT_TRUE(out_.marks.back().inbound_dead);
  detector_.plan(std::span(planned_).subspan(1), now(), out_);
  EXPECT_EQ(out_.marks.back().outgoing, planned_[0].link);
  EXPECT_FALSE(out_.marks.back().inbound_dead);
  EXPECT_EQ(detector_.watched(), 3U);
}

TEST_F(FourPeers, APeerThatRestartsIsNotSuspectedBeforeItsGraceIsOver) {
  run(seconds(3), 0, 4);
  detector_.hold(NodeId{2}, seconds(10), now());
  run(seconds(10), 1, 4);
  EXPECT_TRUE(out_.marks.empty());
  EXPECT_TRUE(out_.alarms.empty());
  EXPECT_TRUE(out_.hearing.empty());
  run(milliseconds(20), 1, 4);
  EXPECT_EQ(count(LinkEvent::suspected), 1U) << "at once: it was silent all the while";
  ASSERT_EQ(out_.bursts.size(), 1U);
  EXPECT_EQ(out_.bursts[0], planned_[0].link);
  run(seconds(1), 1, 4);
  EXPECT_EQ(count(LinkEvent::dead), 1U);
}

TEST_F(FourPeers, APeerThatIsBackIsJudgedAsEver) {
  run(seconds(3), 0, 4);
  detector_.hold(NodeId{2}, seconds(10), now());
  run(seconds(2), 1, 4);
  detector_.hold(NodeId{2}, Duration::zero(), now());
  run(milliseconds(400), 1, 4);  // it has a moment to be heard
  run(seconds(1), 0, 4);
  EXPECT_EQ(count(LinkEvent::suspected), 0U);
  run(milliseconds(500), 1, 4);
  EXPECT_EQ(count(LinkEvent::suspected), 1U) << "silent again, and nobody said that it restarts";
}

TEST_F(FourPeers, TheSilenceOfPeersThatRestartIsNotOurOwnTrouble) {
  run(seconds(3), 0, 4);
  detector_.hold(NodeId{2}, seconds(10), now());
  detector_.hold(NodeId{3}, seconds(10), now());
  run(seconds(1), 3, 4);
  EXPECT_FALSE(detector_.self_suspected());
  EXPECT_EQ(count(LinkEvent::suspected), 1U) << "the third is silent without a word";
}

TEST_F(FourPeers, NobodyIsHeldLongerThanTheBound) {
  run(seconds(3), 0, 4);
  detector_.hold(NodeId{2}, std::chrono::hours(1), now());
  run(Detector::kHoldMax + milliseconds(20), 1, 4);
  EXPECT_EQ(count(LinkEvent::suspected), 1U);
}

}  // namespace
}  // namespace linkpilot::agent
