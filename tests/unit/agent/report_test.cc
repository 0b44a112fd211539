#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "agent/report/load_reader.h"
#include "agent/report/report_builder.h"
#include "agent/spool/report_spool.h"
#include "tests/support/memory_spool_files.h"

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

// A ReportSpool with its log, joined without a thread: what the daemon does, at once.
class ReportSpoolTest : public testing::Test {
 protected:
  ReportSpoolTest() { make({}); }
  void make(const ReportSpool::Options& options) {
    spool_ = ReportSpool(options);
    log_ = std::make_unique<SpoolLog>(SpoolOptions{}, std::make_unique<MemorySpoolFiles>(disk_));
    log_->recover();
    spool_.on_recovered(log_->newest());
    spool_.set_window(1'000);
  }
  void push(std::uint64_t count, std::size_t size = 10) {
    for (; count > 0; --count) spool_.push({42, ++sequence_}, std::vector<std::uint8_t>(size, 7));
  }
  void feed() {
    for (;;) {
      if (const SpooledReport* report = spool_.next_append()) {
        const std::uint64_t position = log_->append(*report);
        spool_.append_started();
        spool_.on_appended(position);
      } else if (const auto acked = spool_.take_acknowledgement()) {
        log_->acknowledge(*acked);
      } else if (const auto first = spool_.take_resend()) {
        log_->resend(*first);
      } else if (const auto after = spool_.next_read()) {
        spool_.read_started();
        spool_.on_read(log_->read(*after, 1'000));
      } else {
        return;
      }
    }
  }
  std::vector<std::uint64_t> send() {
    std::vector<std::uint64_t> sequences;
    feed();
    while (const SpooledReport* report = spool_.next()) {
      sequences.push_back(report->id.sequence);
      spool_.sent();
      feed();
    }
    return sequences;
  }

  std::shared_ptr<MemoryDisk> disk_ = std::make_shared<MemoryDisk>();
  ReportSpool spool_{ReportSpool::Options{}};
  std::unique_ptr<SpoolLog> log_;
  std::uint64_t sequence_ = 0;
};

TEST_F(ReportSpoolTest, SendsNothingThatIsNotSpooled) {
  push(2);
  EXPECT_EQ(spool_.next(), nullptr);
  const SpooledReport* report = spool_.next_append();
  ASSERT_NE(report, nullptr);
  const std::uint64_t position = log_->append(*report);
  spool_.append_started();
  EXPECT_EQ(spool_.next(), nullptr);
  spool_.on_appended(position);
  ASSERT_NE(spool_.next(), nullptr);
  EXPECT_EQ(spool_.next()->id.sequence, 1U);
}

TEST_F(ReportSpoolTest, LetsGoOnlyOfWhatIsAcknowledged) {
  push(5);
  EXPECT_THAT(send(), testing::ElementsAre(1, 2, 3, 4, 5));
  spool_.acknowledge({42, 3});
  spool_.acknowledge({41, 99});  // another epoch's
  EXPECT_TRUE(send().empty());
  spool_.rewind();
  EXPECT_THAT(send(), testing::ElementsAre(4, 5));
}

TEST_F(ReportSpoolTest, KeepsAWindowOfReportsAndOctetsUnderWay) {
  make({.window_reports = 3, .window_bytes = 100});
  push(3, 10);
  push(5, 60);
  EXPECT_THAT(send(), testing::ElementsAre(1, 2, 3));
  spool_.acknowledge({42, 3});
  EXPECT_THAT(send(), testing::ElementsAre(4));
  spool_.acknowledge({42, 4});
  spool_.set_window(1);
  EXPECT_THAT(send(), testing::ElementsAre(5));
}

TEST_F(ReportSpoolTest, DrainsInOrderWhatNeverFittedInMemory) {
  make({.ready_bytes_max = 500, .ready_reports_max = 8});
  std::vector<std::uint64_t> sent;
  for (int i = 0; i < 500; ++i) {
    push(1, 100);
    feed();
    EXPECT_LE(spool_.ready(), 8U);
  }
  for (std::uint64_t acked = 0; acked < 500; acked = sent.back()) {
    for (const std::uint64_t sequence : send()) sent.push_back(sequence);
    ASSERT_GT(sent.back(), acked);
    spool_.acknowledge({42, sent.back()});
  }
  ASSERT_EQ(sent.size(), 500U);
  for (std::size_t i = 0; i < sent.size(); ++i) EXPECT_EQ(sent[i], i + 1);
  EXPECT_EQ(log_->figures().dropped, 0U);
}

TEST_F(ReportSpoolTest, ARestartSendsWhatTheRunBeforeCouldNot) {
  push(30);
  feed();
  make({});
  push(1);
  const auto sent = send();
  ASSERT_EQ(sent.size(), 16U);
  EXPECT_EQ(sent.front(), 1U);
}

TEST_F(ReportSpoolTest, GoesBackWhenTheCollectorAsksForItAgain) {
  push(12);
  EXPECT_EQ(send().size(), 12U);
  spool_.acknowledge({42, 12});
  EXPECT_TRUE(send().empty());
  spool_.resend({42, 9});
  EXPECT_THAT(send(), testing::ElementsAre(9, 10, 11, 12));
  spool_.acknowledge({42, 12});
  push(1);
  EXPECT_THAT(send(), testing::ElementsAre(13));
}

TEST_F(ReportSpoolTest, AReadThatAResendOvertookIsThrownAway) {
  make({.ready_bytes_max = 100, .ready_reports_max = 2});
  push(6, 50);
  EXPECT_EQ(send().size(), 2U);
  spool_.acknowledge({42, 2});
  while (const auto acked = spool_.take_acknowledgement()) log_->acknowledge(*acked);
  const auto after = spool_.next_read();
  ASSERT_TRUE(after);
  spool_.read_started();
  auto late = log_->read(*after, 1'000);
  spool_.resend({42, 1});
  spool_.on_read(std::move(late));
  EXPECT_EQ(spool_.next(), nullptr);
  EXPECT_THAT(send(), testing::ElementsAre(1, 2, 3, 4, 5, 6));
}

TEST_F(ReportSpoolTest, AFileThreadThatIsBehindCostsTheOldestThatWaitAndIsCounted) {
  make({.waiting_reports_max = 3});
  push(1);
  spool_.append_started();  // in its hands
  push(5);
  EXPECT_EQ(spool_.waiting(), 3U);
  EXPECT_EQ(spool_.dropped(), 3U);
  spool_.on_appended(log_->append({{42, 1}, std::make_shared<const std::vector<std::uint8_t>>(9)}));
  EXPECT_THAT(send(), testing::ElementsAre(1, 5, 6));
}

}  // namespace
}  // namespace linkpilot::agent
