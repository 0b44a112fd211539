// A relay is drained, and brought back, while real media processes send over it: real agents,
// collector and command line on loopback. No datagram is lost on the way, and once `--wait` returns
// none goes by the relay.
#include <fcntl.h>
#include <fmt/format.h>
#include <gtest/gtest.h>
#include <signal.h>
#include <spawn.h>
#include <sys/wait.h>

#include <algorithm>
#include <array>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <iostream>
#include <iterator>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <thread>
#include <vector>

#include "tests/component/agent/process_fleet.h"
#include "tests/component/collector/command_line.h"
#include "tests/support/temporary_directory.h"

extern char** environ;

namespace linkpilot::test {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;

constexpr std::size_t kNodes = 3;
constexpr std::uint16_t kMediaPort = 23'864;

// A record of NAME.receipts (tools/media/receipt_log.h).
struct Receipt {
  static constexpr std::size_t kBytes = 48;
  std::int64_t received_ns = 0;
  std::int64_t sent_ns = 0;
  std::uint16_t source = 0;
  std::uint32_t sequence = 0;
  std::vector<std::uint16_t> trail;  // relays that forwarded it
  [[nodiscard]] bool passed(std::uint16_t node) const {
    return std::find(trail.begin(), trail.end(), node) != trail.end();
  }
};

template <typename Value>
Value read_at(const char* bytes) {
  Value value{};
  std::memcpy(&value, bytes, sizeof value);
  return value;
}

std::vector<Receipt> read_receipts(const std::string& file) {
  std::ifstream in(file, std::ios::binary);
  const std::string bytes((std::istreambuf_iterator<char>(in)), std::istreambuf_iterator<char>());
  std::vector<Receipt> receipts;
  for (std::size_t at = 0; at + Receipt::kBytes <= bytes.size(); at += Receipt::kBytes) {
    const char* record = bytes.data() + at;
    Receipt receipt;
    receipt.received_ns = read_at<std::int64_t>(record);
    receipt.sent_ns = read_at<std::int64_t>(record + 8);
    receipt.source = read_at<std::uint16_t>(record + 16);
    receipt.sequence = read_at<std::uint32_t>(record + 20);
    for (std::size_t i = 0; i < read_at<std::uint8_t>(record + 24); ++i) {
      receipt.trail.push_back(read_at<std::uint16_t>(record + 32 + 2 * i));
    }
    receipts.push_back(std::move(receipt));
  }
  return receipts;
}

std::int64_t now_ns() { return SystemClock().now().wall.ns; }

// The media process beside one agent.
class MediaProcess {
 public:
  MediaProcess(const AgentProcess& agent, std::string signer, std::string folder)
      : stem_(folder + "/" + agent.options().name) {
    std::vector<std::string> words = {LINKPILOT_MEDIA,
                                      "--name",
                                      agent.options().name,
                                      "--routes",
                                      agent.path("state") + "/routes.bin",
                                      "--marks",
                                      agent.path("state") + "/marks.bin",
                                      "--signer",
                                      std::move(signer),
                                      "--output",
                                      std::move(folder),
                                      "--listen",
                                      agent.options().address,
                                      "--port",
                                      std::to_string(kMediaPort)};
    std::vector<char*> arguments;
    for (std::string& word : words) arguments.push_back(word.data());
    arguments.push_back(nullptr);
    EXPECT_EQ(::posix_spawn(&pid_, LINKPILOT_MEDIA, nullptr, nullptr, arguments.data(), environ),
              0);
  }
  ~MediaProcess() { stop(); }
  MediaProcess(const MediaProcess&) = delete;
  MediaProcess& operator=(const MediaProcess&) = delete;

  // It writes the last of what it knows.
  void stop() {
    if (pid_ <= 0) return;
    ::kill(pid_, SIGTERM);
    ::waitpid(std::exchange(pid_, -1), nullptr, 0);
  }
  [[nodiscard]] std::vector<Receipt> receipts() const { return read_receipts(stem_ + ".receipts"); }
  // Its newest counts.
  [[nodiscard]] nlohmann::json stats() const {
    std::ifstream in(stem_ + ".events.jsonl");
    nlohmann::json newest;
    for (std::string line; std::getline(in, line);) {
      nlohmann::json event = nlohmann::json::parse(line, nullptr, false);
      if (event.is_object() && event["e"] == "stats") newest = std::move(event);
    }
    return newest;
  }

 private:
  std::string stem_;
  pid_t pid_ = -1;
};

class DrainMedia : public testing::Test {
 protected:
  ~DrainMedia() override {
    for (auto& media : media_) media.reset();
    fleet_.stop_agents(SIGTERM);
    if (HasFailure()) fleet_.show_logs();
  }

  void must(const std::string& arguments) {
    const collector::CliRun ran = collector::run_cli(fleet_.collector, arguments);
    ASSERT_EQ(ran.exit_code, 0) << arguments << "\n" << ran.output;
  }
  // Streams flow between all three.
  void bring_up() {
    for (std::size_t i = 0; i < kNodes; ++i) {
      AgentProcess& agent = *fleet_.agents[i];
      must(fmt::format("agent enrol {} --file {}.pub --reason test", agent.options().name,
                       agent.path("agent.key")));
      std::filesystem::create_directories(agent.path("state"));  // what media processes watch
      agent.start();
    }
    for (std::size_t i = 0; i < kNodes; ++i) {
      media_[i] = std::make_unique<MediaProcess>(
          *fleet_.agents[i], fleet_.collector.folder() + "/routes.key.pub", folder_.path(""));
    }
    const nlohmann::json agents = fleet_.collector.get("/v1/agents").json();
    for (const nlohmann::json& agent : agents["agents"]) {
      for (std::size_t i = 0; i < kNodes; ++i) {
        if (agent["node"] == fleet_.agents[i]->options().name) ids_[i] = agent["id"];
      }
    }
    ASSERT_TRUE(wait_for([&] { return newest(0, 2) && newest(1, 2) && newest(2, 0); }));
  }
  // What arrived last of the stream from one node at another.
  [[nodiscard]] std::optional<Receipt> newest(std::size_t from, std::size_t at) const {
    std::optional<Receipt> found;
    for (Receipt& receipt : media_[at]->receipts()) {
      if (receipt.source == ids_[from]) found = std::move(receipt);
    }
    return found;
  }
  [[nodiscard]] bool stream_goes_by_relay() const {
    const auto receipt = newest(0, 2);
    return receipt && receipt->passed(ids_[1]);
  }

  TemporaryDirectory folder_;
  ProcessFleet fleet_{kNodes, 21'864};
  std::array<std::unique_ptr<MediaProcess>, kNodes> media_;
  std::array<std::uint16_t, kNodes> ids_{};
};

TEST_F(DrainMedia, StreamsLeaveADrainedRelayWithoutALossAndComeBackAfterwards) {
  bring_up();
  // On loopback no detour is ever cheaper; the operator may want it all the same.
  must("route pin node-1 node-3 --via node-2 --for 10min --reason test");
  ASSERT_TRUE(wait_for([&] { return stream_goes_by_relay(); }));

  must("node drain node-2 --for 10min --reason upgrade --wait");
  // A media process takes a loaded table in within milliseconds; a busy machine may need more.
  const std::int64_t empty_from = now_ns() + 1'000'000'000;
  ASSERT_TRUE(wait_for([&] {
    const auto receipt = newest(0, 2);
    return receipt && receipt->sent_ns > empty_from + 1'000'000'000;
  }));
  const std::int64_t empty_until = now_ns();
  must("node undrain node-2 --reason done");
  ASSERT_TRUE(wait_for([&] { return stream_goes_by_relay(); }));
  std::this_thread::sleep_for(milliseconds(1'500));  // ... and into the files, each second
  std::array<nlohmann::json, kNodes> stats;
  std::map<std::uint16_t, std::int64_t> counted_until;  // by source
  for (std::size_t i = 0; i < kNodes; ++i) {
    stats[i] = media_[i]->stats();
    counted_until[ids_[i]] = stats[i]["t"];
  }
  for (auto& media : media_) media->stop();

  std::size_t while_empty = 0;
  std::map<std::uint16_t, std::uint64_t> missing;  // by source
  for (std::size_t at = 0; at < kNodes; ++at) {
    std::map<std::uint16_t, std::vector<Receipt>> streams;
    for (Receipt& receipt : media_[at]->receipts()) {
      const bool is_empty = receipt.sent_ns >= empty_from && receipt.sent_ns < empty_until;
      while_empty += is_empty ? 1 : 0;
      EXPECT_FALSE(is_empty && receipt.passed(ids_[1])) << "drained, and still relaying";
      streams[receipt.source].push_back(std::move(receipt));
    }
    EXPECT_EQ(streams.size(), kNodes - 1);
    for (auto& [source, stream] : streams) {
      std::sort(stream.begin(), stream.end(),
                [](const Receipt& a, const Receipt& b) { return a.sequence < b.sequence; });
      for (std::size_t i = 1; i < stream.size(); ++i) {
        ASSERT_NE(stream[i].sequence, stream[i - 1].sequence) << "twice";
        if (stream[i].sent_ns > counted_until[source]) break;
        missing[source] += stream[i].sequence - stream[i - 1].sequence - 1;
      }
    }
  }
  EXPECT_GT(while_empty, 0U);
  for (std::size_t i = 0; i < kNodes; ++i) {
    // What a late process never sent is not what a drain lost.
    EXPECT_LE(missing[ids_[i]], stats[i]["missed_by_us"].get<std::uint64_t>()) << stats[i].dump();
    for (const auto& [fate, count] : stats[i]["fates"].items()) {
      if (fate.starts_with("dropped")) {
        EXPECT_EQ(count, 0U) << fate;
      }
    }
    EXPECT_EQ(stats[i]["send_errors"], 0U);
    EXPECT_EQ(stats[i]["receipts_lost"], 0U);
  }
}

}  // namespace
}  // namespace linkpilot::test
