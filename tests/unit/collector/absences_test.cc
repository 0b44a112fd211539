#include "collector/ingest/absences.h"

#include <gtest/gtest.h>

namespace linkpilot::collector {
namespace {

using std::chrono::milliseconds;
using std::chrono::minutes;
using std::chrono::seconds;

constexpr NodeId kAway{1};
constexpr NodeId kPeer{2};
constexpr Duration kGrace = seconds(10);

LinkId between(NodeId from, NodeId to) { return {{from, PortIndex{0}}, {to, PortIndex{0}}}; }

Alarm word(LinkId link, LinkState state) {
  Alarm alarm;
  alarm.link = link;
  alarm.state = state;
  alarm.confirmed = true;
  return alarm;
}

LinkSample one_second(LinkId link, std::uint32_t lost) {
  LinkSample sample;
  sample.link = link;
  sample.length = seconds(1);
  sample.sent = 20;
  sample.answered = 20 - lost;
  sample.lost_unplaced = lost;
  return sample;
}

class AbsencesTest : public testing::Test {
 protected:
  void pass(Duration time) { now_ += time; }
  bool hold(LinkState state) { return absences_.hold(word(link_, state), kPeer, now_); }
  // A sample that begins `age` ago.
  bool admits(std::uint32_t lost, Duration age) {
    return absences_.admits(one_second(link_, lost), now_ - age, now_);
  }

  Absences absences_;
  MonoTime now_{1'000'000'000'000};
  LinkId link_ = between(kPeer, kAway);
};

TEST_F(AbsencesTest, NothingIsHeldOfANodeThatDidNotSayThatItRestarts) {
  EXPECT_FALSE(hold(LinkState::dead));
  absences_.leave(NodeId{7}, kGrace, now_);
  EXPECT_FALSE(hold(LinkState::dead));
  EXPECT_TRUE(admits(20, seconds(1)));
  EXPECT_FALSE(absences_.back(kAway, now_)) << "it never left";
}

TEST_F(AbsencesTest, WhoDoesNotComeBackIsBelievedDeadAsSoonAsTheGraceIsOver) {
  absences_.leave(kAway, kGrace, now_);
  pass(milliseconds(200));
  EXPECT_TRUE(hold(LinkState::suspect));
  EXPECT_TRUE(hold(LinkState::dead));
  pass(kGrace - milliseconds(201));
  EXPECT_TRUE(absences_.holds(kAway, now_));
  EXPECT_TRUE(absences_.take_ended(now_).empty());
  pass(milliseconds(1));
  EXPECT_FALSE(absences_.holds(kAway, now_));
  EXPECT_FALSE(hold(LinkState::dead)) << "it acts at once, nobody need ask for the end first";
  const auto ended = absences_.take_ended(now_);
  ASSERT_EQ(ended.size(), 1U);
  EXPECT_FALSE(ended[0].came_back);
  ASSERT_EQ(ended[0].alarms.size(), 1U) << "the newest word of the reporter";
  EXPECT_EQ(ended[0].alarms[0].alarm.state, LinkState::dead);
  EXPECT_EQ(ended[0].alarms[0].reporter, kPeer);
  EXPECT_TRUE(absences_.empty());
}

TEST_F(AbsencesTest, WhatThePeerTakesBackIsForgotten) {
  absences_.leave(kAway, kGrace, now_);
  EXPECT_TRUE(hold(LinkState::dead));
  pass(seconds(2));
  EXPECT_TRUE(absences_.back(kAway, now_));
  EXPECT_FALSE(hold(LinkState::alive)) << "good news goes through";
  pass(Absences::kSettle);
  const auto ended = absences_.take_ended(now_);
  ASSERT_EQ(ended.size(), 1U);
  EXPECT_TRUE(ended[0].came_back);
  EXPECT_TRUE(ended[0].alarms.empty());
}

TEST_F(AbsencesTest, BackOrNotItsLinksAreNotBelievedDeadBeforeTheyWereMeasuredAgain) {
  absences_.leave(kAway, kGrace, now_);
  pass(seconds(3));
  EXPECT_TRUE(absences_.back(kAway, now_));
  EXPECT_FALSE(absences_.back(kAway, now_)) << "once";
  pass(milliseconds(500));
  EXPECT_TRUE(hold(LinkState::dead));
  pass(milliseconds(500));
  EXPECT_TRUE(admits(0, milliseconds(900)));
  EXPECT_FALSE(hold(LinkState::dead)) << "measured since it is back: now it is true";
}

TEST_F(AbsencesTest, ALinkThatIsNeverMeasuredAgainIsHeldForABoundedTime) {
  absences_.leave(kAway, kGrace, now_);
  pass(seconds(3));
  absences_.back(kAway, now_);
  EXPECT_TRUE(hold(LinkState::dead));
  pass(Absences::kSettle);
  EXPECT_FALSE(hold(LinkState::dead));
  EXPECT_EQ(absences_.take_ended(now_).at(0).alarms.size(), 1U);
}

TEST_F(AbsencesTest, ProbesThatNobodyAnsweredMeanwhileTeachNothing) {
  pass(seconds(1));
  absences_.leave(kAway, kGrace, now_);
  pass(milliseconds(100));
  EXPECT_TRUE(admits(3, milliseconds(1'100))) << "over when it left: honest loss";
  EXPECT_FALSE(admits(3, milliseconds(600)));
  pass(seconds(2));
  EXPECT_FALSE(admits(20, seconds(1)));
  EXPECT_TRUE(admits(0, seconds(1)));
  absences_.back(kAway, now_);
  pass(seconds(2));
  EXPECT_FALSE(admits(7, milliseconds(2'500))) << "began while it was away, reported late";
  EXPECT_FALSE(admits(7, seconds(1))) << "not measured whole since";
  EXPECT_TRUE(admits(0, seconds(1)));
  EXPECT_TRUE(admits(7, milliseconds(900))) << "loss again, and believed";
  EXPECT_FALSE(admits(7, milliseconds(2'500)));
}

TEST_F(AbsencesTest, ACleanSampleOfEitherEndMeasuresBothDirections) {
  absences_.leave(kAway, kGrace, now_);
  absences_.back(kAway, now_);
  pass(seconds(1));
  EXPECT_TRUE(absences_.admits(one_second(link_.reversed(), 0), now_ - milliseconds(900), now_));
  EXPECT_FALSE(hold(LinkState::dead));
}

TEST_F(AbsencesTest, ANodeThatLeavesAgainIsWaitedForAnew) {
  absences_.leave(kAway, kGrace, now_);
  pass(seconds(4));
  absences_.back(kAway, now_);
  pass(seconds(1));
  EXPECT_TRUE(admits(0, milliseconds(900)));
  absences_.leave(kAway, kGrace, now_);
  EXPECT_TRUE(hold(LinkState::dead));
  pass(kGrace - milliseconds(1));
  EXPECT_TRUE(absences_.holds(kAway, now_));
}

TEST_F(AbsencesTest, WhoRestartsAgainAndAgainIsNotWaitedForForEver) {
  Duration waited{};
  while (absences_.leave(kAway, kGrace, now_) > Duration{}) {
    EXPECT_TRUE(hold(LinkState::dead));
    pass(seconds(4));
    absences_.back(kAway, now_);
    pass(seconds(1));
    ASSERT_LT(waited += seconds(5), minutes(2));
  }
  EXPECT_EQ(waited, Absences::kInARowMax);
  pass(Absences::kSettle);
  EXPECT_EQ(absences_.take_ended(now_).at(0).alarms.size(), 1U);
  EXPECT_EQ(absences_.leave(kAway, kGrace, now_), kGrace) << "another time";
}

TEST_F(AbsencesTest, OfTwoThatRestartTheOneStillAwayDecides) {
  absences_.leave(kAway, kGrace, now_);
  absences_.leave(kPeer, kGrace, now_);
  pass(seconds(1));
  absences_.back(kAway, now_);
  pass(seconds(1));
  EXPECT_TRUE(admits(0, milliseconds(900)));
  EXPECT_TRUE(hold(LinkState::dead)) << "the other end is away";
}

TEST_F(AbsencesTest, WhatWasHeldOfARevokedNodeIsVoid) {
  absences_.leave(kAway, kGrace, now_);
  EXPECT_TRUE(hold(LinkState::dead));
  absences_.forget(kAway);
  EXPECT_TRUE(absences_.empty());
  pass(kGrace);
  EXPECT_TRUE(absences_.take_ended(now_).empty());
}

TEST_F(AbsencesTest, AlarmsBeyondTheBoundActInsteadOfBeingKept) {
  absences_.leave(kAway, kGrace, now_);
  for (std::size_t i = 0; i < Absences::kAlarmsHeldMax; ++i) {
    const NodeId reporter{static_cast<std::uint16_t>(2 + i)};
    ASSERT_TRUE(absences_.hold(word(between(reporter, kAway), LinkState::dead), reporter, now_));
  }
  const NodeId last{60'000};
  EXPECT_FALSE(absences_.hold(word(between(last, kAway), LinkState::dead), last, now_));
}

}  // namespace
}  // namespace linkpilot::collector
