#include "collector/faults/fault_judge.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <rapidcheck/gtest.h>

#include <set>

#include "tests/unit/collector/fault_fleet.h"

namespace linkpilot::collector {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::SizeIs;

constexpr FaultFleet::Way kDead{LinkState::dead, 40, 0, true};
constexpr FaultFleet::Way kFine{};

TEST(FaultJudge, ACutThatIsOverBeforeThePatienceIsNotTold) {
  FaultFleet fleet({"a", "b", "c", "d"});
  fleet.pass(30);
  fleet.both("a", "b", kDead);
  fleet.pass(7);
  fleet.both("a", "b", kFine);
  fleet.pass(120);
  EXPECT_THAT(fleet.told, IsEmpty());
}

TEST(FaultJudge, ACutLinkIsOneFaultOfBothDirectionsAndIsOverAfterItHeals) {
  FaultFleet fleet({"a", "b", "c", "d"});
  fleet.pass(30);
  fleet.both("a", "b", kDead);
  const auto opened = fleet.pass(12);
  ASSERT_THAT(opened, SizeIs(1));
  const Fault& fault = opened[0].fault;
  EXPECT_EQ(opened[0].event, FaultEvent::opened);
  EXPECT_EQ(fault.key, "link:a:b");
  EXPECT_EQ(subject_of(fault), "link a - b");
  EXPECT_EQ(fault.grade, FaultGrade::dead);
  EXPECT_EQ(fault.id, fault_id("link:a:b", fault.since));
  EXPECT_EQ(fault.links_total, 2u);
  EXPECT_NEAR(fault.links[0].rtt_ms_before, 40, 0.1);
  EXPECT_THAT(fault.detail, HasSubstr("nothing gets through from a to b"));
  EXPECT_EQ(fault.opened - fault.since, FaultRules{}.dead_patience);

  fleet.pass(600);
  fleet.both("a", "b", kFine);
  const auto over = fleet.pass(30);
  ASSERT_THAT(over, SizeIs(1));
  EXPECT_EQ(over[0].event, FaultEvent::resolved);
  EXPECT_EQ(over[0].fault.id, fault.id);
  EXPECT_EQ(over[0].fault.events, 2u);
  EXPECT_THAT(fleet.judge.open(), IsEmpty());
}

TEST(FaultJudge, ADeadNodeMutesItsLinks) {
  FaultFleet fleet({"a", "b", "c", "d"});
  fleet.pass(30);
  // Its links are found dead a moment before the node is.
  fleet.set_links_of("c", LinkState::dead);
  fleet.pass(2);
  fleet.kill("c");
  const auto opened = fleet.pass(60);
  ASSERT_THAT(opened, SizeIs(1));
  EXPECT_EQ(opened[0].fault.key, "node:c");
  EXPECT_THAT(opened[0].fault.detail, HasSubstr("silent since"));
  EXPECT_EQ(opened[0].fault.links_total, 6u);
  fleet.revive("c");
  const auto over = fleet.pass(60);
  ASSERT_THAT(over, SizeIs(1));
  EXPECT_EQ(over[0].event, FaultEvent::resolved);
}

TEST(FaultJudge, AFaultOfALinkWaitsWhileOneOfItsEndsIsDown) {
  FaultFleet fleet({"a", "b", "c", "d"});
  fleet.pass(30);
  fleet.both("a", "c", kDead);
  EXPECT_THAT(fleet.pass(20), SizeIs(1));
  fleet.kill("c");
  EXPECT_THAT(fleet.pass(3'000), SizeIs(1));  // the node
  fleet.revive("c");
  const auto over = fleet.pass(60);
  ASSERT_THAT(over, SizeIs(2));
  EXPECT_EQ(over[0].event, FaultEvent::resolved);
  EXPECT_EQ(over[1].event, FaultEvent::resolved);
}

TEST(FaultJudge, ARegionWhoseNodesAllDieIsOneFault) {
  FaultFleet fleet({"a", "b", "c", "d", "e"});
  for (const char* name : {"c", "d", "e"}) fleet.nodes.at(fleet.node(name)).region = "east";
  fleet.pass(30);
  for (const char* name : {"c", "d", "e"}) fleet.kill(name);
  const auto opened = fleet.pass(20);
  ASSERT_THAT(opened, SizeIs(1));
  EXPECT_EQ(opened[0].fault.key, "region:east");
  EXPECT_THAT(opened[0].fault.members, ElementsAre("c", "d", "e"));
  fleet.revive("c");
  fleet.pass(40);
  fleet.revive("d");
  fleet.revive("e");
  const auto over = fleet.pass(40);
  ASSERT_THAT(fleet.told, SizeIs(2));
  ASSERT_THAT(over, SizeIs(1));
  EXPECT_EQ(over[0].event, FaultEvent::resolved);
}

TEST(FaultJudge, ANodeOfWhichMostPeersComplainIsOneFault) {
  FaultFleet fleet({"a", "b", "c", "d", "e"});
  fleet.pass(30);
  for (const char* peer : {"b", "c", "d"}) fleet.way("a", peer).rtt_ms = 140;
  const auto opened = fleet.pass(60);
  ASSERT_THAT(opened, SizeIs(1));
  EXPECT_EQ(opened[0].fault.key, "node:a");
  EXPECT_EQ(opened[0].fault.grade, FaultGrade::degraded);
  EXPECT_THAT(opened[0].fault.detail, HasSubstr("3 of its 4 measured peers"));
}

TEST(FaultJudge, TroubleOnOneOfSeveralPortsIsThePort) {
  FaultFleet fleet({"a", "b", "c", "d"}, {}, 2);
  fleet.pass(30);
  for (const char* peer : {"b", "c", "d"}) {
    fleet.way("a", peer, 1).state = LinkState::dead;
    fleet.way(peer, "a", 1).state = LinkState::dead;
  }
  const auto opened = fleet.pass(20);
  ASSERT_THAT(opened, SizeIs(1));
  EXPECT_EQ(opened[0].fault.key, "port:a/1");
  EXPECT_EQ(subject_of(opened[0].fault), "port a/1");
}

TEST(FaultJudge, LossIsToldPastOneLevelAndOverBelowAnother) {
  FaultFleet fleet({"a", "b", "c", "d"});
  fleet.pass(30);
  fleet.pass(60);
  fleet.way("a", "b").loss_ratio = 0.004;  // below the level
  EXPECT_THAT(fleet.pass(120), IsEmpty());
  fleet.way("a", "b").loss_ratio = 0.08;
  const auto opened = fleet.pass(40);
  ASSERT_THAT(opened, SizeIs(1));
  EXPECT_EQ(opened[0].fault.grade, FaultGrade::degraded);
  EXPECT_NEAR(opened[0].fault.links[0].loss_ratio, 0.08, 0.03);
  fleet.way("a", "b").loss_ratio = 0.016;  // between the levels
  EXPECT_THAT(fleet.pass(300), IsEmpty());
  fleet.way("a", "b").loss_ratio = 0.001;
  EXPECT_THAT(fleet.pass(40), SizeIs(1));
}

TEST(FaultJudge, ABlackoutOfSecondsIsNoLossyLink) {
  for (const double packets : {40.0, 2.0}) {
    SCOPED_TRACE(packets);
    FaultFleet fleet({"a", "b", "c"});
    fleet.packets_a_look = packets;
    fleet.pass(90);
    fleet.way("a", "b").loss_ratio = 1;
    fleet.pass(4);
    fleet.way("a", "b").loss_ratio = 0;
    fleet.pass(200);
    EXPECT_THAT(fleet.told, IsEmpty());
  }
}

TEST(FaultJudge, ASlowlyProbedLinkIsFoundLossyInTheEnd) {
  FaultFleet fleet({"a", "b", "c"});
  fleet.packets_a_look = 2;
  fleet.pass(90);
  fleet.way("a", "b").loss_ratio = 0.2;
  EXPECT_THAT(fleet.pass(120), SizeIs(1));
}

TEST(FaultJudge, ADegradedLinkThatDiesIsAnUpdateOfTheSameFault) {
  FaultFleet fleet({"a", "b", "c", "d"});
  fleet.pass(30);
  fleet.way("a", "b").rtt_ms = 200;
  const auto opened = fleet.pass(30);
  ASSERT_THAT(opened, SizeIs(1));
  fleet.way("a", "b").state = LinkState::dead;
  const auto worse = fleet.pass(30);
  ASSERT_THAT(worse, SizeIs(1));
  EXPECT_EQ(worse[0].event, FaultEvent::updated);
  EXPECT_EQ(worse[0].fault.id, opened[0].fault.id);
  EXPECT_EQ(worse[0].fault.grade, FaultGrade::dead);
  EXPECT_EQ(worse[0].fault.events, 2u);
}

TEST(FaultJudge, MissingDataIsNeverGoodNews) {
  FaultFleet fleet({"a", "b", "c", "d"});
  fleet.pass(30);
  fleet.both("a", "b", kDead);
  fleet.pass(20);
  fleet.both("a", "b", {LinkState::alive, 40, 0, false});  // alive, says a word; nothing is heard
  EXPECT_THAT(fleet.pass(300), IsEmpty());
  fleet.both("a", "b", kFine);
  EXPECT_THAT(fleet.pass(30), SizeIs(1));
}

TEST(FaultJudge, ARestartNeitherTellsTwiceNorForgetsTheEnd) {
  FaultFleet fleet({"a", "b", "c", "d"});
  fleet.pass(30);
  fleet.both("a", "b", kDead);
  fleet.way("c", "d").rtt_ms = 150;
  ASSERT_THAT(fleet.pass(40), SizeIs(2));
  fleet.restart();
  EXPECT_THAT(fleet.pass(120), IsEmpty());
  fleet.both("a", "b", kFine);
  fleet.way("c", "d").rtt_ms = 41;
  const auto over = fleet.pass(40);
  ASSERT_THAT(over, SizeIs(2));
  EXPECT_EQ(over[0].event, FaultEvent::resolved);
  EXPECT_EQ(over[1].event, FaultEvent::resolved);
  EXPECT_EQ(std::set({over[0].fault.id, over[1].fault.id}),
            std::set({fleet.told[0].fault.id, fleet.told[1].fault.id}));
}

TEST(FaultJudge, ANodeThatLeavesTheFleetTakesItsFaultsWithIt) {
  FaultFleet fleet({"a", "b", "c", "d"});
  fleet.pass(30);
  fleet.kill("d");
  ASSERT_THAT(fleet.pass(20), SizeIs(1));
  fleet.nodes.at(fleet.node("d")).enrolled = false;
  const auto over = fleet.pass(5);
  ASSERT_THAT(over, SizeIs(1));
  EXPECT_THAT(over[0].fault.outcome, HasSubstr("not in the fleet"));
}

TEST(FaultJudge, ACollectorThatHearsNobodyAccusesItselfAlone) {
  FaultFleet fleet({"a", "b", "c"});
  fleet.pass(60);
  for (auto& [id, facts] : fleet.nodes) facts.heard = false;
  for (auto& [link, way] : fleet.ways) way.heard = false;
  const auto opened = fleet.pass(3'600);
  ASSERT_THAT(opened, SizeIs(1));
  EXPECT_EQ(opened[0].fault.key, "collector:network");
  EXPECT_THAT(opened[0].fault.detail, HasSubstr("itself cut off"));
  for (auto& [id, facts] : fleet.nodes) facts.heard = true;
  for (auto& [link, way] : fleet.ways) way.heard = true;
  EXPECT_THAT(fleet.pass(60), SizeIs(1));
}

// Whatever happens, each fault is opened once, updated in between, resolved once; its events count
// up; and there is never more than one open fault about the same thing.
RC_GTEST_PROP(FaultJudgeProperty, EveryFaultHasOneLife, ()) {
  FaultFleet fleet({"a", "b", "c", "d"});
  fleet.pass(25);
  const char* names[] = {"a", "b", "c", "d"};
  const int steps = *rc::gen::inRange(1, 25);
  for (int i = 0; i < steps; ++i) {
    const char* a = names[*rc::gen::inRange(0, 4)];
    const char* b = names[*rc::gen::inRange(0, 4)];
    switch (*rc::gen::inRange(0, 7)) {
      case 0:
        fleet.kill(a);
        break;
      case 1:
        fleet.revive(a);
        break;
      case 2:
        if (a != b) fleet.both(a, b, kDead);
        break;
      case 3:
        if (a != b) fleet.both(a, b, kFine);
        break;
      case 4:
        if (a != b) fleet.way(a, b).rtt_ms = 200;
        break;
      case 5:
        if (a != b) fleet.way(a, b).heard = !fleet.way(a, b).heard;
        break;
      default:
        fleet.restart();
        break;
    }
    fleet.pass(*rc::gen::inRange(1, 40));
  }
  std::map<std::string, std::uint32_t> open;  // id -> events
  std::map<std::string, std::string> by_key;
  std::set<std::string> over;
  for (const FaultChange& change : fleet.told) {
    const Fault& fault = change.fault;
    RC_ASSERT(!over.contains(fault.id));
    if (change.event == FaultEvent::opened) {
      RC_ASSERT(!open.contains(fault.id));
      RC_ASSERT(!by_key.contains(fault.key));
      by_key[fault.key] = fault.id;
      open[fault.id] = 0;
    }
    RC_ASSERT(open.contains(fault.id));
    RC_ASSERT(fault.events == ++open[fault.id]);
    if (change.event == FaultEvent::resolved) {
      open.erase(fault.id);
      by_key.erase(fault.key);
      over.insert(fault.id);
    }
  }
  RC_ASSERT(open.size() == fleet.judge.open_count());
}

}  // namespace
}  // namespace linkpilot::collector
