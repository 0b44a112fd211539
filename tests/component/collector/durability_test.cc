// What was acknowledged is there, once, whatever happens to the process and its disk.
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sched.h>
#include <sys/mount.h>
#include <sys/wait.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <iterator>

#include "base/rng.h"
#include "tests/component/collector/fleet.h"

namespace linkpilot::collector {
namespace {

constexpr std::size_t kBulkStreams = 150;

// A report of about 150 kB.
Report bulky_report(const ScriptedAgent& agent, std::uint64_t sequence) {
  Report report =
      agent.make_report(sequence, [](LinkId) { return Duration(std::chrono::milliseconds(20)); });
  StreamReport stream;
  stream.name = std::string(1'000, 'x');
  report.streams.assign(kBulkStreams, stream);
  return report;
}

// Sequences of the agent's reports that the store holds with samples; fails at one held twice.
std::set<std::uint64_t> stored_sequences(const CollectorProcess& process,
                                         const std::string& agent) {
  std::set<std::uint64_t> sequences;
  std::set<std::pair<std::uint64_t, std::string>> seen;
  for (std::uint64_t after = 0;;) {
    const nlohmann::json page =
        process.get("/v1/samples?limit=1000&after=" + std::to_string(after)).json();
    if (!page.contains("samples")) {
      ADD_FAILURE() << page.dump();
      return sequences;
    }
    for (const nlohmann::json& sample : page["samples"]) {
      if (sample["reporter"] != agent) continue;
      const auto sequence = sample["sequence"].get<std::uint64_t>();
      EXPECT_TRUE(seen.emplace(sequence, sample["link"].dump()).second)
          << "twice: " << sample.dump();
      sequences.insert(sequence);
    }
    after = page["last_id"].get<std::uint64_t>();
    if (!page["more"].get<bool>()) return sequences;
  }
}

void expect_all_stored(const CollectorProcess& process, const std::string& agent,
                       std::uint64_t first, std::uint64_t acked) {
  const std::set<std::uint64_t> stored = stored_sequences(process, agent);
  for (std::uint64_t sequence = first; sequence <= acked; ++sequence) {
    EXPECT_TRUE(stored.contains(sequence)) << sequence;
  }
}

TEST(CollectorDurability, KilledAgainAndAgainUnderLoadItLosesNothingAndCountsNothingTwice) {
  CollectorProcess process;
  process.start();
  ScriptedFleet fleet(process);
  ASSERT_TRUE(fleet.bring_up({"a", "b"}));
  ASSERT_TRUE(fleet.live([&] { return fleet.at("a").acked() >= 2; }));
  ScriptedAgent* agent = &fleet.at("a");
  const std::uint64_t first = agent->sequence + 1;
  std::uint64_t acked = agent->acked();
  std::uint64_t sent = agent->sequence;
  Rng rng(11);
  for (int round = 0; round < 12; ++round) {
    // Bursts, so that the kill meets reports at every stage; what is not acknowledged goes again.
    const std::uint64_t until = acked + 1 + rng.below(40);
    std::uint64_t next = acked + 1;
    ASSERT_TRUE(run_until(fleet.loop, [&] {
      for (; next <= until + 20; ++next) agent->send(agent->make_report(next, fleet.rtt));
      return agent->acked() >= until;
    }));
    sent = std::max(sent, next - 1);
    acked = std::max(acked, agent->acked());
    process.kill_hard();
    process.start();
    const std::vector<Plan> plans = agent->heard.plans;
    agent = &fleet.connect("a", "a");
    ASSERT_TRUE(fleet.greet("a"));
    agent->heard.plans = plans;  // the links to report
    EXPECT_GE(agent->heard.welcomes.back().acked_sequence, acked);
    acked = agent->heard.welcomes.back().acked_sequence;
  }
  EXPECT_GE(sent, acked);
  expect_all_stored(process, "a", first, acked);
}

TEST(CollectorDurability, AFileSystemThatIsFullStopsAcknowledgementsUntilThereIsRoom) {
  CollectorProcess process;
  process.edit_config("[api]", "size_max = \"16MiB\"\n[api]");
  const std::string store = process.folder() + "/store";
  std::filesystem::create_directory(store);
  ASSERT_EQ(unshare(CLONE_NEWNS), 0) << "needs root";
  ASSERT_EQ(mount("none", "/", nullptr, MS_REC | MS_PRIVATE, nullptr), 0);
  ASSERT_EQ(mount("tmpfs", store.c_str(), "tmpfs", 0, "size=8m"), 0);
  process.start();
  ScriptedFleet fleet(process);
  ASSERT_TRUE(fleet.bring_up({"a", "b"}));
  ASSERT_TRUE(fleet.live([&] { return fleet.at("a").acked() >= 2; }));
  ScriptedAgent& agent = fleet.at("a");
  const std::uint64_t first = agent.sequence + 1;
  {
    std::ofstream ballast(store + "/ballast", std::ios::binary);
    const std::string block(64 << 10, 'x');
    while (ballast.write(block.data(), static_cast<std::streamsize>(block.size())).flush())
      continue;
  }
  const auto report = [&] { agent.send(bulky_report(agent, ++agent.sequence)); };
  // Notes fail first: what is set aside for reports already still takes some.
  const auto reasons = [&] { return process.get("/v1/status").json()["reasons"].dump(); };
  ASSERT_TRUE(fleet.run([&] { return reasons().find("No space") != std::string::npos; }, report,
                        std::chrono::seconds(60)))
      << reasons();
  EXPECT_EQ(process.get("/healthz").status, 503);
  const std::uint64_t acked = agent.acked();
  const std::uint64_t sent = agent.sequence;
  ASSERT_TRUE(fleet.run([&] { return agent.sequence >= sent + 3; }, report));
  EXPECT_EQ(agent.acked(), acked);
  std::filesystem::remove(store + "/ballast");
  EXPECT_TRUE(fleet.run([&] { return agent.acked() >= sent + 3; }, [] {}));
  process.kill_hard();
  process.start();
  expect_all_stored(process, "a", first, sent + 3);
  process.kill_hard();
  EXPECT_EQ(umount2(store.c_str(), MNT_DETACH), 0);
}

TEST(CollectorDurability, ASyncThatFailsAcknowledgesNothingAndLosesNothing) {
  CollectorProcess process;
  const std::string trigger = process.folder() + "/fail_sync";
  setenv("LINKPILOT_TEST_FAIL_SYNC", trigger.c_str(), 1);
  setenv("LD_PRELOAD", LINKPILOT_FAILING_SYNC, 1);
  const char* const sanitizer = std::getenv("ASAN_OPTIONS");
  const std::string before = sanitizer == nullptr ? "" : sanitizer;
  setenv("ASAN_OPTIONS", (before + ":verify_asan_link_order=0").c_str(), 1);
  process.start();
  unsetenv("LD_PRELOAD");
  setenv("ASAN_OPTIONS", before.c_str(), 1);
  ScriptedFleet fleet(process);
  ASSERT_TRUE(fleet.bring_up({"a", "b"}));
  ScriptedAgent& agent = fleet.at("a");
  ASSERT_TRUE(fleet.live([&] { return agent.acked() >= 2; }));
  const std::uint64_t first = agent.sequence + 1;
  std::ofstream(trigger) << "now";
  ASSERT_TRUE(fleet.live([&] { return process.get("/healthz").status == 503; }));
  const std::uint64_t acked = agent.acked();
  const std::uint64_t sent = agent.sequence;
  ASSERT_TRUE(fleet.live([&] { return agent.sequence >= sent + 3; }));
  EXPECT_EQ(agent.acked(), acked);
  std::filesystem::remove(trigger);
  EXPECT_TRUE(fleet.live([&] { return agent.acked() >= sent + 3; }));
  process.kill_hard();
  process.start();
  expect_all_stored(process, "a", first, sent + 3);
}

TEST(CollectorDurability, ASecondCollectorOnTheSameStoreIsRefused) {
  CollectorProcess process;
  process.start();
  std::ifstream in(process.folder() + "/test.toml");
  const std::string config((std::istreambuf_iterator<char>(in)), std::istreambuf_iterator<char>());
  std::ofstream(process.folder() + "/second.toml") << config;
  const std::string said = process.folder() + "/second.log";
  const std::string command = std::string("timeout 30 ") + LINKPILOT_COLLECTOR + " --config " +
                              process.folder() + "/second.toml > " + said + " 2>&1";
  const int status = std::system(command.c_str());
  ASSERT_TRUE(WIFEXITED(status));
  EXPECT_NE(WEXITSTATUS(status), 0);
  EXPECT_NE(WEXITSTATUS(status), 124) << "it ran";
  std::ifstream log(said);
  const std::string text((std::istreambuf_iterator<char>(log)), std::istreambuf_iterator<char>());
  EXPECT_THAT(text, testing::HasSubstr("another process writes here"));
  EXPECT_EQ(process.get("/healthz").status == 200 || process.get("/healthz").status == 503, true);
}

}  // namespace
}  // namespace linkpilot::collector
