#include "collector/ingest/ingest.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/support/collector_fakes.h"

namespace linkpilot::collector {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;

LinkId link(std::uint16_t from, std::uint16_t to) {
  return {{NodeId{from}, PortIndex{0}}, {NodeId{to}, PortIndex{0}}};
}

Report report(const IngestBench& bench, std::uint64_t sequence, LinkId of) {
  Report out;
  out.id = {5, sequence};
  out.created = bench.now.wall;
  LinkSample sample;
  sample.link = of;
  sample.length = seconds(1);
  sample.start = bench.now.wall - sample.length;
  sample.sent = 20;
  sample.answered = 20;
  sample.rtt_min = sample.rtt_max = milliseconds(10);
  sample.rtt_sum = milliseconds(200);
  for (int i = 0; i < 20; ++i) sample.rtt.add(milliseconds(10));
  out.links.push_back(sample);
  return out;
}

Alarm alarm(LinkId of, LinkState state, bool confirmed) {
  Alarm out;
  out.link = of;
  out.state = state;
  out.confirmed = confirmed;
  out.episode = 1;
  return out;
}

TEST(Ingest, AReportIsAcknowledgedAfterItsCommitAndNotBefore) {
  IngestBench bench;
  bench.hello("a", "x");
  bench.say("ka", "x", report(bench, 1, link(1, 2)));
  EXPECT_TRUE(bench.sent<ReportAck>("x").empty());
  bench.ingest.on_commit(bench.store.commit());
  ASSERT_EQ(bench.sent<ReportAck>("x").size(), 1u);
  EXPECT_EQ(bench.sent<ReportAck>("x")[0].up_to, (ReportId{5, 1}));
}

TEST(Ingest, AReportSentAgainIsStoredAndFoldedOnceAndAcknowledgedAgain) {
  IngestBench bench;
  bench.hello("a", "x");
  bench.say("ka", "x", report(bench, 1, link(1, 2)));
  bench.ingest.on_commit(bench.store.commit());
  bench.say("ka", "x", report(bench, 1, link(1, 2)));
  EXPECT_EQ(bench.store.reports.size(), 1u);
  EXPECT_EQ(bench.ingest.counters().samples_folded, 1u);
  EXPECT_EQ(bench.sent<ReportAck>("x").size(), 2u);
}

TEST(Ingest, AReportWithoutRoomIsAsIfItHadNeverCome) {
  IngestBench bench;
  bench.hello("a", "x");
  bench.store.room = false;
  bench.say("ka", "x", report(bench, 1, link(1, 2)));
  EXPECT_EQ(bench.ingest.counters().samples_folded, 0u);
  bench.store.room = true;
  bench.say("ka", "x", report(bench, 2, link(1, 2)));
  bench.ingest.on_commit(bench.store.commit());
  EXPECT_EQ(bench.sent<ReportAck>("x").back().up_to.sequence, 0u);
  bench.say("ka", "x", report(bench, 1, link(1, 2)));
  bench.ingest.on_commit(bench.store.commit());
  EXPECT_EQ(bench.sent<ReportAck>("x").back().up_to.sequence, 2u);
  EXPECT_EQ(bench.ingest.counters().samples_folded, 2u);
}

TEST(Ingest, AnAgentIsHeardForItsOwnNodeOnly) {
  IngestBench bench;
  bench.hello("a", "x");
  bench.say("ka", "x", report(bench, 1, link(2, 3)));
  EXPECT_EQ(bench.ingest.counters().samples_refused, 1u);
  EXPECT_EQ(bench.estimates.size(), 0u);
  EXPECT_TRUE(bench.told("samples_refused"));
  bench.say("ka", "x", alarm(link(2, 3), LinkState::dead, true));
  EXPECT_EQ(bench.ingest.counters().alarms_refused, 1u);
}

TEST(Ingest, OneUnconfirmedAlarmIsSuspicionTwoEndsAreDeath) {
  IngestBench bench;
  bench.hello("a", "x");
  bench.hello("b", "y");
  bench.say("ka", "x", report(bench, 1, link(1, 2)));
  bench.say("ka", "x", alarm(link(1, 2), LinkState::suspect, false));
  EXPECT_NE(bench.estimates.belief(link(1, 2), bench.now.mono).state, LinkState::dead);
  bench.say("kb", "y", alarm(link(1, 2), LinkState::suspect, false));
  EXPECT_EQ(bench.estimates.belief(link(1, 2), bench.now.mono).state, LinkState::dead);
  EXPECT_FALSE(bench.changed_links.empty());
  EXPECT_TRUE(bench.told("link_dead"));
}

TEST(Ingest, ARestartedAgentsOldWordsAreVoid) {
  IngestBench bench;
  bench.hello("a", "x");
  bench.say("ka", "x", report(bench, 1, link(1, 2)));
  bench.say("ka", "x", alarm(link(1, 2), LinkState::dead, true));
  EXPECT_EQ(bench.estimates.belief(link(1, 2), bench.now.mono).state, LinkState::dead);
  bench.hello("a", "x2", 2);
  EXPECT_EQ(bench.estimates.belief(link(1, 2), bench.now.mono).state, LinkState::alive);
}

TEST(Ingest, LostGoodNewsIsMadeUpForByTheAgentsOwnSamples) {
  IngestBench bench;
  bench.hello("a", "x");
  bench.say("ka", "x", report(bench, 1, link(1, 2)));
  bench.say("ka", "x", alarm(link(1, 2), LinkState::dead, true));
  bench.pass(seconds(2));
  bench.say("ka", "x", report(bench, 2, link(1, 2)));
  EXPECT_EQ(bench.estimates.belief(link(1, 2), bench.now.mono).state, LinkState::dead)
      << "measured before or just after the alarm";
  bench.pass(seconds(2));
  bench.say("ka", "x", report(bench, 3, link(1, 2)));
  EXPECT_EQ(bench.estimates.belief(link(1, 2), bench.now.mono).state, LinkState::alive);
}

TEST(Ingest, AClockAnHourBehindStillTeaches) {
  IngestBench bench;
  bench.hello("a", "x");
  Ping ping;
  ping.sent = bench.now.wall - std::chrono::hours(1);
  bench.say("ka", "x", ping);
  EXPECT_TRUE(bench.told("agent_clock_wrong"));
  Report late = report(bench, 1, link(1, 2));
  late.links[0].start = late.links[0].start - std::chrono::hours(1);
  bench.say("ka", "x", late);
  EXPECT_EQ(bench.ingest.counters().samples_folded, 1u);
}

TEST(Ingest, WithoutAHelloNothingIsTakenAndNobodyIsScolded) {
  IngestBench bench;
  bench.hello("a", "x");
  // The client found the way back by itself; its Hello is still behind what was queued.
  bench.say("ka", "x2", report(bench, 1, link(1, 2)));
  EXPECT_TRUE(bench.store.reports.empty());
  EXPECT_TRUE(bench.sent<Refused>("x2").empty());
  bench.hello("a", "x2");
  bench.say("ka", "x2", report(bench, 1, link(1, 2)));
  EXPECT_EQ(bench.store.reports.size(), 1u);
}

TEST(Ingest, TheOlderOfTwoProcessesIsToldWhy) {
  IngestBench bench;
  bench.hello("a", "x", 1);
  bench.hello("a", "y", 2);
  bench.say("ka", "x", Ping{1, {}});
  EXPECT_TRUE(bench.told("duplicate_agent"));
  EXPECT_FALSE(bench.sent<Refused>("x").empty());
  bench.say("ka", "y", Ping{1, {}});
  EXPECT_EQ(bench.sent<Pong>("y").size(), 1u);
}

TEST(Ingest, ARevokedKeyIsRefusedOnItsNextMessage) {
  IngestBench bench;
  bench.hello("a", "x");
  (void)bench.registry.apply({{"b", "kb"}, {"c", "kc"}}, bench.now.wall);
  bench.ingest.on_revoked(NodeId{1});
  bench.messages.clear();
  bench.say("ka", "x", Ping{1, {}});
  EXPECT_EQ(bench.sent<Refused>("x").size(), 1u);
  EXPECT_TRUE(bench.sent<Pong>("x").empty());
}

TEST(Ingest, AnAgentThatSaysNothingIsSilentAfterTheSetTime) {
  IngestBench bench;
  bench.hello("a", "x");
  bench.pass(seconds(9));
  bench.ingest.on_timer(bench.now, seconds(10));
  EXPECT_TRUE(bench.agents[NodeId{1}].heard());
  bench.pass(seconds(1));
  bench.ingest.on_timer(bench.now, seconds(10));
  EXPECT_FALSE(bench.agents[NodeId{1}].heard());
  EXPECT_TRUE(bench.told("agent_silent"));
}

TEST(IngestRestart, PeersAreToldBeforeTheAgentHasItsAnswer) {
  IngestBench bench;
  bench.hello("a", "x");
  bench.say("ka", "x", Bye{ByeReason::restart});
  ASSERT_EQ(bench.away.size(), 1u);
  EXPECT_EQ(bench.away[0], std::make_pair(NodeId{1}, Duration(seconds(10))));
  ASSERT_EQ(bench.sent<ByeAck>("x").size(), 1u);
  EXPECT_EQ(bench.sent<ByeAck>("x")[0].grace, seconds(10));
  EXPECT_TRUE(bench.agents[NodeId{1}].away());
  bench.pass(seconds(2));
  bench.hello("a", "x2", 2);
  EXPECT_FALSE(bench.agents[NodeId{1}].away());
  ASSERT_EQ(bench.away.size(), 2u);
  EXPECT_EQ(bench.away[1].second, Duration{}) << "it is back";
}

TEST(IngestRestart, ItsLinksStayAliveWhateverAPeerSaysUntilTheGraceIsOver) {
  IngestBench bench;
  bench.hello("a", "x");
  bench.hello("b", "y");
  bench.say("kb", "y", report(bench, 1, link(2, 1)));
  bench.say("ka", "x", Bye{ByeReason::restart});
  bench.say("kb", "y", alarm(link(2, 1), LinkState::dead, true));
  EXPECT_EQ(bench.estimates.state(link(2, 1)), LinkState::alive);
  EXPECT_EQ(bench.ingest.counters().alarms_held, 1u);
  bench.pass(seconds(9));
  bench.ingest.on_timer(bench.now, seconds(10));
  EXPECT_TRUE(bench.changed_links.empty());
  bench.say("kb", "y", Ping{1, {}});
  bench.pass(seconds(1));
  bench.ingest.on_timer(bench.now, seconds(10));
  EXPECT_EQ(bench.estimates.state(link(2, 1)), LinkState::dead);
  EXPECT_EQ(bench.changed_links.size(), 1u) << "solve now";
  EXPECT_FALSE(bench.agents[NodeId{1}].heard());
  EXPECT_TRUE(bench.agents[NodeId{2}].heard());
  EXPECT_TRUE(bench.told("agent_silent"));
}

TEST(IngestRestart, WhatPeersLostMeanwhileIsStoredAndNotBelieved) {
  IngestBench bench;
  bench.hello("a", "x");
  bench.hello("b", "y");
  bench.say("ka", "x", Bye{ByeReason::restart});
  bench.pass(seconds(2));
  Report lossy = report(bench, 1, link(2, 1));
  lossy.links[0].answered = 0;
  lossy.links[0].lost_unplaced = lossy.links[0].sent;
  lossy.links[0].rtt = LatencySketch();
  lossy.links[0].rtt_min = lossy.links[0].rtt_max = lossy.links[0].rtt_sum = {};
  bench.say("kb", "y", lossy);
  EXPECT_EQ(bench.store.reports.size(), 1u);
  EXPECT_EQ(bench.ingest.counters().samples_held, 1u);
  EXPECT_EQ(bench.ingest.counters().samples_folded, 0u);
}

TEST(IngestRestart, AnAgentThatStopsOrIsKilledIsNotWaitedFor) {
  IngestBench bench;
  bench.hello("a", "x");
  bench.hello("b", "y");
  bench.say("kb", "y", report(bench, 1, link(2, 1)));
  bench.say("ka", "x", Bye{ByeReason::stop});
  EXPECT_TRUE(bench.away.empty());
  EXPECT_EQ(bench.sent<ByeAck>("x").at(0).grace, Duration{});
  bench.say("kb", "y", alarm(link(2, 1), LinkState::dead, true));
  EXPECT_EQ(bench.estimates.state(link(2, 1)), LinkState::dead);
}

TEST(IngestRestart, AnAgentThatOnlyEverSaysThatItRestartsHidesNothing) {
  IngestBench bench;
  bench.hello("a", "x");
  bench.hello("b", "y");
  bench.say("kb", "y", report(bench, 1, link(2, 1)));
  for (int second = 0; second < 90; ++second) {
    bench.say("ka", "x", Bye{ByeReason::restart});
    bench.say("kb", "y", alarm(link(2, 1), LinkState::dead, true));
    bench.pass(seconds(1));
    bench.ingest.on_timer(bench.now, seconds(10));
  }
  EXPECT_EQ(bench.estimates.state(link(2, 1)), LinkState::dead);
}

TEST(IngestRestart, WithoutAGraceARestartIsNotWaitedFor) {
  IngestBench bench;
  bench.ingest.set_restart_grace(Duration{});
  bench.hello("a", "x");
  bench.say("ka", "x", Bye{ByeReason::restart});
  EXPECT_TRUE(bench.away.empty());
  EXPECT_FALSE(bench.agents[NodeId{1}].away());
  EXPECT_EQ(bench.sent<ByeAck>("x").size(), 1u);
}

TEST(IngestRestart, ItsLastReportsAreAcknowledgedAfterItsBye) {
  IngestBench bench(true);
  bench.hello("a", "x");
  bench.say("ka", "x", report(bench, 1, link(1, 2)));
  bench.say("ka", "x", Bye{ByeReason::restart});
  while (bench.ingest.work()) continue;
  bench.ingest.on_commit(bench.store.commit());
  EXPECT_EQ(bench.sent<ReportAck>("x").back().up_to.sequence, 1u);
}

TEST(Ingest, RestoredMarksAndReportsAreKnownAfterARestart) {
  IngestBench bench;
  bench.ingest.restore({{NodeId{1}, {5, 7, 0}, {9}}}, bench.now);
  bench.ingest.refold(NodeId{1}, report(bench, 7, link(1, 2)), bench.now.wall - seconds(5),
                      bench.now);
  EXPECT_EQ(bench.ingest.counters().samples_folded, 1u);
  bench.hello("a", "x");
  EXPECT_EQ(bench.sent<Welcome>("x").back().acked_sequence, 7u);
  bench.say("ka", "x", report(bench, 7, link(1, 2)));
  bench.say("ka", "x", report(bench, 9, link(1, 2)));
  EXPECT_TRUE(bench.store.reports.empty());
  bench.say("ka", "x", report(bench, 8, link(1, 2)));
  bench.ingest.on_commit(bench.store.commit());
  EXPECT_EQ(bench.sent<ReportAck>("x").back().up_to.sequence, 9u);
}

TEST(IngestBacklog, AnAlarmAndAGreetingDoNotWaitBehindReports) {
  IngestBench bench(true);
  bench.hello("a", "x");
  for (std::uint64_t i = 1; i <= 5; ++i) bench.say("ka", "x", report(bench, i, link(1, 2)));
  EXPECT_EQ(bench.backlogs, 1u) << "asked once";
  bench.say("ka", "x", alarm(link(1, 2), LinkState::dead, true));
  EXPECT_EQ(bench.changed_links.size(), 1u);
  bench.hello("b", "y");
  EXPECT_EQ(bench.sent<Welcome>("y").size(), 1u);
  EXPECT_TRUE(bench.store.reports.empty());
  EXPECT_FALSE(bench.ingest.work());
  EXPECT_EQ(bench.store.reports.size(), 5u);
  EXPECT_EQ(bench.ingest.counters().samples_folded, 5u);
}

TEST(IngestBacklog, ReportsAndWhatIsGoneStayInOrder) {
  IngestBench bench(true);
  bench.hello("a", "x");
  bench.say("ka", "x", report(bench, 1, link(1, 2)));
  bench.say("ka", "x", ReportsGone{{5, 7}});
  bench.say("ka", "x", report(bench, 8, link(1, 2)));
  while (bench.ingest.work()) continue;
  ASSERT_EQ(bench.store.reports.size(), 2u) << "the first was there before 1 to 7 were given up";
  bench.ingest.on_commit(bench.store.commit());
  EXPECT_EQ(bench.sent<ReportAck>("x").back().up_to.sequence, 8u);
}

TEST(IngestBacklog, IsWorkedOffInTurnsAndDatedByItsArrival) {
  IngestBench bench(true);
  bench.hello("a", "x");
  Report large = report(bench, 1, link(1, 2));
  large.events.assign(150, {bench.now.wall, "e", std::string(900, 'x')});
  for (std::uint64_t i = 1; i <= 6; ++i) {
    large.id.sequence = i;
    bench.say("ka", "x", large);
  }
  const UnixNanos came = bench.now.wall;
  bench.pass(seconds(1));
  EXPECT_TRUE(bench.ingest.work());
  EXPECT_LT(bench.store.reports.size(), 6u);
  while (bench.ingest.work()) continue;
  ASSERT_EQ(bench.store.reports.size(), 6u);
  for (const StoredReport& stored : bench.store.reports) EXPECT_EQ(stored.received, came);
}

TEST(IngestBacklog, WhatANodeSaidBeforeItWasRevokedIsNotTaken) {
  IngestBench bench(true);
  bench.hello("a", "x");
  bench.say("ka", "x", report(bench, 1, link(1, 2)));
  (void)bench.registry.apply({{"b", "kb"}, {"c", "kc"}}, bench.now.wall);
  EXPECT_FALSE(bench.ingest.work());
  EXPECT_TRUE(bench.store.reports.empty());
}

}  // namespace
}  // namespace linkpilot::collector
