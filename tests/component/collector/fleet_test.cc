// A collector process and scripted agents over real CURVE sockets: the life of a fleet.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/component/collector/fleet.h"

namespace linkpilot::collector {
namespace {

TEST(CollectorFleet, DroppingAKeyFileMakesANodeMeasuredAndRoutableEverywhere) {
  CollectorProcess process;
  process.start();
  ScriptedFleet fleet(process);
  ASSERT_TRUE(fleet.bring_up({"a", "b", "c"}));
  ASSERT_TRUE(fleet.live([&] {
    return fleet.routes_to("a", fleet.at("c").id()) && fleet.routes_to("b", fleet.at("a").id()) &&
           fleet.routes_to("c", fleet.at("b").id());
  }));

  fleet.add("d");
  ASSERT_TRUE(fleet.greet("d"));
  const NodeId d = fleet.at("d").id();
  EXPECT_TRUE(fleet.live([&] {
    return fleet.routes_to("a", d) && fleet.routes_to("b", d) && fleet.routes_to("c", d) &&
           fleet.routes_to("d", fleet.at("a").id());
  }));
  const nlohmann::json status = process.get("/v1/status").json();
  EXPECT_EQ(status["agents"]["connected"], 4) << status.dump(1);
}

TEST(CollectorFleet, ANodeThatDiesLeavesEveryTableWithTheReasonAndReturns) {
  CollectorProcess process;
  process.start();
  ScriptedFleet fleet(process);
  ASSERT_TRUE(fleet.bring_up({"a", "b", "c"}));
  const NodeId c = fleet.at("c").id();
  ASSERT_TRUE(fleet.live([&] { return fleet.routes_to("a", c) && fleet.routes_to("b", c); }));

  fleet.mute.insert("c");
  for (const char* peer : {"a", "b"}) {
    const NodeId id = fleet.at(peer).id();
    fleet.at(peer).alarm({{c, PortIndex{0}}, {id, PortIndex{0}}}, LinkState::dead, true);
    fleet.at(peer).alarm({{id, PortIndex{0}}, {c, PortIndex{0}}}, LinkState::dead, true);
  }
  // Its peers' probes to it are not answered any more. That it is the node, and since when, may be
  // known a moment after its links were found dead.
  const auto says_since = [&](const std::string& peer) {
    for (const DroppedTarget& dropped : fleet.table(peer).dropped) {
      if (dropped.target == c && dropped.reason.find("since 2") != std::string::npos) return true;
    }
    return false;
  };
  ASSERT_TRUE(fleet.run(
      [&] {
        return !fleet.routes_to("a", c) && !fleet.routes_to("b", c) && says_since("a") &&
               says_since("b");
      },
      [&] {
        for (const char* peer : {"a", "b"}) fleet.at(peer).send(Ping{1, SystemClock().now().wall});
      }));

  fleet.mute.clear();
  fleet.at("c").run_id = 2;
  ASSERT_TRUE(fleet.greet("c"));
  for (const char* peer : {"a", "b"}) {
    const NodeId id = fleet.at(peer).id();
    fleet.at(peer).alarm({{c, PortIndex{0}}, {id, PortIndex{0}}}, LinkState::alive, true);
    fleet.at(peer).alarm({{id, PortIndex{0}}, {c, PortIndex{0}}}, LinkState::alive, true);
  }
  EXPECT_TRUE(fleet.live([&] { return fleet.routes_to("a", c) && fleet.routes_to("b", c); }));
}

TEST(CollectorFleet, KilledAndStartedAgainItKeepsWhatItAcknowledgedAndCountsNothingTwice) {
  CollectorProcess process;
  process.start();
  ScriptedFleet fleet(process);
  ASSERT_TRUE(fleet.bring_up({"a", "b"}));
  ASSERT_TRUE(fleet.live([&] {
    return fleet.at("a").acked() >= 5 && fleet.at("b").acked() >= 5 &&
           !fleet.at("a").heard.tables.empty();
  }));
  const std::uint64_t acked = fleet.at("a").acked();
  const TableVersion before = fleet.at("a").heard.tables.back().version;
  const NodeId id = fleet.at("a").id();

  process.kill_hard();
  process.start();
  fleet.connect("a", "a").sequence = acked;
  fleet.connect("b", "b").sequence = 1'000;
  fleet.at("a").run_id = 5;
  ASSERT_TRUE(fleet.greet("a"));
  ASSERT_TRUE(fleet.greet("b"));
  EXPECT_EQ(fleet.at("a").id(), id);
  EXPECT_GE(fleet.at("a").heard.welcomes.back().acked_sequence, acked);

  // Sent again: acknowledged again, stored and counted once.
  const std::uint64_t welcome_acked = fleet.at("a").heard.welcomes.back().acked_sequence;
  fleet.at("a").send(fleet.at("a").make_report(1, fleet.rtt));
  EXPECT_TRUE(fleet.run([&] { return fleet.at("a").acked() >= welcome_acked; }, [] {}));
  fleet.at("a").sequence = welcome_acked;
  EXPECT_TRUE(fleet.live([&] {
    return !fleet.at("a").heard.tables.empty() &&
           fleet.at("a").heard.tables.back().version > before;
  }));
  EXPECT_GT(fleet.at("a").heard.tables.back().version.epoch, before.epoch);

  std::set<std::pair<std::string, std::uint64_t>> seen;
  std::uint64_t after = 0;
  for (;;) {
    const nlohmann::json page =
        process.get("/v1/samples?limit=100&after=" + std::to_string(after)).json();
    ASSERT_TRUE(page.contains("samples")) << page.dump();
    for (const nlohmann::json& sample : page["samples"]) {
      EXPECT_TRUE(seen.emplace(sample["reporter"].get<std::string>(),
                               sample["sequence"].get<std::uint64_t>())
                      .second)
          << sample.dump();
    }
    after = page["last_id"].get<std::uint64_t>();
    if (!page["more"].get<bool>()) break;
  }
  for (std::uint64_t sequence = 2; sequence <= acked; ++sequence) {
    EXPECT_TRUE(seen.contains({"a", sequence})) << sequence;
  }
}

TEST(CollectorFleet, AnAlarmOfBothEndsMovesTheRoutesAtOnce) {
  CollectorProcess process;
  process.start();
  ScriptedFleet fleet(process);
  ASSERT_TRUE(fleet.bring_up({"a", "b", "c"}));
  const NodeId a = fleet.at("a").id();
  const NodeId b = fleet.at("b").id();
  ASSERT_TRUE(fleet.live([&] { return fleet.routes_to("a", b); }));
  const LinkId cut{{a, PortIndex{0}}, {b, PortIndex{0}}};
  fleet.at("a").alarm(cut, LinkState::suspect, false);
  fleet.at("b").alarm(cut, LinkState::suspect, false);
  EXPECT_TRUE(fleet.live([&] {
    for (const Route& route : fleet.table("a").routes) {
      if (route.target == b && route.direction == Direction::push) {
        return !route.candidates.empty() && route.candidates.front().hops.size() == 2;
      }
    }
    return false;
  }));
}

TEST(CollectorFleet, ARevokedAgentIsToldAndLeavesEveryTable) {
  CollectorProcess process;
  process.start();
  ScriptedFleet fleet(process);
  ASSERT_TRUE(fleet.bring_up({"a", "b", "c"}));
  const NodeId c = fleet.at("c").id();
  ASSERT_TRUE(fleet.live([&] { return fleet.routes_to("a", c) && fleet.routes_to("b", c); }));
  process.revoke("c");
  EXPECT_TRUE(fleet.live([&] {
    return !fleet.routes_to("a", c) && !fleet.routes_to("b", c) &&
           !fleet.at("c").heard.refusals.empty();
  }));
  ASSERT_FALSE(fleet.table("a").dropped.empty());
  EXPECT_EQ(fleet.table("a").dropped.front().reason, "not enrolled any more");
}

}  // namespace
}  // namespace linkpilot::collector
