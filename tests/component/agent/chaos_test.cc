// SIGKILL of agents, collector and media processes at random moments, while they work. Afterwards
// the collector's store is held against what the agents' spools hold: nothing lost, nothing twice.
// LINKPILOT_CHAOS_ROUNDS=200 for the long form (tools/test --long), LINKPILOT_CHAOS_SEED to repeat.
#include <fcntl.h>
#include <fmt/format.h>
#include <gtest/gtest.h>
#include <signal.h>
#include <spawn.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <functional>
#include <iostream>
#include <memory>
#include <set>
#include <thread>
#include <tuple>
#include <utility>

#include "base/rng.h"
#include "base/runtime/files.h"
#include "schemas/codec.h"
#include "tests/component/agent/chaos_counters.h"
#include "tests/component/agent/process_fleet.h"
#include "tests/component/agent/spool_ledger.h"

extern char** environ;

namespace linkpilot::test {
namespace {

using collector::CollectorProcess;
using std::chrono::milliseconds;
using std::chrono::seconds;

constexpr std::size_t kNodes = 3;

std::uint64_t number_from(const char* variable, std::uint64_t fallback) {
  const char* text = std::getenv(variable);
  return text == nullptr ? fallback : std::strtoull(text, nullptr, 10);
}

// The media process of one node.
class Reader {
 public:
  Reader(std::string state, std::string target, const std::string& counters)
      : state_(std::move(state)), target_(std::move(target)), file_(counters) {
    const UniqueFd fd(::open(counters.c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0600));
    EXPECT_EQ(::ftruncate(fd.get(), sizeof(ChaosCounters)), 0);
    page_ = ::mmap(nullptr, sizeof(ChaosCounters), PROT_READ, MAP_SHARED, fd.get(), 0);
    EXPECT_NE(page_, MAP_FAILED);
  }
  ~Reader() {
    kill_hard();
    ::munmap(page_, sizeof(ChaosCounters));
  }
  Reader(const Reader&) = delete;
  Reader& operator=(const Reader&) = delete;

  void start() {
    std::array<std::string, 5> words{LINKPILOT_CHAOS_READER, state_ + "/routes.bin",
                                     state_ + "/marks.bin", target_, file_};
    std::array<char*, 6> arguments{};
    for (std::size_t i = 0; i < words.size(); ++i) arguments[i] = words[i].data();
    ASSERT_EQ(::posix_spawn(&pid_, words[0].c_str(), nullptr, nullptr, arguments.data(), environ),
              0);
  }
  void kill_hard() {
    if (pid_ <= 0) return;
    ::kill(pid_, SIGKILL);
    ::waitpid(std::exchange(pid_, -1), nullptr, 0);
  }
  [[nodiscard]] const ChaosCounters& counters() const {
    return *static_cast<const ChaosCounters*>(page_);
  }

 private:
  std::string state_;
  std::string target_;
  std::string file_;
  void* page_ = nullptr;
  pid_t pid_ = -1;
};

// What the store of the collector holds, as it tells it.
struct StoreAccount {
  std::set<std::tuple<std::string, std::string, std::uint64_t>> reports;  // reporter, epoch, seq.
  std::uint64_t twice = 0;  // samples that are there more than once
};

class Chaos : public testing::Test {
 protected:
  Chaos() : rng_(seed_) {
    for (std::size_t i = 0; i < kNodes; ++i) {
      const std::string enrolled = collector_.folder() + "/enrolled/" + agents_[i]->options().name;
      std::ofstream(enrolled + ".new") << agents_[i]->keys().public_key << "\n";
      std::filesystem::rename(enrolled + ".new", enrolled + ".pub");
      std::filesystem::create_directories(agents_[i]->path("state"));
      readers_[i] = std::make_unique<Reader>(agents_[i]->path("state"),
                                             fmt::format("node-{}", (i + 1) % kNodes + 1),
                                             agents_[i]->path("counters"));
    }
  }
  ~Chaos() override {
    for (auto& reader : readers_) reader.reset();
    fleet_.stop_agents(SIGKILL);
    if (!HasFailure()) return;
    std::cerr << "--- seed " << seed_ << "\n";
    fleet_.show_logs();
  }

  void read_ledgers() {
    for (std::size_t i = 0; i < kNodes; ++i) {
      read_spool(agents_[i]->path("state") + "/spool", ledgers_[i]);
    }
  }
  void pause(std::uint64_t ms_max) {
    std::this_thread::sleep_for(milliseconds(rng_.below(ms_max)));
  }
  // Agents hold most of what can be lost, so they die most often.
  void strike() {
    const std::size_t node = rng_.below(kNodes);
    const std::uint64_t what = rng_.below(10);
    pause(800);
    if (what < 5) {
      agents_[node]->stop(SIGKILL);
      pause(400);
      agents_[node]->start();
    } else if (what < 8) {
      collector_.kill_hard();
      pause(1'200);
      collector_.start();
    } else {
      readers_[node]->kill_hard();
      readers_[node]->start();
    }
    read_ledgers();
  }

  [[nodiscard]] StoreAccount read_store() const {
    StoreAccount account;
    std::set<std::tuple<std::string, std::uint64_t>> samples;  // link, start
    std::set<std::uint64_t> rows;
    const bool answered = each_page_of_samples(collector_, [&](const nlohmann::json& page) {
      for (const auto& report : page["reports"]) {
        account.reports.emplace(report["reporter"].get<std::string>(),
                                report["epoch"].get<std::string>(),
                                report["sequence"].get<std::uint64_t>());
        rows.insert(report["report_id"].get<std::uint64_t>());
      }
      for (const auto& sample : page["samples"]) {
        const bool is_new = samples
                                .emplace(sample["link"].get<std::string>(),
                                         sample["start_unix_ns"].get<std::uint64_t>())
                                .second;
        if (!is_new) ++account.twice;
      }
    });
    if (!answered) return {};
    account.twice += rows.size() - std::min(rows.size(), account.reports.size());
    return account;
  }
  // Reports of the ledgers that the store does not have.
  [[nodiscard]] std::uint64_t missing(const StoreAccount& account) const {
    std::uint64_t count = 0;
    for (std::size_t i = 0; i < kNodes; ++i) {
      for (const auto& [id, bytes] : ledgers_[i]) {
        if (!account.reports.contains(
                {agents_[i]->options().name, std::to_string(id.epoch), id.sequence})) {
          ++count;
        }
      }
    }
    return count;
  }

  std::uint64_t seed_ = number_from("LINKPILOT_CHAOS_SEED", static_cast<std::uint64_t>(::getpid()));
  Rng rng_;
  ProcessFleet fleet_{kNodes, 21'862};
  CollectorProcess& collector_ = fleet_.collector;
  std::vector<std::unique_ptr<AgentProcess>>& agents_ = fleet_.agents;
  std::array<std::unique_ptr<Reader>, kNodes> readers_;
  std::array<SpoolLedger, kNodes> ledgers_;
};

TEST_F(Chaos, NoKillLosesAReportCountsOneTwiceTearsATableOrFailsALookUp) {
  const std::uint64_t rounds = number_from("LINKPILOT_CHAOS_ROUNDS", 6);
  for (auto& agent : agents_) agent->start();
  for (auto& reader : readers_) reader->start();
  ASSERT_TRUE(wait_for(
      [&] {
        return std::all_of(readers_.begin(), readers_.end(),
                           [](const auto& reader) { return reader->counters().found > 0; });
      },
      seconds(60)));
  for (std::uint64_t round = 0; round < rounds; ++round) {
    strike();
    if (HasFatalFailure()) return;
  }
  read_ledgers();
  StoreAccount account;
  EXPECT_TRUE(wait_for(
      [&] {
        account = read_store();
        return !account.reports.empty() && missing(account) == 0;
      },
      seconds(90)));
  std::uint64_t spooled = 0;
  for (const SpoolLedger& ledger : ledgers_) {
    EXPECT_FALSE(ledger.empty());
    spooled += ledger.size();
  }
  EXPECT_EQ(missing(account), 0U);
  EXPECT_EQ(account.twice, 0U);
  std::uint64_t lookups = 0;
  for (std::size_t i = 0; i < kNodes; ++i) {
    const ChaosCounters& counters = readers_[i]->counters();
    EXPECT_EQ(counters.failed, 0U);
    EXPECT_EQ(counters.torn, 0U);
    EXPECT_EQ(agents_[i]->log_lines_with("table_not_loaded"), 0);
    EXPECT_EQ(agents_[i]->log_lines_with("plan_not_loaded"), 0);
    EXPECT_TRUE(agents_[i]->running());
    lookups += counters.lookups;
  }
  fmt::print("chaos: rounds={} seed={} spooled={} missing={} twice={} lookups={} failed=0 torn=0\n",
             rounds, seed_, spooled, missing(account), account.twice, lookups);
}

}  // namespace
}  // namespace linkpilot::test
