// What one agent costs with many peers: a hub process and `peers` other agents over loopback, each
// pair probing both ways, all reporting to a scripted collector. Prints one JSON object; memory and
// CPU are the hub's alone, from /proc, over the measured time.
//
//   agent_footprint [--peers 100] [--interval-ms 100] [--seconds 15]
#include <fmt/format.h>
#include <unistd.h>

#include <asio/io_context.hpp>
#include <cstdio>
#include <filesystem>
#include <fstream>
#include <memory>
#include <sstream>
#include <vector>

#include "base/runtime/command_line.h"
#include "tests/component/agent/agent_process.h"
#include "tests/component/agent/scripted_collector.h"

namespace {

using namespace linkpilot;  // NOLINT: a program of one file
using test::AgentProcess;
using test::ScriptedCollector;

constexpr std::uint16_t kStampPort = 21'862;

std::string hex(const SigningPublicKey& key) {
  std::string text;
  for (const std::uint8_t byte : key) text += fmt::format("{:02x}", byte);
  return text;
}

std::uint64_t status_kb(pid_t pid, const std::string& field) {
  std::ifstream file(fmt::format("/proc/{}/status", pid));
  for (std::string line; std::getline(file, line);) {
    if (line.rfind(field + ":", 0) == 0) return std::stoull(line.substr(field.size() + 1));
  }
  return 0;
}

// User and system time, in clock ticks; proc(5), fields 14 and 15, after the name in brackets.
std::uint64_t cpu_ticks(pid_t pid) {
  std::ifstream file(fmt::format("/proc/{}/stat", pid));
  std::string text;
  std::getline(file, text);
  std::istringstream rest(text.substr(text.rfind(')') + 2));
  std::string word;
  std::uint64_t ticks = 0;
  for (int field = 3; rest >> word && field <= 15; ++field) {
    if (field >= 14) ticks += std::stoull(word);
  }
  return ticks;
}

struct Fleet {
  Fleet(asio::io_context& loop, int peers, Duration interval) : collector(loop) {
    directory = std::filesystem::temp_directory_path() /
                ("linkpilot-footprint-" + std::to_string(::getpid()));
    std::filesystem::create_directories(directory);
    for (int i = 0; i <= peers; ++i) {
      test::AgentProcessOptions options;
      options.directory = directory;
      options.name = i == 0 ? "hub" : "peer-" + std::to_string(i);
      options.address = address(i);
      options.stamp_port = kStampPort;
      options.collector = collector.endpoint();
      options.collector_key = collector.public_key();
      options.signer_hex = hex(collector.signing_key().public_key);
      if (i > 0) options.extra = "[probing]\ntick = \"50ms\"\n";
      agents.push_back(std::make_unique<AgentProcess>(options));
      auto& client = collector.enrol(agents.back()->keys().public_key, id(i), options.name);
      client.plan = plan(i, peers, interval);
    }
  }
  ~Fleet() {
    agents.clear();
    std::filesystem::remove_all(directory);
  }
  static NodeId id(int i) { return NodeId{static_cast<std::uint16_t>(i + 1)}; }
  static std::string address(int i) {
    return fmt::format("127.{}.{}.{}", 1 + ::getpid() % 250, 1 + i / 250, 1 + i % 250);
  }
  static Plan plan(int self, int peers, Duration interval) {
    Plan plan;
    plan.version = 1;
    plan.self = id(self);
    for (int i = self == 0 ? 1 : 0; i <= (self == 0 ? peers : 0); ++i) {
      PlannedLink link;
      link.link = {{id(self), PortIndex{0}}, {id(i), PortIndex{0}}};
      link.peer = {*IpAddress::parse(address(i)), kStampPort};
      link.interval = interval;
      link.flows = 2;
      plan.links.push_back(link);
    }
    return plan;
  }

  std::filesystem::path directory;
  ScriptedCollector collector;
  std::vector<std::unique_ptr<AgentProcess>> agents;
};

}  // namespace

int main(int argc, char** argv) {
  int peers = 100;
  int interval_ms = 100;
  int seconds = 15;
  linkpilot::CommandLine words("What one agent costs with many peers");
  linkpilot::Command app = words.root();
  app.option("--peers", peers).range(1, 1000);
  app.option("--interval-ms", interval_ms).range(1, 10'000);
  app.option("--seconds", seconds).range(1, 600);
  if (const auto code = words.parse(argc, argv)) return *code;

  asio::io_context loop;
  Fleet fleet(loop, peers, std::chrono::milliseconds(interval_ms));
  for (auto& agent : fleet.agents) agent->start();
  const auto& hub = fleet.collector.client(fleet.agents[0]->keys().public_key);
  const auto whole = [&] {
    return !hub.reports.empty() &&
           hub.reports.back().links.size() >= static_cast<std::size_t>(peers);
  };
  if (!fleet.collector.wait(whole, std::chrono::seconds(60))) {
    std::fprintf(stderr, "the hub does not report all %d links\n", peers);
    return 1;
  }
  fleet.collector.run_for(std::chrono::seconds(5));
  const pid_t pid = fleet.agents[0]->pid();
  const std::size_t reports = hub.reports.size();
  const std::uint64_t before = cpu_ticks(pid);
  fleet.collector.run_for(std::chrono::seconds(seconds));
  const double cpu_s =
      static_cast<double>(cpu_ticks(pid) - before) / static_cast<double>(::sysconf(_SC_CLK_TCK));
  std::uint64_t sent = 0;
  std::uint64_t answered = 0;
  std::uint64_t missed = 0;
  for (std::size_t i = reports; i < hub.reports.size(); ++i) {
    for (const LinkSample& sample : hub.reports[i].links) {
      sent += sample.sent;
      answered += sample.answered;
      missed += sample.missed_by_us;
    }
  }
  std::printf(
      "%s\n",
      fmt::format("{{\"agent_rss_anon_kb\":{},\"agent_rss_kb\":{},\"agent_cpu_percent\":{:.2f},"
                  "\"peers\":{},\"interval_ms\":{},\"seconds\":{},\"probes_sent\":{},"
                  "\"probes_answered\":{},\"probes_missed_by_us\":{}}}",
                  status_kb(pid, "RssAnon"), status_kb(pid, "VmRSS"), 100.0 * cpu_s / seconds,
                  peers, interval_ms, seconds, sent, answered, missed)
          .c_str());
  return 0;
}
