#include "agent/plan/plan_keeper.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "agent/plan/probe_requests.h"

namespace linkpilot::agent {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;

constexpr NodeId kSelf{1};

PlannedLink link_to(std::uint16_t peer, Duration interval = milliseconds(50)) {
  PlannedLink link;
  link.link = {{kSelf, PortIndex{0}}, {NodeId{peer}, PortIndex{0}}};
  link.peer = {IpAddress::v4(192, 0, 2, static_cast<std::uint8_t>(peer)), 862};
  link.interval = interval;
  link.flows = 2;
  return link;
}

Plan plan_of(std::vector<PlannedLink> links) {
  Plan plan;
  plan.version = 3;
  plan.lifetime = seconds(10);
  plan.self = kSelf;
  plan.links = std::move(links);
  return plan;
}

Now at(Duration time) { return {MonoTime{} + time, UnixNanos{} + time}; }

// A table whose only first hop is node 2.
RouteTable table_over_two(Duration hard_expiry) {
  RouteTable table;
  table.node = kSelf;
  table.valid_until_hard = UnixNanos{} + hard_expiry;
  CandidatePath path;
  path.hops = {{NodeId{2}, PortIndex{0}, PortIndex{0}}, {NodeId{3}, PortIndex{0}, PortIndex{0}}};
  table.routes.push_back({NodeId{3}, Direction::push, {path}});
  return table;
}

TEST(PlanKeeper, ProbesAFreshPlanAsItIs) {
  PlanKeeper keeper({});
  ASSERT_TRUE(keeper.accept(plan_of({link_to(2), link_to(3)}), 1, at(seconds(0))));
  const ProbeSet set = keeper.probe_set(at(seconds(9)), nullptr);
  EXPECT_EQ(set.links, keeper.plan()->links);
  EXPECT_EQ(set.capped, 0U);
}

TEST(PlanKeeper, ShrinksAStalePlanToTheFirstHopsOfTheTableAndKeepsReflecting) {
  PlanKeeper keeper({});
  ASSERT_TRUE(keeper.accept(plan_of({link_to(2), link_to(3)}), 1, at(seconds(0))));
  const RouteTable table = table_over_two(seconds(60));
  EXPECT_EQ(keeper.age(at(seconds(11)), &table), PlanAge::stale);
  const ProbeSet set = keeper.probe_set(at(seconds(11)), &table);
  ASSERT_EQ(set.links.size(), 2U);
  EXPECT_EQ(set.links[0].interval, kFastProbeInterval);
  EXPECT_EQ(set.links[1].interval, kIdleProbeInterval);
}

TEST(PlanKeeper, AStalePlanStaysFastWhereThePeerRoutesOverTheLink) {
  PlanKeeper keeper({});
  PlannedLink towards_three = link_to(3, kFastProbeInterval);
  towards_three.in_use = true;
  ASSERT_TRUE(keeper.accept(plan_of({link_to(2), towards_three, link_to(4)}), 1, at(seconds(0))));
  const RouteTable table = table_over_two(seconds(60));
  const ProbeSet set = keeper.probe_set(at(seconds(11)), &table);
  EXPECT_EQ(set.links[0].interval, kFastProbeInterval);
  EXPECT_EQ(set.links[1].interval, kFastProbeInterval);
  EXPECT_EQ(set.links[2].interval, kIdleProbeInterval);
  EXPECT_EQ(keeper.probe_set(at(seconds(61)), &table).links[1].interval, kIdleProbeInterval);
}

TEST(PlanKeeper, IdlesEverywhereOnceTheTableIsBeyondItsHardExpiry) {
  PlanKeeper keeper({});
  ASSERT_TRUE(keeper.accept(plan_of({link_to(2)}), 1, at(seconds(0))));
  const RouteTable table = table_over_two(seconds(60));
  EXPECT_EQ(keeper.age(at(seconds(61)), &table), PlanAge::expired);
  EXPECT_EQ(keeper.probe_set(at(seconds(61)), &table).links[0].interval, kIdleProbeInterval);
}

TEST(PlanKeeper, IsFreshAsLongAsTheCollectorIsHeard) {
  PlanKeeper keeper({});
  ASSERT_TRUE(keeper.accept(plan_of({link_to(2)}), 1, at(seconds(0))));
  keeper.touch(at(seconds(100)));
  EXPECT_EQ(keeper.age(at(seconds(105)), nullptr), PlanAge::fresh);
}

TEST(PlanKeeper, CapsWhatExceedsTheCeilingsAndSaysWhy) {
  PlanKeeper keeper({.flows_max = 1, .interval_min = milliseconds(100)});
  ASSERT_TRUE(keeper.accept(plan_of({link_to(2), link_to(3, seconds(1))}), 1, at(seconds(0))));
  const ProbeSet set = keeper.probe_set(at(seconds(0)), nullptr);
  EXPECT_EQ(set.capped, 2U);
  EXPECT_EQ(set.links[0].interval, milliseconds(100));
  EXPECT_EQ(set.links[0].flows, 1);
  EXPECT_FALSE(set.reason.empty());
}

TEST(PlanKeeper, SlowsAllLinksAlikeWhenTheSumIsTooMuch) {
  PlanKeeper keeper({.probes_per_second_max = 20});
  ASSERT_TRUE(keeper.accept(plan_of({link_to(2), link_to(3)}), 1, at(seconds(0))));
  const ProbeSet set = keeper.probe_set(at(seconds(0)), nullptr);
  EXPECT_EQ(set.reason, "probes_per_second_max");
  for (const PlannedLink& link : set.links) EXPECT_GE(link.interval, milliseconds(100));
}

TEST(PlanKeeper, RefusesAPlanThatCannotBeMeantAndKeepsTheOldOne) {
  PlanKeeper keeper({});
  ASSERT_TRUE(keeper.accept(plan_of({link_to(2)}), 1, at(seconds(0))));
  struct Case {
    const char* name;
    std::function<void(Plan&)> spoil;
    const char* want;
  };
  const Case cases[] = {
      {"foreign start", [](Plan& p) { p.links[0].link.from.node = NodeId{9}; }, "start"},
      {"no such port", [](Plan& p) { p.links[0].link.from.port = PortIndex{1}; }, "port"},
      {"to itself", [](Plan& p) { p.links[0].link.to.node = kSelf; }, "nowhere"},
      {"far port", [](Plan& p) { p.links[0].link.to.port = PortIndex{8}; }, "far port"},
      {"no interval", [](Plan& p) { p.links[0].interval = Duration::zero(); }, "interval"},
      {"negative interval", [](Plan& p) { p.links[0].interval = seconds(-1); }, "interval"},
      {"no flow", [](Plan& p) { p.links[0].flows = 0; }, "flow"},
      {"no address", [](Plan& p) { p.links[0].peer = {}; }, "address"},
      {"twice", [](Plan& p) { p.links.push_back(p.links[0]); }, "twice"},
      {"no number", [](Plan& p) { p.self = NodeId{0}; }, "number"},
  };
  for (const Case& c : cases) {
    SCOPED_TRACE(c.name);
    Plan plan = plan_of({link_to(3)});
    c.spoil(plan);
    const Status status = keeper.accept(plan, 1, at(seconds(1)));
    ASSERT_FALSE(status);
    EXPECT_THAT(status.error().message, testing::HasSubstr(c.want));
    EXPECT_EQ(keeper.plan()->links[0].link.to.node, NodeId{2});
  }
}

TEST(ProbeRequests, SumsTheSamplesThatOverlapTheBurst) {
  ProbeRequests requests;
  const LinkId link = link_to(2).link;
  ASSERT_TRUE(requests.accept({1, link, 100, milliseconds(10)}, at(seconds(100))));
  const auto sample = [&](int second, std::uint32_t sent) {
    LinkSample s;
    s.link = link;
    s.start = UnixNanos{} + seconds(second);
    s.length = seconds(1);
    s.sent = s.answered = sent;
    s.rtt_min = milliseconds(second);
    s.rtt_max = milliseconds(second);
    requests.on_sample(s);
  };
  sample(98, 1000);  // before
  sample(99, 1000);  // ends where the burst begins
  EXPECT_TRUE(requests.take(at(seconds(101))).empty());
  sample(100, 60);
  const auto results = requests.take(at(seconds(104)));
  ASSERT_EQ(results.size(), 1U);
  EXPECT_EQ(results[0].error, "");
  EXPECT_EQ(results[0].sample.sent, 60U);
  EXPECT_TRUE(requests.take(at(seconds(200))).empty());
}

TEST(ProbeRequests, AnswersWithAnErrorWhenNoSampleComes) {
  ProbeRequests requests;
  ASSERT_TRUE(requests.accept({1, link_to(2).link, 10, milliseconds(10)}, at(seconds(0))));
  EXPECT_TRUE(requests.take(at(seconds(5))).empty());
  const auto results = requests.take(at(seconds(9)));
  ASSERT_EQ(results.size(), 1U);
  EXPECT_FALSE(results[0].error.empty());
}

TEST(ProbeRequests, RefusesWhatIsBeyondItsBounds) {
  ProbeRequests requests;
  const LinkId link = link_to(2).link;
  EXPECT_FALSE(requests.accept({1, link, 0, milliseconds(10)}, at(seconds(0))));
  EXPECT_FALSE(requests.accept({1, link, 10'001, milliseconds(1)}, at(seconds(0))));
  EXPECT_FALSE(requests.accept({1, link, 100, seconds(1)}, at(seconds(0))));
  EXPECT_FALSE(requests.accept({1, link, 10, Duration::zero()}, at(seconds(0))));
  for (std::size_t i = 0; i < ProbeRequests::kPendingMax; ++i) {
    EXPECT_TRUE(requests.accept({i, link, 1, milliseconds(1)}, at(seconds(0))));
  }
  EXPECT_FALSE(requests.accept({99, link, 1, milliseconds(1)}, at(seconds(0))));
}

}  // namespace
}  // namespace linkpilot::agent
