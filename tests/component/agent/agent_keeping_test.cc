// What an agent keeps through bad luck: its reports, its plan and table, its keys.
#include <fcntl.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <signal.h>
#include <sys/mount.h>
#include <sys/stat.h>

#include <asio/ip/tcp.hpp>
#include <set>

#include "agent/daemon/agent.h"
#include "base/runtime/files.h"
#include "tests/component/agent/agent_fixture.h"
#include "tests/component/agent/spool_ledger.h"

namespace linkpilot::test {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;

class AgentKeepingTest : public AgentTest {
 protected:
  [[nodiscard]] SpoolLedger ledger(int node) const {
    SpoolLedger found;
    read_spool(agents_[node]->path("state") + "/spool", found);
    return found;
  }
  static std::set<ReportId> received(const Client& client) {
    std::set<ReportId> ids;
    for (const Report& report : client.reports) ids.insert(report.id);
    return ids;
  }
  // Everything the agent spooled is with the collector.
  [[nodiscard]] bool all_received(int node) const {
    const auto have = received(*clients_[node]);
    const SpoolLedger spooled = ledger(node);
    return std::all_of(spooled.begin(), spooled.end(),
                       [&](const auto& entry) { return have.contains(entry.first); });
  }
  void wait_for_spooled(int node, std::size_t more) {
    const std::size_t before = ledger(node).size();
    ASSERT_TRUE(collector_.wait([&] { return ledger(node).size() >= before + more; }));
  }
};

TEST_F(AgentKeepingTest, ReportsOfAnOutageOutliveSigkillAndArriveInOrder) {
  start_both();
  collector_.close();
  wait_for_spooled(0, 3);
  agents_[0]->stop(SIGKILL);
  agents_[0]->start();
  wait_for_spooled(0, 3);
  const std::size_t before = clients_[0]->reports.size();
  collector_.open();
  ASSERT_TRUE(collector_.wait([&] { return all_received(0); }, seconds(40)));
  const auto& reports = clients_[0]->reports;
  for (std::size_t i = before + 1; i < reports.size(); ++i) {
    EXPECT_LT(reports[i - 1].id, reports[i].id);
  }
  // The restart skipped sequences, and said so.
  ASSERT_FALSE(clients_[0]->gone.empty());
  EXPECT_EQ(received(*clients_[0]).count(clients_[0]->gone.back().up_to), 0U);
}

TEST_F(AgentKeepingTest, ACollectorThatWasRestoredGetsReportsAgain) {
  start_both();
  wait_for_spooled(0, 3);
  Client& client = *clients_[0];
  const ReportId first = client.reports[1].id;
  const std::size_t before = client.reports.size();
  const ReportId last = client.reports.back().id;
  // It acknowledges what it has without a gap, as a collector that lost everything from `first` on.
  collector_.acknowledge_reports = false;
  collector_.send(client, ResendFrom{first});
  std::uint64_t next = first.sequence;
  ASSERT_TRUE(collector_.wait(
      [&] {
        std::set<std::uint64_t> again;
        for (std::size_t i = before; i < client.reports.size(); ++i) {
          again.insert(client.reports[i].id.sequence);
        }
        const std::uint64_t had = next;
        while (again.contains(next)) ++next;
        if (next > had) collector_.send(client, ReportAck{{first.epoch, next - 1}});
        return next > last.sequence + 2;
      },
      seconds(40)));
}

TEST_F(AgentKeepingTest, ARestartedAgentAnswersProbesWhileTheCollectorIsAway) {
  start_both();
  collector_.close();
  agents_[1]->stop(SIGKILL);
  collector_.run_for(milliseconds(500));
  const UnixNanos restarted = SystemClock().now().wall;
  agents_[1]->start();
  wait_for_spooled(0, 6);
  collector_.open();
  ASSERT_TRUE(collector_.wait([&] { return all_received(0); }, seconds(40)));
  std::uint64_t answers = 0;
  for (const Report& report : clients_[0]->reports) {
    for (const LinkSample& sample : report.links) {
      if (sample.start > restarted) answers += sample.answered;
    }
  }
  EXPECT_GT(answers, 0U);
}

TEST_F(AgentKeepingTest, PlanAndTableGrowOldAndTheAgentSaysSo) {
  for (int node = 0; node < kNodes; ++node) clients_[node]->plan->lifetime = seconds(2);
  start_both();
  RouteTable aging = table(0, 1);
  aging.valid_until_soft = aging.created + seconds(6);
  aging.valid_until_hard = aging.created + seconds(9);
  collector_.send(*clients_[0], collector_.sign_table(aging));
  ASSERT_TRUE(collector_.wait([&] {
    return !clients_[0]->statuses.empty() && clients_[0]->statuses.back().table == Freshness::fresh;
  }));
  EXPECT_EQ(clients_[0]->statuses.back().plan, Freshness::fresh);
  EXPECT_EQ(clients_[0]->statuses.back().spool_error, "");
  collector_.close();
  ASSERT_TRUE(collector_.wait([&] { return agents_[0]->log_lines_with("table_expired") > 0; }));
  collector_.open();
  ASSERT_TRUE(collector_.wait([&] {
    const Client& client = *clients_[0];
    return has_event(client, "plan_stale") && has_event(client, "plan_expired") &&
           has_event(client, "table_stale") && has_event(client, "table_expired") &&
           has_event(client, "plan_fresh");
  }));
  const AgentStatus& status = clients_[0]->statuses.back();
  EXPECT_EQ(status.table, Freshness::expired);
  EXPECT_GT(status.table_age, seconds(5));
  EXPECT_GT(status.spool_disk_octets, 0U);
  ASSERT_TRUE(collector_.wait([&] {
    std::ifstream file(agents_[0]->path("state") + "/metrics.prom");
    const std::string page{std::istreambuf_iterator<char>(file), {}};
    return page.find("linkpilot_agent_table_state{state=\"expired\"} 1") != std::string::npos;
  }));
}

TEST_F(AgentKeepingTest, AnAgentKeyIsChangedWithoutLosingAReport) {
  start_both();
  const CurveKeyPair next = make_curve_key_pair();
  ASSERT_TRUE(save_curve_key_pair(agents_[0]->path("agent.key"), next));
  // Not enrolled yet: the agent falls back to the old key and goes on.
  agents_[0]->signal(SIGHUP);
  const std::size_t hellos = clients_[0]->hellos.size();
  ASSERT_TRUE(collector_.wait([&] { return clients_[0]->hellos.size() > hellos; }));
  EXPECT_GT(agents_[0]->log_lines_with("collector_refused_key"), 0);
  const std::size_t before = clients_[0]->reports.size();
  ASSERT_TRUE(collector_.wait([&] { return clients_[0]->reports.size() > before; }));

  Client& renewed = collector_.enrol(next.public_key, id(0), "node-1");
  renewed.plan = clients_[0]->plan;
  collector_.close();
  collector_.open();
  ASSERT_TRUE(collector_.wait([&] { return renewed.reports.size() > 3; }, seconds(40)));
  EXPECT_EQ(renewed.hellos[0].report_epoch, clients_[0]->hellos[0].report_epoch);
  EXPECT_EQ(renewed.hellos[0].run_id, clients_[0]->hellos[0].run_id);
  auto all = received(*clients_[0]);
  all.merge(received(renewed));
  std::uint64_t last = 0;
  for (const ReportId id : all) {  // no sequence is missing
    if (last != 0) {
      EXPECT_EQ(id.sequence, last + 1);
    }
    last = id.sequence;
  }
}

TEST_F(AgentKeepingTest, TheCollectorsKeyIsChangedOver) {
  const CurveKeyPair next = make_curve_key_pair();
  AgentProcessOptions options = agents_[0]->options();
  options.collector_key += "\"\nnext_public_key_files = [\"" + next.public_key + "\"]\n#";
  options.name = "node-3";
  agents_[0] = std::make_unique<AgentProcess>(options);
  clients_[0] = &collector_.enrol(agents_[0]->keys().public_key, id(0), options.name);
  clients_[0]->plan = plan(0, 1, milliseconds(50));
  start_both();
  collector_.close();
  const std::size_t hellos = clients_[0]->hellos.size();
  collector_.open(next);
  ASSERT_TRUE(collector_.wait([&] { return clients_[0]->hellos.size() > hellos; }, seconds(40)));
  ASSERT_TRUE(collector_.wait([&] { return all_received(0); }, seconds(40)));
}

TEST_F(AgentKeepingTest, ACollectorThatSaysNothingIsPassedOverForTheNext) {
  asio::ip::tcp::acceptor silent(loop_, {asio::ip::make_address("127.0.0.1"), 0});
  AgentProcessOptions options = agents_[0]->options();
  options.collector = fmt::format("tcp://127.0.0.1:{}\", \"{}", silent.local_endpoint().port(),
                                  collector_.endpoint());
  options.name = "node-3";
  agents_[0] = std::make_unique<AgentProcess>(options);
  clients_[0] = &collector_.enrol(agents_[0]->keys().public_key, id(0), options.name);
  clients_[0]->plan = plan(0, 1, milliseconds(50));
  start_both();
  EXPECT_TRUE(agents_[0]->running());
}

TEST_F(AgentKeepingTest, ACollectorThatStallsIsLeftAndNoReportIsLost) {
  start_both();
  // The collector is there and reads nothing: nobody runs its loop.
  for (int tries = 0; agents_[0]->log_lines_with("collector_silent") == 0; ++tries) {
    ASSERT_LT(tries, 300);
    ::usleep(100'000);
  }
  ASSERT_TRUE(collector_.wait([&] { return all_received(0); }, seconds(40)));
  const std::size_t before = clients_[0]->reports.size();
  ASSERT_TRUE(collector_.wait([&] { return clients_[0]->reports.size() > before + 2; }));
  EXPECT_TRUE(agents_[0]->running());
}

// A file system of its own, so small that it is full when the test says so.
class FullDiskTest : public AgentKeepingTest {
 protected:
  FullDiskTest() {
    state_ = agents_[0]->path("state");
    std::filesystem::create_directories(state_);
    mounted_ = ::mount("linkpilot-test", state_.c_str(), "tmpfs", 0, "size=2m") == 0;
  }
  ~FullDiskTest() override {
    agents_[0]->stop(SIGKILL);
    if (mounted_) ::umount2(state_.c_str(), MNT_DETACH);
  }
  void fill() const {
    const UniqueFd fd(::open((state_ + "/filler").c_str(), O_WRONLY | O_CREAT | O_APPEND, 0600));
    const std::vector<char> block(4'096);
    while (::write(fd.get(), block.data(), block.size()) > 0) continue;
  }
  void make_room() const { std::filesystem::remove(state_ + "/filler"); }

  std::string state_;
  bool mounted_ = false;
};

TEST_F(FullDiskTest, AFullDiskStopsNeitherTheAgentNorItsReports) {
  ASSERT_TRUE(mounted_) << "this test needs the right to mount a tmpfs (run as root)";
  start_both();
  fill();
  Client& client = *clients_[0];
  ASSERT_TRUE(collector_.wait([&] { return has_event(client, "spool_disk_fails"); }));
  ASSERT_TRUE(collector_.wait(
      [&] { return !client.statuses.empty() && !client.statuses.back().spool_error.empty(); }));
  EXPECT_GT(client.statuses.back().spool_failures, 0U);
  collector_.send(client, collector_.sign_table(table(0, 1)));
  ASSERT_TRUE(collector_.wait([&] { return client.table_acks.size() == 1; }));
  EXPECT_FALSE(client.table_acks[0].accepted);
  EXPECT_THAT(client.table_acks[0].reason, testing::HasSubstr("No space left"));
  const std::size_t before = client.reports.size();
  ASSERT_TRUE(collector_.wait([&] { return answered(client, before + 2) > 0; }));
  // A restart does not need the disk either.
  agents_[0]->stop(SIGKILL);
  agents_[0]->start();
  ASSERT_TRUE(collector_.wait([&] { return answered(client, before + 4) > 0; }, seconds(40)));

  make_room();
  collector_.send(client, collector_.sign_table(table(0, 1)));
  ASSERT_TRUE(collector_.wait([&] { return client.table_acks.size() == 2; }));
  EXPECT_TRUE(client.table_acks[1].accepted) << client.table_acks[1].reason;
  ASSERT_TRUE(collector_.wait([&] {
    return has_event(client, "spool_disk_works") && client.statuses.back().spool_error.empty();
  }));
  std::set<ReportId> seen;
  for (const Report& report : client.reports) {
    EXPECT_TRUE(seen.insert(report.id).second) << report.id.sequence;
  }
}

// The wall clock as somebody's hand sets it; the monotonic one is the machine's.
class JumpingClock final : public Clock {
 public:
  Now now() override {
    Now now = clock_.now();
    now.wall = now.wall + jump;
    return now;
  }
  Duration jump{};

 private:
  SystemClock clock_;
};

TEST_F(AgentKeepingTest, AClockThatJumpsLosesNoReportAndSendsNoneTwice) {
  const auto config = agent::load_agent_config(agents_[0]->path("toml"));
  ASSERT_TRUE(config) << config.error().message;
  JumpingClock clock;
  auto under_test = agent::Agent::create(loop_, *config, clock);
  ASSERT_TRUE(under_test) << under_test.error().message;
  (*under_test)->start();
  agents_[1]->start();
  Client& client = *clients_[0];
  ASSERT_TRUE(collector_.wait([&] { return measured(0); }, seconds(40)));
  for (const Duration jump : {Duration(seconds(3'600)), Duration(seconds(-7'200))}) {
    clock.jump += jump;
    const std::size_t before = client.reports.size();
    ASSERT_TRUE(collector_.wait([&] { return client.reports.size() > before + 3; }));
    ASSERT_TRUE(collector_.wait([&] { return answered(client, before) > 0; }));
  }
  ASSERT_TRUE((*under_test)->outcome());
  const auto ids = received(client);
  EXPECT_EQ(ids.size(), client.reports.size());
  EXPECT_EQ(ids.rbegin()->sequence - ids.begin()->sequence + 1, ids.size());
  EXPECT_EQ(client.hellos.size(), 1U);
  EXPECT_FALSE(has_event(client, "link_dead"));
}

}  // namespace
}  // namespace linkpilot::test
