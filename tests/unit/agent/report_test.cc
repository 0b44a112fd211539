#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "agent/report/load_reader.h"
#include "agent/report/report_builder.h"
#include "agent/spool/report_spool.h"

namespace linkpilot::agent {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;

TEST(ReportBuilder, CountsTheEventsItHadToDrop) {
  ReportBuilder builder;
  for (std::size_t i = 0; i < kReportEventsMax + 10; ++i) builder.add({{}, "link_dead", ""});
  const Report report = builder.take({}, {});
  ASSERT_EQ(report.events.size(), kReportEventsMax);
  EXPECT_EQ(report.events.back().name, "events_dropped");
  EXPECT_EQ(report.events.back().detail, "count=11");
  EXPECT_TRUE(builder.take({}, {}).events.empty());
}

TEST(ReportBuilder, CarriesSamplesBeyondOneReportOverToTheNext) {
  ReportBuilder builder;
  builder.add(std::vector<LinkSample>(kReportLinksMax + 5));
  EXPECT_EQ(builder.take({}, {}).links.size(), kReportLinksMax);
  EXPECT_EQ(builder.take({}, {}).links.size(), 5U);
  builder.add(std::vector<LinkSample>(ReportBuilder::kSamplesWaitingMax + 7));
  EXPECT_EQ(builder.samples_dropped(), 7U);
}

TEST(LoadReader, ReadsTheFormsOfProc) {
  LoadCounters counters;
  parse_proc_stat("cpu  100 5 45 800 50 0 0 0 0 0\ncpu0 1 1 1 1\n", counters);
  EXPECT_EQ(counters.cpu_all_ticks, 1000U);
  EXPECT_EQ(counters.cpu_busy_ticks, 150U);
  parse_proc_net_dev(
      "Inter-|   Receive                                                |  Transmit\n"
      " face |bytes    packets errs drop fifo frame compressed multicast|bytes    packets\n"
      "    lo: 9999 1 0 0 0 0 0 0 9999 1 0 0 0 0 0 0\n"
      "  eth0: 1000 10 0 0 0 0 0 0 2000 20 0 0 0 0 0 0\n"
      " wan0:30 1 0 0 0 0 0 0 40 1 0 0 0 0 0 0\n",
      counters);
  EXPECT_EQ(counters.octets_in, 1030U);
  EXPECT_EQ(counters.octets_out, 2040U);
  parse_proc_sockstat("sockets: used 10\nTCP: inuse 7 orphan 0 tw 0\nUDP: inuse 3\n", counters);
  EXPECT_EQ(counters.connections, 7U);
  parse_proc_statm("5000 2500 100 1 0 10 0\n", 4096, counters);
  EXPECT_EQ(counters.own_rss_bytes, 2500U * 4096U);
}

TEST(LoadReader, TakesOddTextsForNothing) {
  for (const char* text :
       {"", "\n\n", "cpu", "cpu x y", ":", "eth0:", "TCP:", "TCP: inuse", "-1 -1"}) {
    LoadCounters counters;
    parse_proc_stat(text, counters);
    parse_proc_net_dev(text, counters);
    parse_proc_sockstat(text, counters);
    parse_proc_statm(text, 4096, counters);
    EXPECT_EQ(counters.connections, 0U);
  }
}

TEST(LoadReader, TurnsCountersIntoRates) {
  LoadCounters before;
  LoadCounters after;
  after.cpu_all_ticks = 1000;
  after.cpu_busy_ticks = 250;
  after.octets_in = 125'000;
  after.octets_out = 250'000;
  after.own_cpu = milliseconds(20);
  const NodeLoad load = load_between(before, after, seconds(2));
  EXPECT_EQ(load.cpu_permille, 250U);
  EXPECT_EQ(load.inbound.value, 500'000U);
  EXPECT_EQ(load.outbound.value, 1'000'000U);
  EXPECT_EQ(load.agent_cpu_permille, 10U);
  EXPECT_EQ(load_between(after, before, seconds(1)).inbound.value, 0U);  // an interface vanished
  EXPECT_EQ(load_between(before, after, Duration::zero()).inbound.value, 0U);
}

std::vector<std::uint8_t> bytes_of(std::size_t size) { return std::vector<std::uint8_t>(size, 7); }

TEST(ReportSpool, LetsGoOnlyOfWhatIsAcknowledged) {
  ReportSpool spool({}, 42);
  for (std::uint64_t s = 1; s <= 5; ++s) spool.push(s, bytes_of(s));
  for (int i = 0; i < 5; ++i) {
    ASSERT_FALSE(spool.next().empty());
    spool.sent();
  }
  EXPECT_TRUE(spool.next().empty());
  spool.acknowledge({42, 3});
  EXPECT_EQ(spool.reports(), 2U);
  spool.acknowledge({41, 99});  // another epoch's
  EXPECT_EQ(spool.reports(), 2U);
  EXPECT_TRUE(spool.next().empty());
  spool.rewind();
  EXPECT_EQ(spool.next().size(), 4U);
}

TEST(ReportSpool, KeepsAWindowOfReportsUnderWay) {
  ReportSpool spool({.window = 3}, 42);
  for (std::uint64_t s = 1; s <= 5; ++s) spool.push(s, bytes_of(1));
  int sent = 0;
  for (; !spool.next().empty(); ++sent) spool.sent();
  EXPECT_EQ(sent, 3);
  spool.acknowledge({42, 1});
  for (; !spool.next().empty(); ++sent) spool.sent();
  EXPECT_EQ(sent, 4);
}

TEST(ReportSpool, DropsTheOldestWhenFullAndCounts) {
  ReportSpool spool({.bytes_max = 100}, 42);
  for (std::uint64_t s = 1; s <= 15; ++s) spool.push(s, bytes_of(10));
  EXPECT_EQ(spool.reports(), 10U);
  EXPECT_EQ(spool.dropped(), 5U);
  EXPECT_EQ(spool.bytes(), 100U);
  ReportSpool few({.reports_max = 2}, 42);
  for (std::uint64_t s = 1; s <= 3; ++s) few.push(s, bytes_of(s));
  EXPECT_EQ(few.next().size(), 2U);  // report 2 is the oldest now
}

TEST(ReportSpool, DroppingWhatIsUnderWayDoesNotSkipTheNext) {
  ReportSpool spool({.reports_max = 3}, 42);
  for (std::uint64_t s = 1; s <= 3; ++s) spool.push(s, bytes_of(s));
  spool.sent();
  spool.sent();
  spool.push(4, bytes_of(4));
  EXPECT_EQ(spool.next().size(), 3U);
}

}  // namespace
}  // namespace linkpilot::agent
