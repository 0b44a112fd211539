// The operator's hand over the real HTTP API and the real command line: what is ordered happens,
// what is refused says why, what is over is undone, and a restart forgets nothing.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <atomic>
#include <thread>

#include "tests/component/collector/command_line.h"
#include "tests/component/collector/fleet.h"

namespace linkpilot::collector {
namespace {

using testing::HasSubstr;

class CollectorHand : public testing::Test {
 protected:
  CollectorHand() : fleet(process) {}

  // Nodes a, b, c in one (unnamed) region, all routable.
  void bring_up() {
    process.start();
    ASSERT_TRUE(fleet.bring_up({"a", "b", "c"}));
    a = fleet.at("a").id();
    b = fleet.at("b").id();
    c = fleet.at("c").id();
    ASSERT_TRUE(fleet.live([&] {
      return fleet.routes_to("a", c) && fleet.routes_to("b", a) && fleet.routes_to("c", b);
    }));
  }

  // a to c by b is cheap, direct is dear. Numbers are given in the order of enrolment.
  void make_b_the_best_relay() {
    a = NodeId{1};
    c = NodeId{3};
    fleet.rtt = [this](LinkId link) {
      const bool direct =
          (link.from.node == a && link.to.node == c) || (link.from.node == c && link.to.node == a);
      return std::chrono::milliseconds(direct ? 300 : 20);
    };
  }

  // Candidates of the tables in use that pass through the node.
  std::size_t relayed_by(NodeId node) {
    std::size_t count = 0;
    for (const char* name : {"a", "b", "c"}) {
      for (const Route& route : fleet.table(name).routes) {
        for (const CandidatePath& path : route.candidates) {
          for (std::size_t i = 0; i + 1 < path.hops.size(); ++i) {
            count += path.hops[i].node == node ? 1 : 0;
          }
        }
      }
    }
    return count;
  }

  CollectorProcess::Response order(nlohmann::json body, const std::string& token = "") {
    if (!body.contains("author")) body["author"] = "ana@ops";
    if (!body.contains("reason")) body["reason"] = "a test";
    return process.post("/v1/hand", body.dump(), token.empty() ? process.token() : token);
  }

  CliRun cli(const std::string& arguments) { return run_cli(process, arguments); }

  std::vector<NodeId> pushed_path(const std::string& node, NodeId to) {
    for (const Route& route : fleet.table(node).routes) {
      if (route.target != to || route.direction != Direction::push) continue;
      std::vector<NodeId> hops;
      for (const Hop& hop : route.candidates.front().hops) hops.push_back(hop.node);
      return hops;
    }
    return {};
  }

  nlohmann::json override_of(const std::string& kind) {
    const nlohmann::json hand = process.get("/v1/hand").json();
    for (const nlohmann::json& over : hand.value("overrides", nlohmann::json::array())) {
      if (over["kind"] == kind) return over;
    }
    return {};
  }

  // What the store must keep of an override, whoever asks.
  static nlohmann::json kept_of(const nlohmann::json& over) {
    nlohmann::json kept;
    for (const char* key : {"id", "kind", "author", "reason", "created_at", "expires_at"}) {
      kept[key] = over.value(key, nlohmann::json());
    }
    return kept;
  }

  void agents_return() {
    for (const char* name : {"a", "b", "c"}) {
      fleet.connect(name, name).run_id = 9;
      fleet.at(name).epoch = 78;
      ASSERT_TRUE(fleet.greet(name)) << name;
    }
  }
  // SIGKILL, and a restart that finds the override as it was ordered.
  void expect_survives_a_kill(const std::string& kind) {
    const nlohmann::json before = kept_of(override_of(kind));
    ASSERT_EQ(before["author"], "ana@ops");
    ASSERT_EQ(before["reason"], "a test");
    ASSERT_TRUE(before["expires_at"].is_string());
    process.kill_hard();
    process.start();
    EXPECT_EQ(kept_of(override_of(kind)), before);
    agents_return();
    // Its first tables of this run, if it publishes any.
    (void)fleet.live([&] { return !fleet.at("a").heard.tables.empty(); }, std::chrono::seconds(8));
  }
  void live_for_rounds(int count) {
    int rounds = 0;
    ASSERT_TRUE(fleet.live([&] { return ++rounds > count; }));
  }

  CollectorProcess process;
  ScriptedFleet fleet;
  NodeId a, b, c;
};

TEST_F(CollectorHand, APinIsFollowedListedSurvivesAKillAndIsUndone) {
  bring_up();
  EXPECT_EQ(pushed_path("a", c), std::vector{c});
  const auto pinned = order({{"action", "pin"}, {"node", "a"}, {"target", "c"}, {"via", {"b"}}});
  ASSERT_EQ(pinned.status, 200) << pinned.body;
  EXPECT_TRUE(pinned.json()["durable"].get<bool>());
  ASSERT_TRUE(fleet.live([&] { return pushed_path("a", c) == std::vector{b, c}; }));
  ASSERT_TRUE(fleet.live([&] { return override_of("pin")["effect"] == "followed"; }));
  const nlohmann::json routes = process.get("/v1/routes?node=a&to=c").json();
  EXPECT_THAT(routes.dump(), HasSubstr("pin a to c via b by ana@ops"));
  const CliRun explained = cli("route explain a c");
  EXPECT_THAT(explained.output, HasSubstr("by the operator's hand: pin a to c via b"));

  expect_survives_a_kill("pin");
  ASSERT_TRUE(fleet.live([&] {
    return !fleet.at("a").heard.tables.empty() && pushed_path("a", c) == std::vector{b, c};
  }));

  const CliRun unpinned = cli("route unpin a c --reason done --author bo");
  EXPECT_EQ(unpinned.exit_code, 0) << unpinned.output;
  EXPECT_TRUE(fleet.live([&] { return pushed_path("a", c) == std::vector{c}; }));
  const CliRun audit = cli("audit");
  EXPECT_THAT(audit.output, HasSubstr("unpin"));
  EXPECT_THAT(audit.output, HasSubstr("ana@ops"));
}

TEST_F(CollectorHand, APinOverADeadLinkIsNotFollowedAndSaysSo) {
  bring_up();
  const LinkId cut{{b, PortIndex{0}}, {c, PortIndex{0}}};
  fleet.mute = {"b", "c"};  // their reports would tell of answered probes
  fleet.at("b").alarm(cut, LinkState::dead, true);
  fleet.at("c").alarm(cut, LinkState::dead, true);
  ASSERT_TRUE(fleet.live([&] { return pushed_path("b", c) == std::vector{a, c}; }));
  const CliRun pinned = cli("route pin a c --via b --for 10min --reason try");
  EXPECT_EQ(pinned.exit_code, 0) << pinned.output;
  EXPECT_THAT(pinned.output, HasSubstr("not followed now: the link b/0>c/0 is dead"));
  EXPECT_EQ(override_of("pin")["effect"], "not followed: the link b/0>c/0 is dead");
  EXPECT_EQ(pushed_path("a", c), std::vector{c});
}

TEST_F(CollectorHand, ADrainedNodeRelaysNothingAndTheExpiryUndoesIt) {
  make_b_the_best_relay();
  bring_up();
  ASSERT_EQ(a, NodeId{1});
  ASSERT_TRUE(fleet.live([&] { return pushed_path("a", c) == std::vector{b, c}; },
                         std::chrono::seconds(90)));
  const auto drained = order({{"action", "drain"}, {"node", "b"}, {"for_ms", 8000}});
  ASSERT_EQ(drained.status, 200) << drained.body;
  ASSERT_TRUE(fleet.live([&] { return pushed_path("a", c) == std::vector{c}; }));
  EXPECT_EQ(pushed_path("a", b), std::vector{b}) << "a target it stays";
  ASSERT_TRUE(fleet.live([&] { return override_of("drain").is_null(); }));
  EXPECT_THAT(process.get("/v1/audit").body, HasSubstr("\"expired\""));
  EXPECT_TRUE(fleet.live([&] { return pushed_path("a", c) == std::vector{b, c}; },
                         std::chrono::seconds(90)));
}

TEST_F(CollectorHand, DrainWithWaitReturnsWhenNoTableInUseRelaysByTheNode) {
  make_b_the_best_relay();
  bring_up();
  ASSERT_TRUE(fleet.live([&] { return pushed_path("a", c) == std::vector{b, c}; },
                         std::chrono::seconds(90)));
  ASSERT_GT(relayed_by(b), 0U);
  fleet.at("a").acknowledge_tables = false;  // its media may still go the old way
  std::atomic<bool> done{false};
  CliRun ran;
  std::thread shell([&] {
    ran = cli("node drain b --for 5min --reason upgrade --wait");
    done = true;
  });
  EXPECT_TRUE(fleet.live([&] { return relayed_by(b) == 0; }));
  live_for_rounds(200);
  EXPECT_FALSE(done.load()) << "a has not loaded its table yet";
  EXPECT_EQ(override_of("drain")["waiting_for"], nlohmann::json::array({"a"}));
  fleet.at("a").acknowledge_tables = true;
  fleet.at("a").acknowledge(fleet.at("a").heard.tables.back());
  EXPECT_TRUE(fleet.live([&] { return done.load(); }));
  shell.join();
  EXPECT_EQ(ran.exit_code, 0) << ran.output;
  EXPECT_THAT(ran.output, HasSubstr("no table in use relays by it"));
  EXPECT_EQ(relayed_by(b), 0U);
  EXPECT_TRUE(fleet.routes_to("a", b) && fleet.routes_to("b", a)) << "its own streams go on";
}

TEST_F(CollectorHand, TheLastNodeOfARegionAndEveryUnsoundOrderAreRefusedInASentence) {
  bring_up();
  ASSERT_EQ(order({{"action", "drain"}, {"node", "a"}}).status, 200);
  ASSERT_EQ(order({{"action", "drain"}, {"node", "b"}}).status, 200);
  const CliRun last = cli("node drain c --reason oops");
  EXPECT_EQ(last.exit_code, 1);
  EXPECT_THAT(last.output, HasSubstr("c is the last working node"));
  EXPECT_THAT(last.output, HasSubstr("undrain one, first"));

  struct Case {
    nlohmann::json body;
    int status;
    const char* want;
  };
  for (const Case& each : {
           Case{{{"action", "drain"}, {"node", "z"}}, 404, "no enrolled node"},
           Case{{{"action", "thaw"}}, 409, "nothing is frozen"},
           Case{{{"action", "pin"}, {"node", "a"}, {"target", "c"}, {"via", {"b"}}},
                409,
                "b is drained"},
           Case{{{"action", "rollback"}, {"version", 1}, {"epoch", 1}}, 404, "is kept"},
           Case{{{"action", "fly"}}, 400, "must be one of"},
           Case{{{"action", "drain"}, {"node", "a"}, {"reason", ""}}, 400, "reason"},
       }) {
    const auto answer = order(each.body);
    EXPECT_EQ(answer.status, each.status) << each.body.dump();
    EXPECT_THAT(answer.json()["error"].get<std::string>(), HasSubstr(each.want));
  }
  EXPECT_EQ(order({{"action", "freeze"}}, "wrong token, wrong").status, 403);
  EXPECT_TRUE(override_of("freeze").is_null());
  EXPECT_THAT(process.get("/v1/audit").body, HasSubstr("\"refused\""));
}

TEST_F(CollectorHand, AFreezeHoldsEveryTableAndAThawLetsGo) {
  bring_up();
  ASSERT_EQ(order({{"action", "freeze"}}).status, 200);
  const std::size_t tables = fleet.at("a").heard.tables.size();
  const LinkId cut{{a, PortIndex{0}}, {c, PortIndex{0}}};
  fleet.at("a").alarm(cut, LinkState::dead, true);
  fleet.at("c").alarm(cut, LinkState::dead, true);
  live_for_rounds(300);
  EXPECT_EQ(fleet.at("a").heard.tables.size(), tables);
  EXPECT_EQ(pushed_path("a", c), std::vector{c});
  EXPECT_THAT(cli("status").output, HasSubstr("by hand: freeze by ana@ops"));
  const CliRun thawed = cli("route thaw --reason done");
  EXPECT_EQ(thawed.exit_code, 0) << thawed.output;
  // Their reports have told of answered probes since.
  fleet.at("a").alarm(cut, LinkState::dead, true);
  fleet.at("c").alarm(cut, LinkState::dead, true);
  EXPECT_TRUE(fleet.live([&] { return pushed_path("a", c) == std::vector{b, c}; }));
}

TEST_F(CollectorHand, ARollbackPublishesTheOldRoutesUntilItIsThawed) {
  bring_up();
  ASSERT_TRUE(fleet.live([&] { return pushed_path("a", c) == std::vector{c}; }));
  const std::uint64_t old = fleet.table("a").version.version;
  ASSERT_EQ(order({{"action", "pin"}, {"node", "a"}, {"target", "c"}, {"via", {"b"}}}).status, 200);
  ASSERT_TRUE(fleet.live([&] { return pushed_path("a", c) == std::vector{b, c}; }));
  const std::uint64_t pinned = fleet.table("a").version.version;

  const CliRun back = cli("route rollback " + std::to_string(old) + " --reason worse --for 10min");
  EXPECT_EQ(back.exit_code, 0) << back.output;
  ASSERT_TRUE(fleet.live([&] { return pushed_path("a", c) == std::vector{c}; }));
  EXPECT_GT(fleet.table("a").version.version, pinned) << "a new version with the old routes";
  EXPECT_THAT(override_of("pin")["effect"].get<std::string>(), HasSubstr("routes are frozen"));
  ASSERT_EQ(order({{"action", "thaw"}}).status, 200);
  EXPECT_TRUE(fleet.live([&] { return pushed_path("a", c) == std::vector{b, c}; }))
      << "the solver's tables are published again";
}

TEST_F(CollectorHand, AutoOffKeepsAHealthyPathAndLeavesADeadOne) {
  bring_up();
  ASSERT_EQ(order({{"action", "auto_off"}}).status, 200);
  const LinkId cut{{a, PortIndex{0}}, {c, PortIndex{0}}};
  fleet.at("a").alarm(cut, LinkState::dead, true);
  fleet.at("c").alarm(cut, LinkState::dead, true);
  ASSERT_TRUE(fleet.live([&] { return pushed_path("a", c) == std::vector{b, c}; }));
  EXPECT_EQ(cli("auto on --reason done").exit_code, 0);
}

TEST_F(CollectorHand, ADrainSurvivesAKillAndUndrainBringsTheNodeBack) {
  make_b_the_best_relay();
  bring_up();
  ASSERT_TRUE(fleet.live([&] { return pushed_path("a", c) == std::vector{b, c}; },
                         std::chrono::seconds(90)));
  ASSERT_EQ(order({{"action", "drain"}, {"node", "b"}}).status, 200);
  ASSERT_TRUE(fleet.live([&] { return relayed_by(b) == 0; }));
  expect_survives_a_kill("drain");
  ASSERT_TRUE(fleet.live([&] { return pushed_path("a", c) == std::vector{c}; }));
  live_for_rounds(300);
  EXPECT_EQ(relayed_by(b), 0U);
  EXPECT_EQ(cli("node undrain b --reason done").exit_code, 0);
  EXPECT_TRUE(fleet.live([&] { return pushed_path("a", c) == std::vector{b, c}; },
                         std::chrono::seconds(90)));
}

TEST_F(CollectorHand, AFreezeSurvivesAKillAndHoldsWhatIsInUse) {
  bring_up();
  ASSERT_EQ(order({{"action", "freeze"}}).status, 200);
  const std::uint64_t frozen = fleet.table("a").version.version;
  expect_survives_a_kill("freeze");
  const LinkId cut{{a, PortIndex{0}}, {c, PortIndex{0}}};
  fleet.mute = {"a", "c"};  // their reports would tell of answered probes
  fleet.at("a").alarm(cut, LinkState::dead, true);
  fleet.at("c").alarm(cut, LinkState::dead, true);
  live_for_rounds(300);
  EXPECT_EQ(pushed_path("a", c), std::vector{c});
  EXPECT_EQ(fleet.table("a").version.version, frozen) << "not even a new table";
  EXPECT_EQ(cli("route thaw --reason done").exit_code, 0);
  EXPECT_TRUE(fleet.live([&] { return pushed_path("a", c) == std::vector{b, c}; }));
}

TEST_F(CollectorHand, AutoOffSurvivesAKillAndKeepsTheDearerPath) {
  bring_up();
  ASSERT_EQ(order({{"action", "auto_off"}}).status, 200);
  make_b_the_best_relay();
  expect_survives_a_kill("auto_off");
  // Longer than confirmation and dwell of a better path.
  ASSERT_TRUE(fleet.live([&] { return pushed_path("a", c) == std::vector{c}; }));
  live_for_rounds(3000);
  EXPECT_EQ(pushed_path("a", c), std::vector{c});
  EXPECT_EQ(cli("auto on --reason done").exit_code, 0);
  EXPECT_TRUE(fleet.live([&] { return pushed_path("a", c) == std::vector{b, c}; },
                         std::chrono::seconds(90)));
}

TEST_F(CollectorHand, ARollbackSurvivesAKillAndAThawLetsTheSolverGoOn) {
  bring_up();
  const std::uint64_t old = fleet.table("a").version.version;
  ASSERT_EQ(order({{"action", "pin"}, {"node", "a"}, {"target", "c"}, {"via", {"b"}}}).status, 200);
  ASSERT_TRUE(fleet.live([&] { return pushed_path("a", c) == std::vector{b, c}; }));
  ASSERT_EQ(order({{"action", "rollback"}, {"version", old}}).status, 200);
  ASSERT_TRUE(fleet.live([&] { return pushed_path("a", c) == std::vector{c}; }));
  expect_survives_a_kill("rollback");
  EXPECT_FALSE(override_of("pin").is_null()) << "and what it overrules";
  live_for_rounds(300);
  EXPECT_EQ(pushed_path("a", c), std::vector{c});
  ASSERT_EQ(order({{"action", "thaw"}}).status, 200);
  EXPECT_TRUE(fleet.live([&] { return pushed_path("a", c) == std::vector{b, c}; }));
}

TEST_F(CollectorHand, WhatExpiresWhileTheCollectorIsDownIsOverWhenItComesUp) {
  bring_up();
  const std::uint64_t version = fleet.table("a").version.version;
  const std::vector<std::string> kinds = {"pin", "drain", "auto_off", "freeze", "rollback"};
  for (const std::string& kind : kinds) {
    nlohmann::json body = {{"action", kind}, {"for_ms", 3000}};
    if (kind == "pin") body.update({{"node", "a"}, {"target", "c"}, {"via", {"b"}}});
    if (kind == "drain") body["node"] = "c";
    if (kind == "rollback") body["version"] = version;
    const auto answer = order(body);
    ASSERT_EQ(answer.status, 200) << answer.body;
    ASSERT_TRUE(answer.json()["durable"].get<bool>()) << kind;
  }
  process.kill_hard();
  ASSERT_FALSE(run_until(fleet.loop, [] { return false; }, std::chrono::milliseconds(3500)));
  process.start();
  EXPECT_EQ(process.get("/v1/hand").json()["overrides"], nlohmann::json::array())
      << "not for a moment";
  const nlohmann::json audit = process.get("/v1/audit").json();
  for (const std::string& kind : kinds) {
    const auto ended = std::count_if(
        audit["entries"].begin(), audit["entries"].end(), [&](const nlohmann::json& entry) {
          return entry["action"] == kind && entry["outcome"] == "expired" &&
                 entry["reason"] == "a test" &&
                 entry["detail"].get<std::string>().starts_with("ordered by ana@ops");
        });
    EXPECT_EQ(ended, 1) << kind << " in " << audit.dump();
  }
  agents_return();
  EXPECT_TRUE(fleet.live([&] {
    return !fleet.at("a").heard.tables.empty() && pushed_path("a", c) == std::vector{c};
  }));
}

TEST_F(CollectorHand, WhatARestartFoundInForceStillEndsAtItsExpiry) {
  bring_up();
  ASSERT_EQ(
      order({{"action", "pin"}, {"node", "a"}, {"target", "c"}, {"via", {"b"}}, {"for_ms", 12'000}})
          .status,
      200);
  ASSERT_TRUE(fleet.live([&] { return pushed_path("a", c) == std::vector{b, c}; }));
  expect_survives_a_kill("pin");
  EXPECT_TRUE(fleet.live([&] { return override_of("pin").is_null(); }));
  EXPECT_TRUE(fleet.live([&] { return pushed_path("a", c) == std::vector{c}; }));
}

}  // namespace
}  // namespace linkpilot::collector
