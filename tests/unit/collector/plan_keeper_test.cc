#include "collector/plan/plan_keeper.h"

#include <gtest/gtest.h>

#include <map>
#include <memory>
#include <set>
#include <utility>

namespace linkpilot::collector {
namespace {

using std::chrono::seconds;

constexpr MonoTime kPlanStart{1'000'000'000'000};

Node node(std::uint16_t id, std::size_t ports = 1, const std::string& isp = "") {
  Node out;
  out.id = NodeId{id};
  out.name = "n" + std::to_string(id);
  for (std::size_t i = 0; i < ports; ++i) {
    Port port;
    port.index = PortIndex{static_cast<std::uint8_t>(i)};
    port.isp = isp;
    port.advertised = IpAddress::v4(192, 0, 2, static_cast<std::uint8_t>(id));
    out.ports.push_back(port);
  }
  return out;
}

LinkId link_of(std::uint16_t from, std::uint16_t to) {
  return {{NodeId{from}, PortIndex{0}}, {NodeId{to}, PortIndex{0}}};
}

// A table of `self` whose route to `target` has these candidates, each a list of nodes after self.
RouteTable table(std::uint16_t self, std::vector<std::vector<std::uint16_t>> candidates) {
  RouteTable out;
  out.node = NodeId{self};
  Route route;
  route.target = NodeId{candidates.front().back()};
  route.direction = Direction::push;
  for (const auto& nodes : candidates) {
    CandidatePath path;
    for (const std::uint16_t hop : nodes)
      path.hops.push_back({NodeId{hop}, PortIndex{0}, PortIndex{0}});
    route.candidates.push_back(path);
  }
  out.routes.push_back(route);
  return out;
}

TEST(PlanKeeper, AllLinksAreFastFromBothEndsUntilTheFirstTable) {
  PlanKeeper keeper({}, 1);
  const std::vector<Node> nodes = {node(1), node(2), node(3)};
  EXPECT_EQ(keeper.update(nodes, {}, false, kPlanStart).size(), 3u);
  for (const auto& [id, plan] : keeper.plans()) {
    ASSERT_EQ(plan.links.size(), 2u);
    for (const PacedLink& each : plan.links) EXPECT_EQ(each.planned.interval, kFastProbeInterval);
  }
}

TEST(PlanKeeper, ThenTheTablesSayWhichLinksStayFast) {
  PlanKeeper keeper({}, 1);
  const std::vector<Node> nodes = {node(1), node(2), node(3), node(4)};
  (void)keeper.update(nodes, {}, false, kPlanStart);
  // 1 reaches 4 over 2, else directly; links 1-2 (first), 2-4 (later), 1-4 (second).
  const RouteTable routes = table(1, {{2, 4}, {4}});
  const RouteTable* tables[] = {&routes};
  const MonoTime later = kPlanStart + seconds(60);
  (void)keeper.update(nodes, tables, true, later);
  EXPECT_EQ(keeper.pace_of(link_of(1, 2)), Pace::best_first_hop);
  EXPECT_EQ(keeper.pace_of(link_of(2, 1)), Pace::best_first_hop);
  EXPECT_EQ(keeper.pace_of(link_of(2, 4)), Pace::best_later_hop);
  EXPECT_EQ(keeper.pace_of(link_of(4, 1)), Pace::second_first_hop);
  EXPECT_EQ(keeper.pace_of(link_of(1, 3)), Pace::slow);
  EXPECT_EQ(keeper.pace_of(link_of(3, 4)), Pace::slow);
}

TEST(PlanKeeper, ALinkOutOfUseStaysFastForAWhileSoThatPlansDoNotFlap) {
  PlanKeeper keeper({}, 1);
  const std::vector<Node> nodes = {node(1), node(2), node(3)};
  const RouteTable over2 = table(1, {{2, 3}});
  const RouteTable over3 = table(1, {{3}});
  const RouteTable* before[] = {&over2};
  const RouteTable* after[] = {&over3};
  (void)keeper.update(nodes, before, true, kPlanStart);
  (void)keeper.update(nodes, before, true, kPlanStart + seconds(60));
  EXPECT_TRUE(keeper.update(nodes, after, true, kPlanStart + seconds(61)).contains(NodeId{1}));
  EXPECT_EQ(keeper.pace_of(link_of(1, 2)), Pace::held);
  EXPECT_EQ(keeper.next_change(), kPlanStart + seconds(75));
  (void)keeper.update(nodes, after, true, kPlanStart + seconds(75));
  EXPECT_EQ(keeper.pace_of(link_of(1, 2)), Pace::slow);
}

TEST(PlanKeeper, NewAndReturnedLinksAreFastForAWhile) {
  PlanKeeper keeper({}, 1);
  const RouteTable routes = table(1, {{2}});
  const RouteTable* tables[] = {&routes};
  const std::vector<Node> two = {node(1), node(2)};
  const std::vector<Node> three = {node(1), node(2), node(3)};
  (void)keeper.update(two, tables, true, kPlanStart);
  (void)keeper.update(three, tables, true, kPlanStart + seconds(60));
  EXPECT_EQ(keeper.pace_of(link_of(1, 3)), Pace::warm_up);
  (void)keeper.update(three, tables, true, kPlanStart + seconds(75));
  EXPECT_EQ(keeper.pace_of(link_of(1, 3)), Pace::slow);
  keeper.warm_node(NodeId{3}, kPlanStart + seconds(100));
  (void)keeper.update(three, tables, true, kPlanStart + seconds(100));
  EXPECT_EQ(keeper.pace_of(link_of(3, 1)), Pace::warm_up);
  EXPECT_EQ(keeper.pace_of(link_of(3, 2)), Pace::warm_up);
}

TEST(PlanKeeper, WhatDidNotChangeIsNotSentAgain) {
  PlanKeeper keeper({}, 100);
  const std::vector<Node> nodes = {node(1), node(2)};
  (void)keeper.update(nodes, {}, false, kPlanStart);
  const Plan first = keeper.issue(NodeId{1}, {kPlanStart, {}});
  EXPECT_EQ(first.version, 100u);
  EXPECT_EQ(first.self, NodeId{1});
  (void)keeper.issue(NodeId{2}, {kPlanStart, {}});
  EXPECT_TRUE(keeper.update(nodes, {}, false, kPlanStart + seconds(1)).empty());
  const Plan again = keeper.issue(NodeId{1}, {kPlanStart, {}});
  EXPECT_GT(again.version, first.version);
  EXPECT_EQ(again.links, first.links);
}

TEST(PlanKeeper, ForbiddenLinksAreNotPlanned) {
  PlanRules rules;
  rules.links.cross_isp = optimizer::CrossIsp::never;
  PlanKeeper keeper(rules, 1);
  const std::vector<Node> nodes = {node(1, 1, "x"), node(2, 1, "y"), node(3, 1, "x")};
  (void)keeper.update(nodes, {}, false, kPlanStart);
  EXPECT_EQ(keeper.find(NodeId{2})->links.size(), 0u);
  EXPECT_EQ(keeper.find(NodeId{1})->links.size(), 1u);
}

TEST(PlanKeeper, EveryPairOfPortsIsALinkOfItsOwn) {
  PlanKeeper keeper({}, 1);
  const std::vector<Node> nodes = {node(1, 2), node(2, 3)};
  (void)keeper.update(nodes, {}, false, kPlanStart);
  EXPECT_EQ(keeper.find(NodeId{1})->links.size(), 6u);
  EXPECT_EQ(keeper.find(NodeId{2})->links.size(), 6u);
}

TEST(PlanKeeper, AuthenticatedPlansHoldOneSecretAPairAndTheViewNone) {
  Secret master{};
  master[0] = 7;
  PlanRules rules;
  rules.master = std::make_shared<const Secret>(master);
  PlanKeeper keeper(rules, 1);
  const std::vector<Node> nodes = {node(1), node(2), node(3)};
  (void)keeper.update(nodes, {}, false, kPlanStart);
  const Now now{kPlanStart, UnixNanos{1}};
  const Plan one = keeper.issue(NodeId{1}, now);
  const Plan two = keeper.issue(NodeId{2}, now);
  EXPECT_EQ(one.links[0].mode, ProbeMode::stamp_authenticated);
  EXPECT_EQ(one.links[0].secret, two.links[0].secret) << "1 to 2 and 2 to 1";
  EXPECT_NE(one.links[0].secret, one.links[1].secret) << "1 to 2 and 1 to 3";
  EXPECT_EQ(one.links[0].secret.size(), 32U);
  EXPECT_NE(one.links[0].secret_epoch, 0U);
  for (const auto& [id, plan] : keeper.plans()) {
    for (const PacedLink& each : plan.links) EXPECT_TRUE(each.planned.secret.empty());
  }
}

// The plans of nodes 1 and 2 while their secret changes; a node that does not answer keeps the plan
// it has.
class ChangingSecret : public testing::Test {
 protected:
  static PlanRules rules(std::uint8_t master) {
    PlanRules rules;
    rules.master = std::make_shared<const Secret>(Secret{master});
    return rules;
  }
  void begin(PlanRules rules) {
    keeper = std::make_unique<PlanKeeper>(std::move(rules), 1);
    round();
    round();
  }
  // Plans, hands out what changed; who is not away acknowledges.
  void round() {
    for (const NodeId node : keeper->update(nodes, {}, false, kPlanStart)) {
      (void)keeper->issue(node, {kPlanStart, UnixNanos{1}});
    }
    for (const auto& [node, plan] : keeper->plans()) {
      if (away.contains(node)) continue;
      (void)keeper->note_ack(node, plan.version);
      const Plan held = keeper->issue(node, {kPlanStart, UnixNanos{1}});
      held_[node] = held.links.at(0);
      (void)keeper->note_ack(node, held.version);
    }
    // Whatever each end holds at this moment: it answers what the other sends.
    for (const auto& [sender, receiver] : {std::pair{1, 2}, std::pair{2, 1}}) {
      const PlannedLink& sends = held(sender);
      const PlannedLink& answers = held(receiver);
      const bool first = sends.mode == answers.mode && sends.secret == answers.secret;
      const bool second = sends.mode == answers.also_mode && sends.secret == answers.also_secret;
      EXPECT_TRUE(first || second) << "probes from " << sender << " are refused";
    }
  }
  const PlannedLink& held(int node) { return held_[NodeId{static_cast<std::uint16_t>(node)}]; }
  [[nodiscard]] std::size_t waiting() const { return keeper->seals().waiting(); }

  const std::vector<Node> nodes = {node(1), node(2)};
  std::unique_ptr<PlanKeeper> keeper;
  std::set<NodeId> away;

 private:
  std::map<NodeId, PlannedLink> held_;
};

TEST_F(ChangingSecret, GoesStepByStepAndNoProbeIsEverRefused) {
  begin(rules(1));
  const PlannedLink before = held(1);
  EXPECT_EQ(before.also_mode, ProbeMode::unspecified);
  keeper->set_rules(rules(2));
  round();
  EXPECT_EQ(held(1).secret, before.secret) << "first both learn the new one";
  EXPECT_EQ(held(1).also_secret.size(), 32U);
  EXPECT_EQ(waiting(), 1U);
  round();
  EXPECT_NE(held(1).secret, before.secret);
  EXPECT_NE(held(1).secret_epoch, before.secret_epoch);
  EXPECT_EQ(held(1).also_secret, before.secret) << "the old one is good until both have moved";
  EXPECT_EQ(waiting(), 0U);
  round();
  EXPECT_EQ(held(1).also_mode, ProbeMode::unspecified);
  EXPECT_TRUE(held(1).also_secret.empty());
  EXPECT_FALSE(keeper->seals().changing());
  EXPECT_TRUE(keeper->update(nodes, {}, false, kPlanStart).empty()) << "and then nothing changes";
}

TEST_F(ChangingSecret, WaitsForTheEndThatIsAway) {
  begin(rules(1));
  const PlannedLink before = held(1);
  keeper->set_rules(rules(2));
  away = {NodeId{2}};
  for (int i = 0; i < 5; ++i) round();
  EXPECT_EQ(held(1).secret, before.secret);
  EXPECT_EQ(waiting(), 1U);
  away.clear();
  for (int i = 0; i < 4; ++i) round();
  EXPECT_NE(held(2).secret, before.secret);
  EXPECT_EQ(held(2).also_mode, ProbeMode::unspecified);
}

TEST_F(ChangingSecret, KeepsTheOlderOneForAsLongAsItIsConfiguredAlsoOverARestart) {
  PlanRules both = rules(2);
  both.older_master = std::make_shared<const Secret>(Secret{1});
  begin(rules(1));
  const PlannedLink before = held(1);
  keeper->set_rules(both);
  for (int i = 0; i < 5; ++i) round();
  EXPECT_NE(held(1).secret, before.secret);
  EXPECT_EQ(held(1).also_secret, before.secret);
  EXPECT_FALSE(keeper->seals().changing());

  const PlannedLink between = held(1);
  keeper = std::make_unique<PlanKeeper>(both, 1'000);
  away = {NodeId{2}};  // keeps the plan of the run before
  round();
  EXPECT_EQ(held(1).secret, before.secret) << "both answer either, so this is safe";
  away.clear();
  for (int i = 0; i < 3; ++i) round();
  EXPECT_EQ(held(1).secret, between.secret);

  keeper->set_rules(rules(2));
  for (int i = 0; i < 3; ++i) round();
  EXPECT_EQ(held(1).secret, between.secret);
  EXPECT_EQ(held(1).also_mode, ProbeMode::unspecified);
}

TEST_F(ChangingSecret, BeginsAndEndsWithOpenProbesTheSameWay) {
  begin({});
  EXPECT_EQ(held(1).mode, ProbeMode::stamp);
  keeper->set_rules(rules(1));
  round();
  EXPECT_EQ(held(1).mode, ProbeMode::stamp);
  EXPECT_EQ(held(1).also_mode, ProbeMode::stamp_authenticated);
  for (int i = 0; i < 3; ++i) round();
  EXPECT_EQ(held(1).mode, ProbeMode::stamp_authenticated);
  EXPECT_EQ(held(1).also_mode, ProbeMode::unspecified);
  keeper->set_rules({});
  for (int i = 0; i < 4; ++i) round();
  EXPECT_EQ(held(1).mode, ProbeMode::stamp);
  EXPECT_TRUE(held(1).secret.empty());
  EXPECT_EQ(held(1).also_mode, ProbeMode::unspecified);
}

TEST_F(ChangingSecret, AThirdSecretWaitsUntilTheSecondIsInUse) {
  begin(rules(1));
  keeper->set_rules(rules(2));
  round();
  round();
  keeper->set_rules(rules(3));
  for (int i = 0; i < 6; ++i) round();
  const PlannedLink after = held(1);
  EXPECT_EQ(after.also_mode, ProbeMode::unspecified);
  begin(rules(3));
  EXPECT_EQ(held(1).secret, after.secret);
}

}  // namespace
}  // namespace linkpilot::collector
