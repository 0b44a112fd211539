// The exporter's request and page, and [exporter] of agent.toml.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "agent/config/agent_config.h"
#include "agent/exporter/ask.h"
#include "agent/exporter/dial_page.h"

namespace linkpilot::agent {
namespace {

using prober::DialPhase;
using prober::DialReport;
using testing::HasSubstr;
using testing::Not;

std::string get(const std::string& target, const std::string& more = "") {
  return "GET " + target + " HTTP/1.1\r\nHost: localhost:9116\r\n" + more + "\r\n";
}

TEST(ExporterAsk, IsADialOfAModuleAndATarget) {
  const Ask ask =
      read_ask(get("/probe?module=live&target=http%3A%2F%2Fcdn.example%2Fa.flv%3Fx%3Dy%26z",
                   "X-Prometheus-"
                   "Scrape-Timeout-Seconds: 9.5\r\n"));
  EXPECT_EQ(ask.kind, AskKind::dial);
  EXPECT_EQ(ask.module, "live");
  EXPECT_EQ(ask.target, "http://cdn.example/a.flv?x=y&z");
  EXPECT_EQ(ask.patience, std::chrono::milliseconds(9500));
}

TEST(ExporterAsk, HasADefaultModule) {
  const Ask ask = read_ask(get("/probe?target=rtmp://h/a/b"));
  EXPECT_EQ(ask.kind, AskKind::dial);
  EXPECT_EQ(ask.module, kDefaultModule);
  EXPECT_FALSE(ask.patience);
}

TEST(ExporterAsk, BelievesNoAbsurdPatience) {
  for (const char* value : {"0", "-1", "nan", "x", ""}) {
    EXPECT_FALSE(
        read_ask(get("/probe?target=x",
                     std::string("X-Prometheus-Scrape-Timeout-Seconds: ") + value + "\r\n"))
            .patience)
        << value;
  }
  EXPECT_EQ(
      read_ask(get("/probe?target=x", "X-Prometheus-Scrape-Timeout-Seconds: 1e300\r\n")).patience,
      std::chrono::hours(1));
}

TEST(ExporterAsk, ServesItsCounters) {
  EXPECT_EQ(read_ask(get("/metrics")).kind, AskKind::metrics);
}

TEST(ExporterAsk, RefusesTheRestWithAStatus) {
  const auto status = [](const std::string& head) {
    const Ask ask = read_ask(head);
    EXPECT_EQ(ask.kind, AskKind::refused) << head;
    EXPECT_FALSE(ask.words.empty());
    return ask.status;
  };
  EXPECT_EQ(status(get("/")), 404);
  EXPECT_EQ(status(get("/probes?target=x")), 404);
  EXPECT_EQ(status(get("/probe")), 400);
  EXPECT_EQ(status(get("/probe?target=")), 400);
  EXPECT_EQ(status("POST /probe?target=x HTTP/1.1\r\nHost: localhost\r\n\r\n"), 405);
  EXPECT_EQ(status("GET /probe?target=x\r\n\r\n"), 400);
  EXPECT_EQ(status(""), 400);
  EXPECT_EQ(status("\r\n\r\n"), 400);
  EXPECT_EQ(status("GET  HTTP/1.1\r\nHost: localhost\r\n\r\n"), 404);
}

// DNS rebinding: a foreign page may point its own name at 127.0.0.1.
TEST(ExporterAsk, RefusesNamesThatAreNotThisHosts) {
  for (const char* host : {"evil.example", "localhost.evil.example:9116", "[::1", ""}) {
    EXPECT_EQ(
        read_ask("GET /probe?target=x HTTP/1.1\r\nHost: " + std::string(host) + "\r\n\r\n").status,
        403)
        << host;
  }
  EXPECT_EQ(read_ask("GET /probe?target=x HTTP/1.1\r\n\r\n").status, 403);
  for (const char* host : {"localhost", "LOCALHOST:1", "127.0.0.1:9116", "[::1]:9116"}) {
    EXPECT_EQ(read_ask("GET /metrics HTTP/1.1\r\nhost:" + std::string(host) + "\r\n\r\n").kind,
              AskKind::metrics)
        << host;
  }
}

DialReport working_dial() {
  DialReport report;
  report.url = "http://cdn.example/live/secret-name.flv";
  report.success = true;
  report.hops.emplace_back();
  report.hops.back().http_status = 200;
  const auto at = [&](DialPhase phase, int ms) {
    report.phases.push_back({phase, report.started + std::chrono::milliseconds(ms)});
  };
  at(DialPhase::dns, 10);
  at(DialPhase::tcp, 30);
  at(DialPhase::response, 60);
  at(DialPhase::key_frame, 160);
  report.playback.marks.first_tag = report.started;
  report.playback.players[1].stalls = 2;
  report.playback.players[1].stalled = std::chrono::milliseconds(1500);
  return report;
}

TEST(DialPage, SaysPhasesFirstFrameAndStalls) {
  const std::string page = dial_page(working_dial(), std::chrono::seconds(5));
  for (const char* line : {"probe_success 1\n", "probe_duration_seconds 5\n",
                           "probe_dial_phase_duration_seconds{phase=\"dns\"} 0.01\n",
                           "probe_dial_phase_duration_seconds{phase=\"tcp\"} 0.02\n",
                           "probe_dial_first_frame_seconds 0.16\n", "probe_http_status_code 200\n",
                           "probe_dial_stalls{player=\"buffered\"} 2\n",
                           "probe_dial_stalled_seconds{player=\"buffered\"} 1.5\n",
                           "probe_dial_stalls{player=\"live_edge\"} 0\n"}) {
    EXPECT_THAT(page, HasSubstr(line));
  }
  EXPECT_THAT(page, Not(HasSubstr("cdn.example")));
  EXPECT_THAT(page, Not(HasSubstr("secret-name")));
}

TEST(DialPage, SaysWhereADialFailedAndNothingItDidNotSee) {
  DialReport report;
  report.failure = {.stage = prober::DialStage::tls,
                    .kind = prober::DialFault::certificate_expired,
                    .code = "verbatim words",
                    .sentence = "a sentence"};
  const std::string page = dial_page(report, {});
  EXPECT_THAT(page, HasSubstr("probe_success 0\n"));
  EXPECT_THAT(page,
              HasSubstr("probe_dial_failure{stage=\"tls\",kind=\"certificate_expired\"} 1\n"));
  EXPECT_THAT(page, Not(HasSubstr("verbatim words")));
  EXPECT_THAT(page, Not(HasSubstr("probe_dial_stalls")));
  EXPECT_THAT(page, Not(HasSubstr("first_frame")));
}

Result<AgentConfig> parse_with(const std::string& text) {
  auto reader = ConfigReader::from_text(
      "[node]\nname = \"node-1\"\n[[ports]]\nlisten = \"192.0.2.10\"\n"
      "[collector]\nconnect = [\"tcp://192.0.2.1:7100\"]\n" +
          text,
      "agent.toml");
  if (!reader) return fail(reader.error());
  return parse_agent_config(std::move(*reader));
}

TEST(ExporterSettings, AreOffByDefaultAndTheShippedFileSaysTheDefaults) {
  const auto smallest = parse_with("");
  ASSERT_TRUE(smallest);
  EXPECT_FALSE(smallest->exporter.listen);
  const auto shipped = load_agent_config("agent/agent.toml");
  ASSERT_TRUE(shipped) << shipped.error().message;
  EXPECT_EQ(shipped->exporter, smallest->exporter);
}

TEST(ExporterSettings, ListenOnLoopbackOnlyAndNameMistakes) {
  struct Case {
    const char* text;
    const char* want;
  };
  for (const Case& c :
       {Case{"[exporter]\nlisten = \"0.0.0.0:9116\"\n", "loopback"},
        Case{"[exporter]\nlisten = \"192.0.2.1:9116\"\n", "loopback"},
        Case{"[exporter]\nlisten = \"9116\"\n", "loopback"},
        Case{"[exporter]\nallow_addresses = [\"everything\"]\n", "everything"},
        Case{"[[exporter.modules]]\nname = \"A b\"\n", "name"},
        Case{"[[exporter.modules]]\nname = \"a\"\n[[exporter.modules]]\nname = \"a\"\n", "earlier"},
        Case{"[[exporter.modules]]\ncertificates = \"maybe\"\n", "certificates"},
        Case{"[[exporter.modules]]\nlenght = \"1s\"\n", "length"}}) {
    SCOPED_TRACE(c.text);
    const auto config = parse_with(c.text);
    ASSERT_FALSE(config);
    EXPECT_THAT(config.error().message, HasSubstr(c.want));
  }
  const auto good = parse_with(
      "[exporter]\nlisten = \"[::1]:9116\"\n[[exporter.modules]]\nname = "
      "\"long\"\nlength = \"60s\"\ncertificates = \"record\"\n");
  ASSERT_TRUE(good) << good.error().message;
  ASSERT_EQ(good->exporter.modules.size(), 1U);
  EXPECT_EQ(good->exporter.modules[0].tls, prober::TlsMode::record);
  EXPECT_THAT(keys_needing_restart(*parse_with(""), *good), testing::ElementsAre("exporter"));
}

}  // namespace
}  // namespace linkpilot::agent
