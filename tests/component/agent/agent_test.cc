// Real agent processes over loopback against a scripted collector. Nothing here is timed:
// conditions are waited for, with patience far beyond what they need.
#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include <asio/io_context.hpp>
#include <filesystem>
#include <fstream>
#include <memory>

#include "agent/route_client/linkpilot_routes.h"
#include "base/rng.h"
#include "base/runtime/files.h"
#include "schemas/codec.h"
#include "tests/component/agent/agent_fixture.h"

namespace linkpilot::test {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;

TEST_F(AgentTest, TwoAgentsMeasureEachOther) {
  start_both();
  for (int node = 0; node < kNodes; ++node) {
    const Client& client = *clients_[node];
    ASSERT_TRUE(collector_.wait([&] { return client.pings > 0; }));
    ASSERT_FALSE(client.hellos.empty());
    EXPECT_EQ(client.hellos[0].self.name, client.name);
    EXPECT_EQ(client.hellos[0].kind, ClientKind::agent);
    ASSERT_FALSE(client.plan_acks.empty());
    EXPECT_EQ(client.plan_acks[0].version, 1U);
    EXPECT_EQ(client.plan_acks[0].sessions, 1U);
    EXPECT_GT(client.pings, 0U);
    std::uint64_t last = 0;
    for (const Report& report : client.reports) {
      EXPECT_EQ(report.id.epoch, client.hellos[0].report_epoch);
      EXPECT_GT(report.id.sequence, last);
      last = report.id.sequence;
      EXPECT_GT(report.load.agent_rss_bytes, 0U);
      for (const LinkSample& sample : report.links) {
        EXPECT_EQ(sample.link, link(node));
        EXPECT_EQ(sample.sent, sample.answered + sample.late + sample.lost_forward +
                                   sample.lost_backward + sample.lost_unplaced);
      }
    }
  }
}

// Both ends under one pair secret; then one end has another: nothing is answered either way, and
// nothing is counted as answered, until the secrets are the same again.
TEST_F(AgentTest, AuthenticatedProbesAreAnsweredUnderTheSameSecretOnly) {
  const auto authenticated = [&](int node, std::uint64_t version, std::uint8_t secret) {
    Plan with = plan(node, version, milliseconds(50));
    with.links[0].mode = ProbeMode::stamp_authenticated;
    with.links[0].secret.assign(32, secret);
    with.links[0].secret_epoch = 7;
    return with;
  };
  for (int node = 0; node < kNodes; ++node) clients_[node]->plan = authenticated(node, 1, 0x5a);
  start_both();
  EXPECT_EQ(clients_[0]->plan_acks.at(0).capped, 0U);

  // A second of probes that were all sent under the new secret.
  const auto last_sample_is = [&](int node, bool answered_at_all) {
    const Client& client = *clients_[node];
    if (client.reports.empty() || client.reports.back().links.empty()) return false;
    const LinkSample& sample = client.reports.back().links[0];
    return sample.sent > 0 && (sample.answered > 0) == answered_at_all;
  };
  collector_.send(*clients_[0], authenticated(0, 2, 0xa5));
  EXPECT_TRUE(
      collector_.wait([&] { return last_sample_is(0, false) && last_sample_is(1, false); }));
  EXPECT_TRUE(collector_.wait([&] { return has_alarm(*clients_[1], link(1), LinkState::dead); }));
  EXPECT_TRUE(agents_[0]->running() && agents_[1]->running());
  // Both ends say so: counted in their status, and as an event that names the peer.
  EXPECT_TRUE(collector_.wait([&] {
    return !clients_[1]->statuses.empty() &&
           clients_[1]->statuses.back().probes_refused_authentication > 0 &&
           has_event(*clients_[1], "probe_secret_wrong");
  }));

  collector_.send(*clients_[0], authenticated(0, 3, 0x5a));
  EXPECT_TRUE(collector_.wait([&] { return last_sample_is(0, true) && last_sample_is(1, true); }));
}

TEST_F(AgentTest, ANewPlanKeepsTheSessionsThatStay) {
  start_both();
  for (int node = 0; node < kNodes; ++node) {
    collector_.send(*clients_[node], plan(node, 2, milliseconds(100)));
  }
  ASSERT_TRUE(collector_.wait(
      [&] { return clients_[0]->plan_acks.size() > 1 && clients_[1]->plan_acks.size() > 1; }));
  const std::size_t before = clients_[0]->reports.size();
  ASSERT_TRUE(collector_.wait([&] { return clients_[0]->reports.size() > before + 6; }));
  std::uint32_t changed = 0;
  for (const Report& report : clients_[0]->reports) {
    for (const LinkSample& sample : report.links) {
      EXPECT_EQ(sample.duplicate_forward + sample.duplicate_backward, 0U);
      if (sample.probe_interval == milliseconds(100)) ++changed;
    }
  }
  EXPECT_GT(changed, 0U);
  EXPECT_FALSE(has_event(*clients_[0], "link_dead"));
}

TEST_F(AgentTest, ARefusedPlanLeavesTheOldOneInForce) {
  start_both();
  Plan bad = plan(0, 9, milliseconds(50));
  bad.links[0].link.from.port = PortIndex{3};
  collector_.send(*clients_[0], bad);
  ASSERT_TRUE(collector_.wait([&] { return clients_[0]->plan_acks.size() > 1; }));
  EXPECT_THAT(clients_[0]->plan_acks.back().reason, testing::HasSubstr("port"));
  const std::size_t before = clients_[0]->reports.size();
  ASSERT_TRUE(collector_.wait([&] { return answered(*clients_[0], before + 4) > 0; }));
}

TEST_F(AgentTest, ABadTableIsRefusedAndTheOldOneStays) {
  start_both();
  Client& client = *clients_[0];
  collector_.send(client, collector_.sign_table(table(0, 5)));
  ASSERT_TRUE(collector_.wait([&] { return client.table_acks.size() == 1; }));
  ASSERT_TRUE(client.table_acks[0].accepted) << client.table_acks[0].reason;
  EXPECT_EQ(client.table_acks[0].in_use, (TableVersion{1, 5}));
  const std::string file = agents_[0]->path("state") + "/routes.bin";
  const auto good = read_file(file, kTableBytesMax);
  ASSERT_TRUE(good);

  SignedTable forged = collector_.sign_table(table(0, 6));
  forged.signature[7] ^= 1;
  collector_.send(client, forged);
  collector_.send(client, collector_.sign_table(table(0, 4)));  // older
  collector_.send(client, collector_.sign_table(table(1, 7)));  // another node's
  ASSERT_TRUE(collector_.wait([&] { return client.table_acks.size() == 4; }));
  for (std::size_t i = 1; i < 4; ++i) {
    EXPECT_FALSE(client.table_acks[i].accepted);
    EXPECT_FALSE(client.table_acks[i].reason.empty());
    EXPECT_EQ(client.table_acks[i].in_use, (TableVersion{1, 5}));
  }
  EXPECT_EQ(*read_file(file, kTableBytesMax), *good);
}

TEST_F(AgentTest, ADeadPeerIsMarkedAlarmedAndComesBack) {
  start_both();
  collector_.send(*clients_[0], collector_.sign_table(table(0, 1)));
  ASSERT_TRUE(collector_.wait([&] { return clients_[0]->table_acks.size() == 1; }));
  const std::string state = agents_[0]->path("state");
  lpr_client* routes =
      lpr_open((state + "/routes.bin").c_str(), (state + "/marks.bin").c_str(), nullptr);
  ASSERT_NE(routes, nullptr);
  lpr_reader* reader = lpr_reader_new(routes);
  lpr_poll(routes);
  const lpr_hop hop{2, 0, 0};
  EXPECT_EQ(lpr_is_dead(reader, LPR_PUSH, &hop), 0);

  agents_[1]->stop(SIGKILL);
  EXPECT_TRUE(collector_.wait([&] { return lpr_is_dead(reader, LPR_PUSH, &hop) == 1; }));
  EXPECT_EQ(lpr_is_dead(reader, LPR_PULL, &hop), 1);
  EXPECT_TRUE(
      collector_.wait([&] { return has_alarm(*clients_[0], link(1), LinkState::suspect); }));
  EXPECT_TRUE(collector_.wait([&] { return has_alarm(*clients_[0], link(1), LinkState::dead); }));
  EXPECT_TRUE(collector_.wait([&] { return has_event(*clients_[0], "link_dead"); }));

  agents_[1]->start();
  EXPECT_TRUE(collector_.wait([&] { return lpr_is_dead(reader, LPR_PUSH, &hop) == 0; }));
  EXPECT_TRUE(collector_.wait([&] { return has_alarm(*clients_[0], link(1), LinkState::alive); }));
  lpr_reader_free(reader);
  lpr_close(routes);
}

TEST_F(AgentTest, KilledAndRestartedItFindsItselfAndRepeatsNoSequence) {
  start_both();
  agents_[0]->stop(SIGKILL);
  const Client before = *clients_[0];
  // The restarted agent is not given a plan: it has the one on its disk.
  clients_[0]->plan.reset();
  const std::size_t reports = clients_[0]->reports.size();
  agents_[0]->start();
  ASSERT_TRUE(collector_.wait([&] { return answered(*clients_[0], reports) > 0; }, seconds(40)));
  EXPECT_EQ(clients_[0]->hellos.back().report_epoch, before.hellos[0].report_epoch);
  EXPECT_NE(clients_[0]->hellos.back().run_id, before.hellos[0].run_id);
  EXPECT_EQ(clients_[0]->hellos.back().plan_version, 1U);
  std::set<std::uint64_t> sequences;
  for (const Report& report : clients_[0]->reports) {
    EXPECT_TRUE(sequences.insert(report.id.sequence).second) << report.id.sequence;
  }
}

TEST_F(AgentTest, ReportsThatWereNotAcknowledgedComeAgainAfterAReconnect) {
  start_both();
  collector_.acknowledge_reports = false;
  Client& client = *clients_[0];
  std::size_t reports = client.reports.size();
  ASSERT_TRUE(collector_.wait([&] { return client.reports.size() > reports; }));
  const std::uint64_t first = client.reports[reports].id.sequence;
  reports = client.reports.size();
  // A second Welcome of the same connection that acknowledges nothing: everything comes again.
  collector_.send(client, Welcome{client.id, client.name, "scripted", {}, 0});
  ASSERT_TRUE(collector_.wait([&] {
    for (std::size_t i = reports; i < client.reports.size(); ++i) {
      if (client.reports[i].id.sequence == first) return true;
    }
    return false;
  }));
}

TEST_F(AgentTest, AProbeRequestIsAnsweredWithOneSample) {
  start_both();
  collector_.send(*clients_[0], ProbeRequest{7, link(0), 50, milliseconds(10)});
  collector_.send(*clients_[0], ProbeRequest{8, link(1), 5, milliseconds(10)});
  ASSERT_TRUE(collector_.wait([&] { return clients_[0]->probe_results.size() == 2; }));
  EXPECT_EQ(clients_[0]->probe_results[0].request, 8U);
  EXPECT_THAT(clients_[0]->probe_results[0].error, testing::HasSubstr("not in the plan"));
  EXPECT_EQ(clients_[0]->probe_results[1].request, 7U);
  EXPECT_EQ(clients_[0]->probe_results[1].error, "");
  EXPECT_GE(clients_[0]->probe_results[1].sample.sent, 50U);
}

TEST_F(AgentTest, GarbageFromTheCollectorChangesNothing) {
  start_both();
  Rng rng(1);
  for (int i = 0; i < 200; ++i) {
    std::vector<std::uint8_t> bytes(rng.below(400));
    for (std::uint8_t& byte : bytes) byte = static_cast<std::uint8_t>(rng.next());
    collector_.send_bytes(*clients_[0], bytes);
  }
  auto truncated = schemas::encode(CollectorMessage(plan(0, 3, milliseconds(50))));
  truncated.resize(truncated.size() / 2);
  collector_.send_bytes(*clients_[0], truncated);
  const std::size_t reports = clients_[0]->reports.size();
  ASSERT_TRUE(collector_.wait([&] { return answered(*clients_[0], reports + 3) > 0; }));
  EXPECT_TRUE(agents_[0]->running());
  EXPECT_EQ(clients_[0]->hellos.size(), 1U);
}

TEST_F(AgentTest, AKeyThatIsNotEnrolledIsSaidInTheLog) {
  AgentProcessOptions options = agents_[0]->options();
  options.name = "stranger";
  AgentProcess stranger(options);
  stranger.start();
  EXPECT_TRUE(
      collector_.wait([&] { return stranger.log_lines_with("collector_refused_key") > 0; }));
  EXPECT_TRUE(stranger.running());
  EXPECT_EQ(WTERMSIG(stranger.stop(SIGTERM)), 0);
}

TEST_F(AgentTest, ARefusalIsLoggedAndFollowedByAPause) {
  collector_.refuse_with = "another agent holds this key";
  agents_[0]->start();
  ASSERT_TRUE(collector_.wait([&] { return agents_[0]->log_lines_with("collector_refused") > 0; }));
  collector_.run_for(seconds(3));
  EXPECT_EQ(clients_[0]->hellos.size(), 1U);
  EXPECT_THAT(agents_[0]->log(), testing::HasSubstr("another agent holds this key"));
  EXPECT_TRUE(agents_[0]->running());
}

TEST_F(AgentTest, AReloadWithAMistakeKeepsTheOldConfiguration) {
  start_both();
  agents_[0]->write_config("[probing]\nflow_max = 2\n");
  agents_[0]->signal(SIGHUP);
  ASSERT_TRUE(collector_.wait([&] { return agents_[0]->log_lines_with("reload_refused") > 0; }));
  EXPECT_THAT(agents_[0]->log(), testing::HasSubstr("flows_max"));
  agents_[0]->write_config("[log]\nlevel = \"debug\"\n[probing]\ndscp = 10\n");
  agents_[0]->signal(SIGHUP);
  ASSERT_TRUE(
      collector_.wait([&] { return agents_[0]->log_lines_with("reload_needs_restart") > 0; }));
  EXPECT_TRUE(agents_[0]->running());
  EXPECT_EQ(WTERMSIG(agents_[0]->stop(SIGTERM)), 0);
}

TEST_F(AgentTest, AStampPortInUseEndsTheAgentWithItsAddressAndReason) {
  start_both();
  AgentProcessOptions options = agents_[0]->options();
  options.name = "twin";
  AgentProcess twin(options);
  collector_.enrol(twin.keys().public_key, NodeId{9}, "twin");
  twin.start();
  ASSERT_TRUE(collector_.wait([&] { return !twin.running(); }));
  EXPECT_THAT(twin.log(), testing::HasSubstr(options.address));
}

}  // namespace
}  // namespace linkpilot::test
