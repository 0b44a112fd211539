// Agents that are restarted, stopped and killed under a real collector, while media processes look
// up: a restart that is announced must not be seen in any look-up; a node that stays away must be
// found dead after the grace, and one that is killed without any.
#include <fmt/format.h>
#include <gtest/gtest.h>
#include <signal.h>

#include <atomic>
#include <filesystem>
#include <fstream>
#include <memory>
#include <thread>
#include <vector>

#include "agent/route_client/linkpilot_routes.h"
#include "tests/component/agent/process_fleet.h"

namespace linkpilot::test {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;

constexpr std::size_t kRestartNodes = 3;
constexpr const char* kGraceConfig = "[routing]\nrestart_grace = \"3s\"\n";

// The media process of one node: looks up all others, again and again, on a thread of its own.
class LookUps {
 public:
  LookUps(const std::string& state, std::vector<std::string> targets)
      : client_(lpr_open((state + "/routes.bin").c_str(), (state + "/marks.bin").c_str(), nullptr)),
        targets_(std::move(targets)),
        thread_([this] { run(); }) {}
  ~LookUps() {
    stop_ = true;
    thread_.join();
    lpr_close(client_);
  }
  LookUps(const LookUps&) = delete;
  LookUps& operator=(const LookUps&) = delete;

  std::atomic<std::uint64_t> found{0};
  std::atomic<std::uint64_t> failed{0};  // any other answer
  std::atomic<std::uint64_t> avoided{
      0};                                // found, but not by the best path: its first hop is marked
  std::atomic<bool> reaches_all{false};  // in the newest round

 private:
  void run() {
    lpr_reader* const reader = lpr_reader_new(client_);
    while (!stop_) {
      lpr_poll(client_);
      bool all = true;
      for (const std::string& target : targets_) {
        for (const lpr_direction direction : {LPR_PUSH, LPR_PULL}) {
          lpr_route route;
          const bool ok =
              lpr_lookup(reader, direction, target.c_str(), LPR_TIME_COARSE, &route) == LPR_OK;
          ++(ok ? found : failed);
          if (ok && (route.flags & (LPR_ROUTE_SKIPPED | LPR_ROUTE_ALL_DEAD)) != 0) ++avoided;
          all = all && ok;
        }
      }
      reaches_all = all;
      std::this_thread::sleep_for(milliseconds(1));
    }
    lpr_reader_free(reader);
  }

  lpr_client* client_;
  std::vector<std::string> targets_;
  std::atomic<bool> stop_{false};
  std::thread thread_;
};

class Restart : public testing::Test {
 protected:
  void SetUp() override {
    for (std::size_t i = 0; i < kRestartNodes; ++i) {
      const std::string enrolled =
          fleet_.collector.folder() + "/enrolled/" + fleet_.agents[i]->options().name;
      std::ofstream(enrolled + ".new") << fleet_.agents[i]->keys().public_key << "\n";
      std::filesystem::rename(enrolled + ".new", enrolled + ".pub");
      std::filesystem::create_directories(fleet_.agents[i]->path("state"));
      std::vector<std::string> targets;
      for (std::size_t j = 0; j < kRestartNodes; ++j) {
        if (j != i) targets.push_back(fleet_.agents[j]->options().name);
      }
      media_.push_back(std::make_unique<LookUps>(fleet_.agents[i]->path("state"), targets));
      fleet_.agents[i]->start();
    }
    ASSERT_TRUE(wait_for([&] { return all_reach_all() && all_are("connected"); }));
    std::this_thread::sleep_for(seconds(2));  // links are known well enough to be missed
    for (auto& media : media_) media->failed = media->avoided = 0;
  }
  ~Restart() override {
    media_.clear();
    fleet_.stop_agents(SIGKILL);
    if (HasFailure()) fleet_.show_logs();
  }

  [[nodiscard]] bool all_reach_all() const {
    for (const auto& media : media_) {
      if (!media->reaches_all) return false;
    }
    return true;
  }
  [[nodiscard]] std::string state_of(std::size_t node) const {
    const auto page =
        fleet_.collector.get("/v1/agents?node=" + fleet_.agents[node]->options().name).json();
    if (!page.is_object() || !page.contains("agents") || page["agents"].empty()) return "";
    return page["agents"][0]["state"].get<std::string>();
  }
  [[nodiscard]] bool all_are(const std::string& state) const {
    for (std::size_t i = 0; i < kRestartNodes; ++i) {
      if (state_of(i) != state) return false;
    }
    return true;
  }
  [[nodiscard]] std::size_t events(const std::string& name) const {
    const auto page = fleet_.collector.get("/v1/events?after=0&limit=1000").json();
    std::size_t count = 0;
    if (!page.is_object() || !page.contains("events")) return count;
    for (const auto& event : page["events"]) count += event["name"] == name ? 1 : 0;
    return count;
  }
  [[nodiscard]] std::uint64_t total(std::atomic<std::uint64_t> LookUps::* counter) const {
    std::uint64_t sum = 0;
    for (const auto& media : media_) sum += (*media).*counter;
    return sum;
  }

  ProcessFleet fleet_{kRestartNodes, 22'862, kGraceConfig};
  std::vector<std::unique_ptr<LookUps>> media_;
};

TEST_F(Restart, NoLookUpSeesThatAnAgentRestarts) {
  for (std::size_t i = 0; i < kRestartNodes; ++i) {
    EXPECT_EQ(fleet_.agents[i]->stop(SIGUSR2), 0);
    EXPECT_EQ(state_of(i), "restarting");
    std::this_thread::sleep_for(milliseconds(1'500));  // many times what a silence needs to be seen
    fleet_.agents[i]->start();
    ASSERT_TRUE(wait_for([&] { return all_are("connected"); }));
    std::this_thread::sleep_for(seconds(2));
  }
  // What a restart left behind would be seen once nobody waits any more.
  std::this_thread::sleep_for(seconds(8));
  EXPECT_EQ(total(&LookUps::failed), 0U);
  EXPECT_EQ(total(&LookUps::avoided), 0U);
  EXPECT_EQ(events("agent_restarts"), kRestartNodes);
  EXPECT_EQ(events("link_suspect") + events("link_dead") + events("node_dead"), 0U);
  for (const auto& agent : fleet_.agents) EXPECT_EQ(agent->log_lines_with("link_suspected"), 0);
  fmt::print("restart: lookups={} failed={} avoided={}\n", total(&LookUps::found),
             total(&LookUps::failed), total(&LookUps::avoided));
}

TEST_F(Restart, WhoSaysThatItRestartsAndStaysAwayIsDeadAfterTheGrace) {
  EXPECT_EQ(fleet_.agents[0]->stop(SIGUSR2), 0);
  EXPECT_EQ(state_of(0), "restarting");
  EXPECT_EQ(total(&LookUps::failed), 0U);
  ASSERT_TRUE(wait_for([&] { return state_of(0) == "dead"; }));
  EXPECT_TRUE(wait_for([&] { return !media_[1]->reaches_all && !media_[2]->reaches_all; }));
  EXPECT_EQ(events("agent_silent"), 1U);
}

TEST_F(Restart, WhoIsStoppedOrKilledIsNotWaitedFor) {
  EXPECT_EQ(fleet_.agents[0]->stop(SIGTERM), 0);
  EXPECT_NE(state_of(0), "restarting");
  ASSERT_TRUE(wait_for([&] { return state_of(0) == "dead"; }));
  EXPECT_EQ(events("agent_stops"), 1U);
  fleet_.agents[0]->start();
  ASSERT_TRUE(wait_for([&] { return all_are("connected") && all_reach_all(); }));
  fleet_.agents[0]->stop(SIGKILL);
  ASSERT_TRUE(wait_for([&] { return state_of(0) == "dead"; }));
  EXPECT_EQ(events("agent_restarts"), 0U);
}

}  // namespace
}  // namespace linkpilot::test
