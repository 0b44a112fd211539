// The exporter over real sockets: dials of a server of our own, as a scraper would ask for them,
// and a real agent with it switched on. Needs promtool (Debian's prometheus, tools/setup).
#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <atomic>
#include <fstream>

#include "agent/exporter/dial_exporter.h"
#include "base/runtime/curve_keys.h"
#include "tests/component/agent/agent_process.h"
#include "tests/support/http_flv_fixture.h"
#include "tests/support/scripted_http_server.h"
#include "tests/support/temporary_directory.h"

namespace linkpilot::agent {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;
using testing::HasSubstr;
using testing::StartsWith;

ExporterSettings settings() {
  ExporterSettings settings;
  settings.listen = Endpoint{.address = IpAddress::v4(127, 0, 0, 1), .port = 0};
  settings.modules = {{.name = "pull",
                       .length = milliseconds(500),
                       .timeout = seconds(60),
                       .tls = prober::TlsMode::enforce,
                       .socket = prober::SocketMode::prompt,
                       .ca_file = {}}};
  settings.allow_addresses = {"loopback"};
  settings.concurrent_max = 4;
  settings.rate_max = BitsPerSecond{1'000'000'000};
  settings.size_max = Bytes{1 << 30};
  return settings;
}

int open_to(std::uint16_t port) {
  const int fd = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  const sockaddr_in address = rtmp::loopback(port);
  if (::connect(fd, reinterpret_cast<const sockaddr*>(&address), sizeof(address)) == 0) return fd;
  ::close(fd);
  return -1;
}

void send_text(int fd, const std::string& text) {
  EXPECT_EQ(::send(fd, text.data(), text.size(), MSG_NOSIGNAL), static_cast<ssize_t>(text.size()));
}

std::string read_all(int fd) {
  std::string text;
  std::array<char, 4096> buffer{};
  for (ssize_t got = 0; (got = ::recv(fd, buffer.data(), buffer.size(), 0)) > 0;) {
    text.append(buffer.data(), static_cast<std::size_t>(got));
  }
  ::close(fd);
  return text;
}

std::string ask(const std::string& target, const std::string& more = "") {
  return fmt::format("GET {} HTTP/1.1\r\nHost: 127.0.0.1\r\n{}\r\n", target, more);
}

std::string answer_to(std::uint16_t port, const std::string& text) {
  const int fd = open_to(port);
  send_text(fd, text);
  return read_all(fd);
}

void expect_clean_under_promtool(const std::string& response) {
  const TemporaryDirectory directory;
  const std::string page = directory.path("page");
  std::ofstream(page) << response.substr(response.find("\r\n\r\n") + 4);
  FILE* tool = ::popen(("promtool check metrics < " + page + " 2>&1").c_str(), "r");
  ASSERT_NE(tool, nullptr);
  std::string said;
  for (int c = fgetc(tool); c != EOF; c = fgetc(tool)) said += static_cast<char>(c);
  EXPECT_EQ(::pclose(tool), 0) << said;
  EXPECT_EQ(said, "");
}

void serve_stream(HttpPeer& peer) {
  static const std::string flv = prober::flv_body(seconds(2));
  peer.read_request();
  peer.send("HTTP/1.1 200 OK\r\nContent-Type: video/x-flv\r\n\r\n" + flv);
  peer.stay();
}

TEST(DialExporter, AnswersWithAPageThatPromtoolFindsClean) {
  ScriptedHttpServer server(serve_stream);
  const auto exporter = DialExporter::start(settings()).value();
  const std::string page = answer_to(exporter->port(), ask("/probe?target=" + server.url()));
  EXPECT_THAT(page, StartsWith("HTTP/1.1 200 OK\r\n"));
  EXPECT_THAT(page, HasSubstr("probe_success 1\n"));
  EXPECT_THAT(page, HasSubstr("probe_dial_phase_duration_seconds{phase=\"tcp\"}"));
  EXPECT_THAT(page, HasSubstr("probe_dial_first_frame_seconds"));
  EXPECT_THAT(page, HasSubstr("probe_dial_stalls{player=\"plain\"}"));
  expect_clean_under_promtool(page);
  const std::string counters = answer_to(exporter->port(), ask("/metrics"));
  EXPECT_THAT(counters, HasSubstr("linkpilot_exporter_dials_total{result=\"success\"} 1\n"));
  expect_clean_under_promtool(counters);
}

TEST(DialExporter, TellsAFailureByStageAndKind) {
  ScriptedHttpServer server([](HttpPeer& peer) {
    peer.read_request();
    peer.send("HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n");
  });
  const auto exporter = DialExporter::start(settings()).value();
  const std::string page = answer_to(exporter->port(), ask("/probe?target=" + server.url()));
  EXPECT_THAT(page, HasSubstr("probe_success 0\n"));
  EXPECT_THAT(page, HasSubstr("probe_dial_failure{stage=\"response\",kind=\"not_found\"} 1\n"));
  EXPECT_THAT(page, HasSubstr("probe_http_status_code 404\n"));
  expect_clean_under_promtool(page);
}

TEST(DialExporter, DialsOnlyWhereThePolicyAllows) {
  ScriptedHttpServer server(serve_stream);
  ExporterSettings strict = settings();
  strict.allow_addresses.clear();
  const auto exporter = DialExporter::start(strict).value();
  for (const std::string& target : {server.url(), std::string("http://169.254.169.254/latest/"),
                                    std::string("rtmp://10.0.0.1/a/b")}) {
    EXPECT_THAT(answer_to(exporter->port(), ask("/probe?target=" + target)),
                HasSubstr("probe_dial_failure{stage=\"policy\",kind=\"forbidden\"} 1\n"));
  }
}

TEST(DialExporter, HasAnAnswerForEveryRequest) {
  const auto exporter = DialExporter::start(settings()).value();
  const auto status = [&](const std::string& text) {
    return answer_to(exporter->port(), text).substr(9, 3);
  };
  EXPECT_EQ(status(ask("/")), "404");
  EXPECT_EQ(status(ask("/probe")), "400");
  EXPECT_EQ(status(ask("/probe?module=none&target=http://h/")), "400");
  EXPECT_EQ(status("GET /metrics HTTP/1.1\r\nHost: evil.example\r\n\r\n"), "403");
  EXPECT_EQ(status("BREW /pot HTTP/1.1\r\nHost: localhost\r\n\r\n"), "405");
  EXPECT_EQ(answer_to(exporter->port(), std::string(20'000, 'x')), "");
  EXPECT_THAT(answer_to(exporter->port(), ask("/probe?target=nonsense")),
              HasSubstr("probe_dial_failure{stage=\"url\",kind=\"bad_url\"} 1\n"));
  EXPECT_THAT(answer_to(exporter->port(), ask("/metrics")),
              HasSubstr("linkpilot_exporter_requests_refused_total 5\n"));
}

TEST(DialExporter, EndsBeforeItsScrapersPatience) {
  ScriptedHttpServer server([](HttpPeer& peer) {
    peer.read_request();
    peer.stay();
  });
  const auto exporter = DialExporter::start(settings()).value();
  const std::string page =
      answer_to(exporter->port(),
                ask("/probe?target=" + server.url(), "X-Prometheus-Scrape-Timeout-Seconds: 1\r\n"));
  EXPECT_THAT(page, HasSubstr("probe_success 0\n"));
  EXPECT_THAT(page, HasSubstr("probe_dial_failure{stage=\"response\",kind=\"timeout\"} 1\n"));
  expect_clean_under_promtool(page);
}

TEST(DialExporter, TurnsAwayWhatIsTooMuchAndForgetsWhoLeft) {
  std::atomic<int> asked{0};
  ScriptedHttpServer server([&asked](HttpPeer& peer) {
    peer.read_request();
    ++asked;
    peer.stay();
  });
  const auto exporter = DialExporter::start(settings()).value();
  std::vector<int> waiting;
  for (int i = 0; i < 4; ++i) {
    waiting.push_back(open_to(exporter->port()));
    send_text(waiting.back(), ask("/probe?target=" + server.url()));
  }
  while (asked < 4) ::poll(nullptr, 0, 5);
  EXPECT_THAT(answer_to(exporter->port(), ask("/probe?target=" + server.url())),
              StartsWith("HTTP/1.1 503"));
  for (const int fd : waiting) ::close(fd);
  const auto metrics = [&] { return answer_to(exporter->port(), ask("/metrics")); };
  while (metrics().find("dials_total{result=\"abandoned\"} 4\n") == std::string::npos) {
    ::poll(nullptr, 0, 5);
  }
  EXPECT_THAT(metrics(), HasSubstr("linkpilot_exporter_dials_running 0\n"));
  EXPECT_THAT(metrics(), HasSubstr("linkpilot_exporter_dials_total{result=\"busy\"} 1\n"));
}

TEST(DialExporter, CanEndInTheMidstOfADial) {
  std::atomic<int> asked{0};
  ScriptedHttpServer server([&asked](HttpPeer& peer) {
    peer.read_request();
    ++asked;
    peer.stay();
  });
  auto exporter = DialExporter::start(settings()).value();
  const int fd = open_to(exporter->port());
  send_text(fd, ask("/probe?target=" + server.url()));
  while (asked < 1) ::poll(nullptr, 0, 5);
  exporter.reset();
  EXPECT_EQ(read_all(fd), "");
}

TEST(DialExporter, SaysWhenItCannotListen) {
  const auto first = DialExporter::start(settings()).value();
  ExporterSettings taken = settings();
  taken.listen->port = first->port();
  const auto second = DialExporter::start(taken);
  ASSERT_FALSE(second);
  EXPECT_THAT(second.error().message, HasSubstr("exporter.listen"));
}

TEST(AgentExporter, IsServedByTheAgentWhenSwitchedOn) {
  ScriptedHttpServer server(serve_stream);
  const TemporaryDirectory directory;
  const std::uint16_t port = rtmp::free_port();
  test::AgentProcessOptions options;
  options.directory = directory.path("");
  options.name = "node-1";
  options.address = fmt::format("127.{}.{}.9", 1 + ::getpid() / 250 % 250, 1 + ::getpid() % 250);
  options.stamp_port = 20'862;
  options.collector = "tcp://127.0.0.1:9";  // nobody is there
  options.collector_key = make_curve_key_pair().public_key;
  options.signer_hex = std::string(64, '0');
  options.extra = fmt::format(
      "[exporter]\nlisten = \"127.0.0.1:{}\"\nallow_addresses = [\"loopback\"]\n"
      "[[exporter.modules]]\nname = \"short\"\nlength = \"300ms\"\n",
      port);
  test::AgentProcess agent(options);
  agent.start();
  int fd = -1;
  while (fd < 0 && agent.running()) {
    fd = open_to(port);
    if (fd < 0) ::poll(nullptr, 0, 20);
  }
  ASSERT_GE(fd, 0) << agent.log();
  send_text(fd, ask("/probe?module=short&target=" + server.url()));
  EXPECT_THAT(read_all(fd), HasSubstr("probe_success 1\n")) << agent.log();
}

}  // namespace
}  // namespace linkpilot::agent
