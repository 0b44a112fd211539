// What the collector refuses, and says about it.
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

#include <atomic>
#include <csignal>
#include <filesystem>
#include <fstream>
#include <thread>

#include "base/rng.h"
#include "schemas/codec.h"
#include "tests/component/collector/fleet.h"
#include "tests/component/collector/http_get.h"

namespace linkpilot::collector {
namespace {

using testing::HasSubstr;

std::string events_text(const CollectorProcess& process) {
  return process.get("/v1/events?after=0&limit=1000").body;
}

TEST(CollectorRefusal, AnUnknownKeyIsRefusedAndListedWithItsAddress) {
  CollectorProcess process;
  process.start();
  asio::io_context loop;
  const CurveKeyPair stranger = make_curve_key_pair();
  ScriptedAgent agent(loop, "stranger", stranger, process.public_key(), process.endpoint());
  agent.hello();
  ASSERT_TRUE(run_until(loop, [&] { return agent.handshake_refused(); }));
  const nlohmann::json refused = await_refused_keys(loop, process);
  ASSERT_FALSE(refused.empty());
  EXPECT_EQ(process.get("/v1/agents").json()["refused_keys"].size(), refused.size());
  EXPECT_EQ(refused[0]["public_key"], stranger.public_key);
  EXPECT_THAT(refused[0]["address"].get<std::string>(), HasSubstr("127.0.0.1"));
  EXPECT_NE(refused[0]["last_at"], "");
  EXPECT_TRUE(agent.heard.welcomes.empty());
}

TEST(CollectorRefusal, OfTwoAgentsWithOneKeyTheNewestWinsWithoutTakingTurns) {
  CollectorProcess process;
  process.start();
  ScriptedFleet fleet(process);
  fleet.add("a");
  ASSERT_TRUE(fleet.greet("a"));
  fleet.connect("twin", "a").run_id = 2;
  ASSERT_TRUE(fleet.greet("twin"));
  ASSERT_TRUE(fleet.run(
      [&] {
        return fleet.at("a").heard.refusals.size() >= 5 && fleet.at("twin").heard.pongs.size() >= 2;
      },
      [&] {
        fleet.at("a").hello();
        fleet.at("a").send(Ping{1, {}});
        fleet.at("twin").send(Ping{1, {}});
      }));
  EXPECT_TRUE(fleet.at("twin").heard.refusals.empty());
  EXPECT_FALSE(fleet.at("twin").heard.pongs.empty());
  EXPECT_THAT(events_text(process), HasSubstr("duplicate_agent"));
}

TEST(CollectorRefusal, GarbageEndsNeitherTheCollectorNorTheOthers) {
  CollectorProcess process;
  process.start();
  ScriptedFleet fleet(process);
  fleet.add("a");
  ASSERT_TRUE(fleet.greet("a"));
  Rng rng(7);
  for (std::size_t size : {0u, 1u, 7u, 8u, 16u, 64u, 4096u, 65536u}) {
    std::vector<std::uint8_t> octets(size);
    for (std::uint8_t& octet : octets) octet = static_cast<std::uint8_t>(rng.next());
    fleet.at("a").send_octets(octets);
  }
  std::vector<std::uint8_t> cut = schemas::encode(AgentMessage(Ping{1, {}}));
  cut.resize(cut.size() / 16 * 8);
  fleet.at("a").send_octets(cut);
  ASSERT_TRUE(fleet.live([&] { return fleet.at("a").acked() >= 2; }));
  EXPECT_THAT(events_text(process), HasSubstr("message_refused"));
}

TEST(CollectorRefusal, AHelloThatContradictsItsKeyIsRefusedWithTheReason) {
  CollectorProcess process;
  process.start();
  ScriptedFleet fleet(process);
  fleet.add("a");
  fleet.at("a").name = "somebody-else";
  ASSERT_TRUE(fleet.run([&] { return !fleet.at("a").heard.refusals.empty(); },
                        [&] { fleet.at("a").hello(); }));
  EXPECT_THAT(fleet.at("a").heard.refusals.back().reason, HasSubstr("enrolled as a"));
}

TEST(CollectorRefusal, AStolenKeyCanLieOnlyAboutItsOwnNode) {
  CollectorProcess process;
  process.start();
  ScriptedFleet fleet(process);
  ASSERT_TRUE(fleet.bring_up({"a", "b", "c"}));
  const LinkId others{{fleet.at("b").id(), PortIndex{0}}, {fleet.at("c").id(), PortIndex{0}}};
  ASSERT_TRUE(fleet.live([&] { return fleet.routes_to("b", fleet.at("c").id()); }));
  fleet.at("a").alarm(others, LinkState::dead, true);
  Report report = fleet.at("a").make_report(++fleet.at("a").sequence, fleet.rtt);
  for (LinkSample& sample : report.links) sample.link = others;
  fleet.at("a").send(report);
  ASSERT_TRUE(fleet.live([&] {
    const std::string events = events_text(process);
    return events.find("an alarm about other nodes") != std::string::npos &&
           events.find("a link of another node") != std::string::npos;
  }));
  const nlohmann::json links = process.get("/v1/links?from=b&to=c").json()["links"];
  ASSERT_EQ(links.size(), 1u);
  EXPECT_EQ(links[0]["state"], "alive");
}

TEST(CollectorRefusal, AForgedAlarmAboutAHealthyLinkIsUndoneByTheSamplesOfItsEnds) {
  CollectorProcess process;
  process.start();
  ScriptedFleet fleet(process);
  ASSERT_TRUE(fleet.bring_up({"a", "b", "c"}));
  const LinkId link{{fleet.at("a").id(), PortIndex{0}}, {fleet.at("b").id(), PortIndex{0}}};
  const auto state = [&] {
    const nlohmann::json links = process.get("/v1/links?from=a&to=b").json()["links"];
    return links.size() == 1 ? links[0]["state"].get<std::string>() : std::string();
  };
  ASSERT_TRUE(fleet.live([&] { return fleet.routes_to("a", fleet.at("b").id()); }));
  fleet.at("a").alarm(link, LinkState::dead, true);
  ASSERT_TRUE(fleet.live([&] { return state() == "dead"; }));
  EXPECT_TRUE(fleet.live([&] { return state() == "alive"; }));
  EXPECT_THAT(events_text(process), HasSubstr("link_alive"));
}

TEST(CollectorRefusal, AClockAnHourWrongIsToldAndItsFutureSamplesAreRefused) {
  CollectorProcess process;
  process.start();
  ScriptedFleet fleet(process);
  ASSERT_TRUE(fleet.bring_up({"a", "b"}));
  Report report;
  ASSERT_TRUE(fleet.run(
      [&] {
        return !fleet.at("a").heard.plans.empty() &&
               !fleet.at("a").heard.plans.back().links.empty();
      },
      [] {}));
  report = fleet.at("a").make_report(++fleet.at("a").sequence, fleet.rtt);
  for (LinkSample& sample : report.links) sample.start = sample.start + std::chrono::hours(1);
  fleet.at("a").send(report);
  fleet.at("a").send(Ping{1, SystemClock().now().wall - std::chrono::hours(1)});
  ASSERT_TRUE(fleet.run(
      [&] {
        const std::string events = events_text(process);
        return events.find("measured in the future") != std::string::npos &&
               events.find("agent_clock_wrong") != std::string::npos;
      },
      [] {}));
  EXPECT_TRUE(fleet.run([&] { return !fleet.at("a").heard.pongs.empty(); }, [] {}));
}

TEST(CollectorRefusal, ABrokenConfigurationIsRefusedOnReloadAndTheOldOneStays) {
  CollectorProcess process;
  process.start();
  std::ofstream(process.folder() + "/test.toml", std::ios::app) << "\n[routing]\ntikc = \"1s\"\n";
  process.signal(SIGHUP);
  asio::io_context loop;
  ASSERT_TRUE(run_until(
      loop, [&] { return events_text(process).find("config_refused") != std::string::npos; }));
  EXPECT_THAT(events_text(process), HasSubstr("tick"));
  EXPECT_EQ(process.get("/healthz").status, 200);
  EXPECT_EQ(process.stop(), 0);
}

TEST(CollectorApi, MetricsAreCleanUnderPromtool) {
  CollectorProcess process;
  process.start();
  ScriptedFleet fleet(process);
  ASSERT_TRUE(fleet.bring_up({"a", "b"}));
  ASSERT_TRUE(
      fleet.live([&] { return process.get("/v1/status").json()["tables"]["loaded"] == 2; }));
  const CollectorProcess::Response metrics = process.get("/metrics");
  ASSERT_EQ(metrics.status, 200);
  const std::string page = process.folder() + "/metrics.txt";
  std::ofstream(page) << metrics.body;
  const std::string command = "promtool check metrics < " + page + " 2>&1";
  FILE* tool = popen(command.c_str(), "r");
  ASSERT_NE(tool, nullptr);
  std::string said;
  for (int c = fgetc(tool); c != EOF; c = fgetc(tool)) said += static_cast<char>(c);
  EXPECT_EQ(pclose(tool), 0) << said;
  EXPECT_EQ(said, "");
}

TEST(CollectorApi, EveryEndpointAnswersInItsShape) {
  CollectorProcess process;
  process.start();
  ScriptedFleet fleet(process);
  ASSERT_TRUE(fleet.bring_up({"tokyo", "paris"}));
  ASSERT_TRUE(
      fleet.live([&] { return process.get("/v1/status").json()["tables"]["loaded"] == 2; }));
  ASSERT_TRUE(fleet.live([&] { return !process.get("/v1/samples").json()["samples"].empty(); }));
  struct Case {
    const char* path;
    const char* list;
    std::vector<const char*> keys;
  };
  const std::vector<Case> cases = {
      {"/v1/agents",
       "agents",
       {"node", "id", "state", "ports", "reports", "load", "plan", "table"}},
      {"/v1/links",
       "links",
       {"link", "from", "to", "state", "rtt_ms_p50", "loss_ratio", "cost_ms", "seen"}},
      {"/v1/routes?node=tokyo",
       "tables",
       {"node", "version", "stages", "routes", "dropped", "loaded"}},
      {"/v1/events", "events", {"id", "time_at", "level", "name", "node", "link", "detail"}},
      {"/v1/plan", "nodes", {"node", "version", "probes_per_second", "kbit_per_second", "links"}},
      {"/v1/samples",
       "samples",
       {"report_id", "reporter", "link", "start_unix_ns", "sent", "rtt_ms_min"}},
  };
  for (const Case& each : cases) {
    SCOPED_TRACE(each.path);
    const CollectorProcess::Response response = process.get(each.path);
    EXPECT_EQ(response.status, 200);
    const nlohmann::json json = response.json();
    ASSERT_TRUE(json.contains(each.list)) << response.body;
    ASSERT_FALSE(json[each.list].empty()) << response.body;
    for (const char* key : each.keys) EXPECT_TRUE(json[each.list][0].contains(key)) << key;
  }
  const nlohmann::json unknown = process.get("/v1/routes?node=toyko").json();
  EXPECT_EQ(unknown["code"], "not_found");
  EXPECT_EQ(unknown["near"][0], "tokyo");
  EXPECT_EQ(process.get("/v1/nothing").status, 404);
}

TEST(CollectorApi, AProbeNeedsTheTokenAndIsAnsweredByTheAgent) {
  CollectorProcess process;
  process.start();
  ScriptedFleet fleet(process);
  ASSERT_TRUE(fleet.bring_up({"tokyo", "paris"}));
  ASSERT_TRUE(fleet.live([&] { return !process.get("/v1/links").json()["links"].empty(); }));
  const std::string order = R"({"from":"tokyo","to":"paris","count":3,"interval_ms":5})";
  EXPECT_EQ(process.post("/v1/probe", order, "").status, 401);
  EXPECT_EQ(process.post("/v1/probe", order, "wrong").status, 403);
  EXPECT_EQ(process.post("/v1/probe", R"({"from":"tokio","to":"paris"})", process.token()).status,
            404);
  EXPECT_EQ(process.post("/v1/probe", R"({"from":"tokyo","to":"paris","count":0})", process.token())
                .status,
            400);
  EXPECT_EQ(process.post("/v1/probe", "[", process.token()).status, 400);

  CollectorProcess::Response response;
  std::atomic<bool> answered = false;
  std::thread asker([&] {
    response = process.post("/v1/probe", order, process.token());
    answered = true;
  });
  std::size_t done = 0;
  EXPECT_TRUE(fleet.live([&] {
    ScriptedAgent& tokyo = fleet.at("tokyo");
    for (; done < tokyo.heard.probes.size(); ++done) {
      ProbeResult result;
      result.request = tokyo.heard.probes[done].request;
      result.sample.link = tokyo.heard.probes[done].link;
      result.sample.length = std::chrono::milliseconds(15);
      result.sample.sent = result.sample.answered = tokyo.heard.probes[done].count;
      result.sample.rtt_min = result.sample.rtt_max = std::chrono::milliseconds(7);
      result.sample.rtt_sum = std::chrono::milliseconds(21);
      for (int i = 0; i < 3; ++i) result.sample.rtt.add(std::chrono::milliseconds(7));
      tokyo.send(result);
    }
    return answered.load();
  }));
  asker.join();
  EXPECT_EQ(response.status, 200) << response.body;
  EXPECT_EQ(response.json()["answered"], 3);
  EXPECT_EQ(response.json()["rtt_ms_min"], 7.0);
}

TEST(CollectorApi, OversizedRequestsAreRefused) {
  CollectorProcess process;
  process.start();
  EXPECT_EQ(process.post("/v1/probe", std::string(200'000, 'x'), process.token()).status, 413);
  const CollectorProcess::Response after = process.get("/healthz");
  EXPECT_EQ(after.status, 200);
}

// Sends and hangs up, whatever the server thinks of it.
void throw_at(int port, const std::string& octets) {
  const int fd = ::socket(AF_INET, SOCK_STREAM, 0);
  ASSERT_GE(fd, 0);
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_port = htons(static_cast<std::uint16_t>(port));
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  if (::connect(fd, reinterpret_cast<const sockaddr*>(&address), sizeof address) == 0) {
    static_cast<void>(::send(fd, octets.data(), octets.size(), MSG_NOSIGNAL));
  }
  ::close(fd);
}

TEST(CollectorApi, GarbageOnTheHttpPortEndsNothing) {
  CollectorProcess process;
  process.start();
  const std::string good =
      "POST /v1/probe HTTP/1.1\r\nHost: x\r\nContent-Length: 10\r\n\r\n{\"from\":1}";
  for (std::size_t cut = 0; cut < good.size(); cut += 3)
    throw_at(process.http_port(), good.substr(0, cut));
  Rng rng(11);
  for (int i = 0; i < 50; ++i) {
    std::string noise;
    for (std::uint64_t octets = rng.below(2'000); octets > 0; --octets) {
      noise += static_cast<char>(rng.below(256));
    }
    throw_at(process.http_port(), noise + "\r\n\r\n");
  }
  throw_at(process.http_port(), "GET /" + std::string(100'000, 'a') + " HTTP/1.1\r\n\r\n");
  throw_at(process.http_port(), "GET / HTTP/9.9\r\n\r\n");
  throw_at(process.http_port(), "GET / HTTP/1.1\r\n" + std::string(100'000, 'h'));
  throw_at(process.http_port(), "POST /v1/probe HTTP/1.1\r\nContent-Length: -1\r\n\r\n");
  throw_at(process.http_port(),
           "POST /v1/probe HTTP/1.1\r\nContent-Length: 99999999999999999999\r\n\r\n");
  throw_at(process.http_port(),
           "POST /v1/probe HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\nfffffffffffffff\r\n");
  EXPECT_EQ(process.get("/healthz").status, 200);
  for (const char* path : {"/v1/routes?version=-1", "/v1/routes?version=99999999999999999999999",
                           "/v1/events?after=x", "/v1/events?limit=-5", "/v1/links?from=%00",
                           "/v1/links?from=%ff%fe", "/v1/agents/%2e%2e"}) {
    SCOPED_TRACE(path);
    const int status = process.get(path).status;
    EXPECT_GE(status, 200);
    EXPECT_LT(status, 500);
  }
  EXPECT_EQ(process.get("/v1/agents").status, 200);
}

}  // namespace
}  // namespace linkpilot::collector
