// Keys over real sockets: enrolment, revocation and change of keys by the API and the command line,
// and what the holder of one key cannot say about another's node.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <csignal>
#include <filesystem>
#include <fstream>

#include "tests/component/collector/fleet.h"

namespace linkpilot::collector {
namespace {

using testing::HasSubstr;

CollectorProcess::Response order(const CollectorProcess& process, nlohmann::json body) {
  body["author"] = "ana@ops";
  body["reason"] = "a test";
  return process.post("/v1/hand", body.dump(), process.token());
}

TEST(CollectorKeys, AnAgentIsEnrolledThroughTheApiAndRevokedWithItsConnection) {
  CollectorProcess process;
  process.start();
  asio::io_context loop;
  const CurveKeyPair keys = make_curve_key_pair();
  ScriptedAgent agent(loop, "tokyo", keys, process.public_key(), process.endpoint());
  ASSERT_TRUE(run_until(loop, [&] { return agent.handshake_refused(); }));
  const nlohmann::json refused = await_refused_keys(loop, process);
  ASSERT_EQ(refused.size(), 1U) << refused.dump();
  EXPECT_EQ(refused[0]["public_key"], keys.public_key);
  EXPECT_EQ(refused[0]["address"], "127.0.0.1");
  EXPECT_GE(refused[0]["count"].get<int>(), 1);

  const auto enrolled =
      order(process, {{"action", "enrol"}, {"node", "tokyo"}, {"public_key", keys.public_key}});
  ASSERT_EQ(enrolled.status, 200) << enrolled.body;
  EXPECT_TRUE(std::filesystem::exists(process.folder() + "/enrolled/tokyo.pub"));
  auto next = std::chrono::steady_clock::now();
  const auto say_hello = [&] {
    if (std::chrono::steady_clock::now() < next) return;
    agent.hello();
    next = std::chrono::steady_clock::now() + std::chrono::milliseconds(300);
  };
  ASSERT_TRUE(run_until(loop, [&] {
    say_hello();
    return !agent.heard.welcomes.empty();
  }));
  for (const nlohmann::json& body :
       {nlohmann::json{{"action", "enrol"}, {"node", "osaka"}, {"public_key", keys.public_key}},
        nlohmann::json{{"action", "enrol"},
                       {"node", "tokyo"},
                       {"public_key", make_curve_key_pair().public_key}}}) {
    EXPECT_EQ(order(process, body).status, 409);
  }

  const int before = agent.disconnects();
  const auto revoked = order(process, {{"action", "revoke"}, {"node", "tokyo"}});
  ASSERT_EQ(revoked.status, 200) << revoked.body;
  EXPECT_FALSE(std::filesystem::exists(process.folder() + "/enrolled/tokyo.pub"));
  // The agent says nothing; its TCP connection ends all the same, and it cannot come back.
  ASSERT_TRUE(run_until(loop, [&] { return agent.disconnects() > before; }));
  // What it is told on the way out may be lost with the connection, or follow what it still sent.
  for (const Refused& told : agent.heard.refusals) {
    EXPECT_THAT(told.reason, HasSubstr("not enrolled"));
  }
  EXPECT_FALSE(await_refused_keys(loop, process).empty());
  EXPECT_EQ(order(process, {{"action", "revoke"}, {"node", "tokyo"}}).status, 404);
}

TEST(CollectorKeys, AnAgentChangesItsKeyWithoutLosingAReport) {
  CollectorProcess process;
  process.start();
  ScriptedFleet fleet(process);
  ASSERT_TRUE(fleet.bring_up({"a", "b"}));
  ASSERT_TRUE(fleet.live([&] { return fleet.at("a").acked() >= 3; }));
  const CurveKeyPair next = make_curve_key_pair();
  EXPECT_EQ(order(process, {{"action", "rekey_finish"}, {"node", "a"}}).status, 409);
  const auto begun =
      order(process, {{"action", "rekey"}, {"node", "a"}, {"public_key", next.public_key}});
  ASSERT_EQ(begun.status, 200) << begun.body;
  const std::uint64_t acked = fleet.at("a").acked();
  ASSERT_TRUE(fleet.live([&] { return fleet.at("a").acked() >= acked + 2; }))
      << "the old key works";
  EXPECT_TRUE(fleet.at("a").heard.refusals.empty());
  const auto early = order(process, {{"action", "rekey_finish"}, {"node", "a"}});
  EXPECT_EQ(early.status, 409);
  EXPECT_THAT(early.body, HasSubstr("not connected with its new key yet"));

  // The same agent, restarted with the new key: its reports go on where they were.
  const std::uint64_t sequence = fleet.at("a").sequence;
  fleet.use_key("a", next);
  ScriptedAgent& again = fleet.connect("a", "a");
  again.run_id = 2;
  again.sequence = sequence;
  ASSERT_TRUE(fleet.greet("a"));
  EXPECT_LE(again.heard.welcomes.back().acked_sequence, sequence);
  for (std::uint64_t lost = again.heard.welcomes.back().acked_sequence + 1; lost <= sequence;
       ++lost)
    again.send(again.make_report(lost, fleet.rtt));
  ASSERT_TRUE(fleet.live([&] { return again.acked() > sequence; }));
  const auto done = order(process, {{"action", "rekey_finish"}, {"node", "a"}});
  ASSERT_EQ(done.status, 200) << done.body;
  EXPECT_TRUE(again.heard.refusals.empty()) << "the key in use stays good";
  const nlohmann::json agent = process.get("/v1/agents?node=a").json()["agents"][0];
  EXPECT_EQ(agent["public_key"], next.public_key);
  EXPECT_EQ(agent["next_public_key"], "");
  EXPECT_EQ(process.get("/v1/events?after=0&limit=1000").body.find("report_gap"),
            std::string::npos);
}

TEST(CollectorKeys, TheHolderOfAKeyCannotSpeakOfAnotherNodesLinks) {
  CollectorProcess process;
  process.start();
  ScriptedFleet fleet(process);
  ASSERT_TRUE(fleet.bring_up({"a", "b", "c"}));
  const NodeId b = fleet.at("b").id();
  const NodeId c = fleet.at("c").id();
  ASSERT_TRUE(fleet.live([&] { return fleet.routes_to("b", c); }));
  const LinkId foreign{{b, PortIndex{0}}, {c, PortIndex{0}}};
  fleet.at("a").alarm(foreign, LinkState::dead, true);
  Report forged = fleet.at("a").make_report(++fleet.at("a").sequence, fleet.rtt);
  ASSERT_FALSE(forged.links.empty());
  for (LinkSample& sample : forged.links) {
    sample.link = foreign;
    sample.answered = 0;
    sample.lost_forward = sample.sent;
  }
  const std::size_t count = forged.links.size();
  fleet.at("a").send(forged);
  ASSERT_TRUE(fleet.live([&] {
    const nlohmann::json agent = process.get("/v1/agents?node=a").json()["agents"][0];
    return agent["reports"]["samples_refused"].get<std::size_t>() >= count;
  }));
  const std::string metrics = process.get("/metrics").body;
  EXPECT_THAT(metrics, testing::ContainsRegex("alarms_refused_total 1"));
  const nlohmann::json links = process.get("/v1/links?from=b&to=c").json();
  EXPECT_EQ(links["links"][0]["state"], "alive") << links.dump(1);
  EXPECT_TRUE(fleet.routes_to("b", c));
}

TEST(CollectorKeys, ASecondEntranceServesTheNextKeyWhileTheCollectorsKeyChanges) {
  CollectorProcess process;
  process.start();
  process.stop();
  const CurveKeyPair next = make_curve_key_pair();
  ASSERT_TRUE(save_curve_key_pair(process.folder() + "/next.key", next));
  process.edit_config("[keys]", "[keys]\ncurve_next_file = \"next.key\"");
  process.edit_config("[listen]", "[listen]\nagents_next = \"tcp://127.0.0.1:0\"");
  process.start();
  ASSERT_FALSE(process.next_endpoint().empty());
  asio::io_context loop;
  ScriptedAgent old_way(loop, "a", process.enrol("a"), process.public_key(), process.endpoint());
  ScriptedAgent new_way(loop, "b", process.enrol("b"), next.public_key, process.next_endpoint());
  auto due = std::chrono::steady_clock::now();
  EXPECT_TRUE(run_until(loop, [&] {
    if (std::chrono::steady_clock::now() >= due) {
      old_way.hello();
      new_way.hello();
      due = std::chrono::steady_clock::now() + std::chrono::milliseconds(300);
    }
    return !old_way.heard.welcomes.empty() && !new_way.heard.welcomes.empty() &&
           !old_way.heard.plans.empty() && !new_way.heard.plans.empty();
  }));
}

TEST(CollectorKeys, AReloadedSignerSignsEveryTableAnew) {
  CollectorProcess process;
  process.start();
  ScriptedFleet fleet(process);
  ASSERT_TRUE(fleet.bring_up({"a", "b"}));
  ASSERT_TRUE(fleet.live([&] { return fleet.routes_to("a", fleet.at("b").id()); }));
  const std::vector<std::uint8_t> before = fleet.at("a").heard.tables.back().signer;
  const SigningKey next = make_signing_key();
  ASSERT_TRUE(save_signing_key(process.folder() + "/routes.key", next));
  process.signal(SIGHUP);
  ASSERT_TRUE(fleet.live([&] { return fleet.at("a").heard.tables.back().signer != before; }));
  const SignedTable& table = fleet.at("a").heard.tables.back();
  EXPECT_TRUE(verify(next.public_key, table.body, table.signature));

  std::ofstream(process.folder() + "/routes.key") << "garbage\n";
  process.signal(SIGHUP);
  ASSERT_TRUE(fleet.live(
      [&] { return process.get("/v1/events").body.find("config_refused") != std::string::npos; }));
}

TEST(CollectorKeys, AuthenticatedPlansCarryOneSecretPerPairAndShowItToNobodyElse) {
  CollectorProcess process("\n[probing]\nauthenticate = true\n");
  process.start();
  ScriptedFleet fleet(process);
  ASSERT_TRUE(fleet.bring_up({"a", "b", "c"}));
  ASSERT_TRUE(fleet.live([&] {
    return fleet.at("a").heard.plans.back().links.size() == 2 &&
           fleet.at("b").heard.plans.back().links.size() == 2;
  }));
  const auto link_to = [&](const char* name, NodeId to) {
    for (const PlannedLink& link : fleet.at(name).heard.plans.back().links) {
      if (link.link.to.node == to) return link;
    }
    return PlannedLink{};
  };
  const PlannedLink ab = link_to("a", fleet.at("b").id());
  const PlannedLink ba = link_to("b", fleet.at("a").id());
  const PlannedLink ac = link_to("a", fleet.at("c").id());
  EXPECT_EQ(ab.mode, ProbeMode::stamp_authenticated);
  EXPECT_EQ(ab.secret.size(), 32U);
  EXPECT_EQ(ab.secret, ba.secret);
  EXPECT_EQ(ab.secret_epoch, ba.secret_epoch);
  EXPECT_NE(ab.secret, ac.secret);
  EXPECT_TRUE(process.get("/v1/plan").json()["nodes"][0]["links"][0]["authenticated"].get<bool>());
  std::string hex;
  for (const std::uint8_t octet : ab.secret) {
    hex += "0123456789abcdef"[octet >> 4];
    hex += "0123456789abcdef"[octet & 15];
  }
  for (const char* path : {"/v1/plan", "/v1/agents", "/v1/status", "/v1/events", "/metrics"}) {
    EXPECT_EQ(process.get(path).body.find(hex), std::string::npos) << path;
  }
}

}  // namespace
}  // namespace linkpilot::collector
