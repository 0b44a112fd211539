#include "agent/spool/spool_log.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>

#include "base/rng.h"
#include "tests/support/memory_spool_files.h"
#include "tests/support/temporary_directory.h"

namespace linkpilot::agent {
namespace {

using std::chrono::minutes;
using std::chrono::seconds;

std::vector<std::uint8_t> octets_of(std::uint64_t seed, std::size_t size) {
  Rng rng(seed);
  std::vector<std::uint8_t> bytes(size);
  for (std::uint8_t& byte : bytes) byte = static_cast<std::uint8_t>(rng.next());
  return bytes;
}

TEST(SpoolFormat, ReadsBackWhatWasWrittenUpToAnyCut) {
  std::vector<std::uint8_t> bytes = encode_segment_header(7);
  std::vector<std::size_t> ends{bytes.size()};
  for (std::uint64_t s = 1; s <= 5; ++s) {
    encode_report(7, {9, s}, octets_of(s, 13 * s), bytes);
    ends.push_back(bytes.size());
  }
  encode_mark(7, {{9, 3}, 17}, bytes);
  ends.push_back(bytes.size());
  for (std::size_t size = 0; size <= bytes.size(); ++size) {
    const auto segment = scan_segment(7, std::span(bytes).first(size));
    const auto whole = static_cast<std::size_t>(
        std::count_if(ends.begin(), ends.end(), [&](std::size_t end) { return end <= size; }));
    EXPECT_EQ(segment.is_segment, whole > 0);
    EXPECT_EQ(segment.records.size(), whole == 0 ? 0 : whole - 1);
    EXPECT_EQ(segment.whole_bytes, whole == 0 ? 0 : ends[whole - 1]);
  }
  const auto segment = scan_segment(7, bytes);
  EXPECT_THAT(segment.records[2].payload, testing::ElementsAreArray(octets_of(3, 39)));
  EXPECT_EQ(mark_of(segment.records[5]).acked, (ReportId{9, 3}));
  EXPECT_EQ(mark_of(segment.records[5]).dropped, 17U);
  EXPECT_FALSE(scan_segment(8, bytes).is_segment);
}

TEST(SpoolFormat, NoFlippedBitGoesUnseen) {
  std::vector<std::uint8_t> bytes = encode_segment_header(7);
  const std::size_t start = bytes.size();
  encode_report(7, {9, 1}, octets_of(1, 40), bytes);
  for (std::size_t bit = 0; bit < bytes.size() * 8; ++bit) {
    std::vector<std::uint8_t> flipped = bytes;
    flipped[bit / 8] = static_cast<std::uint8_t>(flipped[bit / 8] ^ (1 << (bit % 8)));
    const auto segment = scan_segment(7, flipped);
    EXPECT_TRUE(segment.records.empty()) << bit;
    EXPECT_EQ(segment.is_segment, bit / 8 >= start);
  }
}

class SpoolLogTest : public testing::Test {
 protected:
  SpoolLogTest() { restart(); }
  void restart() {
    log_ = std::make_unique<SpoolLog>(options_, std::make_unique<MemorySpoolFiles>(disk_));
    log_->recover();
  }
  void append(std::uint64_t count, std::size_t size = 1'000) {
    for (; count > 0; --count) {
      ++sequence_;
      log_->append(
          {{epoch_, sequence_},
           std::make_shared<const std::vector<std::uint8_t>>(octets_of(sequence_ ^ epoch_, size))});
    }
  }
  void maintain(Duration later = seconds(1)) {
    time_ = time_ + later;
    // The wall clock does what it likes; the spool goes by the monotonic one.
    wall_ = UnixNanos{-wall_.ns + 1'000'000'000'000};
    log_->maintain({time_, wall_});
  }
  // Sequences still to be sent, in order, each with its own contents.
  std::vector<std::uint64_t> to_send() {
    std::vector<std::uint64_t> sequences;
    for (std::uint64_t after = 0;;) {
      const SpoolLog::Batch batch = log_->read(after, 10'000);
      if (batch.reports.empty()) return sequences;
      after = batch.through;
      for (const SpooledReport& report : batch.reports) {
        sequences.push_back(report.id.sequence);
        EXPECT_EQ(*report.bytes,
                  octets_of(report.id.sequence ^ report.id.epoch, report.bytes->size()));
      }
    }
  }
  static std::vector<std::uint64_t> range(std::uint64_t first, std::uint64_t last) {
    std::vector<std::uint64_t> all;
    for (; first <= last; ++first) all.push_back(first);
    return all;
  }

  SpoolOptions options_{.size_max = std::uint64_t{1} << 20};
  std::shared_ptr<MemoryDisk> disk_ = std::make_shared<MemoryDisk>();
  std::unique_ptr<SpoolLog> log_;
  std::uint64_t epoch_ = 42;
  std::uint64_t sequence_ = 0;
  MonoTime time_{1'000'000'000};
  UnixNanos wall_{5};
};

TEST_F(SpoolLogTest, ARestartFindsEveryReportThatWasNotAcknowledged) {
  append(300);
  log_->acknowledge({epoch_, 120});
  maintain();
  append(5);
  restart();
  EXPECT_EQ(to_send(), range(121, 305));
  EXPECT_EQ(log_->figures().reports, 185U);
  EXPECT_EQ(log_->figures().dropped, 0U);
}

TEST_F(SpoolLogTest, ATornTailIsCutAndWhatFollowsIsWrittenBehindTheCut) {
  append(10);
  auto& bytes = disk_->files.rbegin()->second.bytes;
  bytes.resize(bytes.size() - 17);
  restart();
  EXPECT_EQ(to_send(), range(1, 9));
  EXPECT_GT(log_->figures().torn_octets, 0U);
  append(2);
  restart();
  EXPECT_EQ(to_send(), (std::vector<std::uint64_t>{1, 2, 3, 4, 5, 6, 7, 8, 9, 11, 12}));
}

TEST_F(SpoolLogTest, WhereverTheTailIsTornAllBeforeItIsThereAndNothingElse) {
  for (const std::size_t size : {1U, 7U, 30U, 40U}) append(1, size);
  const MemoryDisk whole = *disk_;
  const auto& bytes = whole.files.rbegin()->second.bytes;
  std::size_t found = 4;
  for (std::size_t size = bytes.size(); size > 0; --size) {
    *disk_ = whole;
    disk_->files.rbegin()->second.bytes.resize(size - 1);
    restart();
    const auto left = to_send();
    ASSERT_EQ(left, range(1, left.size())) << size;
    ASSERT_LE(left.size(), found) << size;
    ASSERT_GE(left.size() + 1, found) << size;
    found = left.size();
    append(1);
    ASSERT_EQ(to_send().back(), sequence_) << size;
  }
  EXPECT_EQ(found, 0U);
}

TEST_F(SpoolLogTest, WithoutADiskForDaysOnlyWhatIsRememberedTakesMemory) {
  options_.memory_bytes_max = 10'000;
  disk_->create_fails = true;
  restart();
  for (int minute = 0; minute < 100; ++minute) {
    append(10, 500);
    log_->acknowledge({epoch_, sequence_ - 5});
    maintain();
  }
  EXPECT_EQ(to_send(), range(sequence_ - 4, sequence_));
  EXPECT_EQ(log_->figures().dropped, 0U);
  EXPECT_LE(log_->remembered(), 21U);
  append(100, 500);  // nobody takes these
  EXPECT_EQ(to_send(), range(sequence_ - 19, sequence_));
  EXPECT_EQ(log_->figures().dropped, 85U);
  EXPECT_LE(log_->remembered(), 21U);
  disk_->create_fails = false;
  maintain();
  EXPECT_EQ(log_->figures().in_memory, 0U);
  restart();
  EXPECT_EQ(to_send(), range(sequence_ - 19, sequence_));
}

TEST_F(SpoolLogTest, AfterAPowerCutEverythingSyncedIsThere) {
  for (const std::size_t more : {0U, 5U, 40U, 700U, 1'100U}) {
    SCOPED_TRACE(more);
    *disk_ = MemoryDisk{};
    sequence_ = 0;
    restart();
    append(80);
    maintain();
    append(7);
    disk_->lose_power(more);
    restart();
    const auto found = to_send();
    ASSERT_GE(found.size(), 80U);
    EXPECT_EQ(found, range(1, found.size()));
  }
}

TEST_F(SpoolLogTest, AcknowledgedReportsStayTenMinutesAndCanBeAskedForAgain) {
  append(200);
  log_->acknowledge({epoch_, 200});
  maintain();
  EXPECT_TRUE(to_send().empty());
  maintain(minutes(9));
  log_->resend({epoch_, 50});
  EXPECT_EQ(to_send(), range(50, 200));
  restart();  // a resend is not forgotten either, once it was marked
  log_->acknowledge({epoch_, 200});
  maintain();
  maintain(minutes(11));
  log_->resend({epoch_, 1});
  const auto left = to_send();
  EXPECT_LT(left.size(), 100U);  // what shares a segment with the newest
  EXPECT_EQ(log_->figures().dropped, 0U);
}

TEST_F(SpoolLogTest, WhenFullTheOldestGoAndOnlyUnacknowledgedOnesCount) {
  append(500);
  log_->acknowledge({epoch_, 500});
  append(900);
  EXPECT_EQ(log_->figures().dropped, 0U);
  EXPECT_EQ(to_send(), range(501, 1'400));
  append(600);
  const auto left = to_send();
  EXPECT_EQ(left.back(), 2'000U);
  EXPECT_EQ(left, range(left.front(), 2'000));
  EXPECT_EQ(log_->figures().dropped, left.front() - 501);
  EXPECT_LE(log_->figures().disk_octets, options_.size_max);
  EXPECT_LE(disk_->used(), options_.size_max);
  const auto dropped = log_->figures().dropped;
  maintain();
  restart();
  EXPECT_EQ(log_->figures().dropped, dropped);
  EXPECT_EQ(to_send(), left);
}

TEST_F(SpoolLogTest, AFullDiskKeepsReportsInMemoryUntilItHasRoomAgain) {
  append(20);
  disk_->capacity = disk_->used() + 2'500;  // two more, and part of a third
  append(30);
  EXPECT_EQ(log_->figures().in_memory, 28U);
  EXPECT_GT(log_->figures().failures, 0U);
  EXPECT_THAT(log_->figures().error, testing::HasSubstr("no space"));
  EXPECT_EQ(to_send(), range(1, 50));
  disk_->capacity = SIZE_MAX;
  maintain();
  EXPECT_EQ(log_->figures().in_memory, 0U);
  EXPECT_EQ(log_->figures().error, "");
  restart();
  EXPECT_EQ(to_send(), range(1, 50));
}

TEST_F(SpoolLogTest, AFullDiskTakesWhatIsKeptBeyondItsAcknowledgementFirst) {
  append(400);
  log_->acknowledge({epoch_, 300});
  disk_->capacity = disk_->used();
  append(100);
  EXPECT_EQ(log_->figures().in_memory, 0U);
  EXPECT_EQ(to_send(), range(301, 500));
  EXPECT_EQ(log_->figures().dropped, 0U);
}

TEST_F(SpoolLogTest, MemoryIsBoundedAndWhatItCannotHoldIsCounted) {
  options_.memory_bytes_max = 10'000;
  restart();
  disk_->create_fails = true;
  append(25);
  EXPECT_EQ(to_send(), range(16, 25));
  EXPECT_EQ(log_->figures().dropped, 15U);
  disk_->create_fails = false;
  maintain();
  restart();
  EXPECT_EQ(to_send(), range(16, 25));
  EXPECT_EQ(log_->figures().dropped, 15U);
}

TEST_F(SpoolLogTest, AFailedSyncWritesAgainWhatItLeftInDoubt) {
  append(10);
  maintain();
  append(10);
  disk_->sync_fails = true;
  maintain();
  EXPECT_THAT(log_->figures().error, testing::HasSubstr("input/output"));
  disk_->lose_power();  // what the failed sync did not write is gone for good
  maintain();           // fails again, elsewhere
  append(3);
  disk_->sync_fails = false;
  maintain();
  disk_->lose_power();
  EXPECT_EQ(to_send(), range(1, 23));
  restart();
  EXPECT_EQ(to_send(), range(1, 23));
  EXPECT_EQ(log_->figures().dropped, 0U);
}

TEST_F(SpoolLogTest, EpochsFollowEachOtherAndAreAcknowledgedEachForItself) {
  append(3);
  epoch_ = 7;  // smaller than the one before
  sequence_ = 0;
  append(4);
  EXPECT_EQ(to_send(), (std::vector<std::uint64_t>{1, 2, 3, 1, 2, 3, 4}));
  log_->acknowledge({7, 2});
  log_->acknowledge({42, 1});
  log_->acknowledge({99, 1'000});  // nobody's
  maintain();
  restart();
  EXPECT_EQ(to_send(), (std::vector<std::uint64_t>{2, 3, 3, 4}));
}

TEST_F(SpoolLogTest, ADamagedReportIsPassedOverAndCounted) {
  append(10);
  maintain();
  auto& bytes = disk_->files.rbegin()->second.bytes;
  bytes[bytes.size() - 3 * record_bytes(1'000) + 100] ^= 1;
  EXPECT_EQ(to_send(), (std::vector<std::uint64_t>{1, 2, 3, 4, 5, 6, 7, 9, 10}));
  EXPECT_EQ(log_->figures().dropped, 1U);
}

// Whatever happens in whatever order, what is neither acknowledged nor counted as dropped is sent.
TEST_F(SpoolLogTest, AccountsForEveryReportWhateverTheDiskDoes) {
  for (std::uint64_t seed = 1; seed <= 20; ++seed) {
    SCOPED_TRACE(seed);
    Rng rng(seed);
    *disk_ = MemoryDisk{};
    sequence_ = 0;
    options_.memory_bytes_max = std::size_t{1} << 22;
    restart();
    std::uint64_t acked = 0;
    for (int step = 0; step < 120; ++step) {
      switch (rng.below(10)) {
        case 0:
          disk_->sync_fails = !disk_->sync_fails;
          break;
        case 1:
          disk_->capacity = rng.below(2) == 0 ? SIZE_MAX : disk_->used() + rng.below(9'000);
          break;
        case 2:
          acked = std::max(acked, sequence_ - rng.below(sequence_ + 1));
          log_->acknowledge({epoch_, acked});
          break;
        case 3:
          maintain(seconds(rng.below(300)));
          break;
        case 4:  // SIGKILL; what is in memory only goes with the process
          maintain(seconds(0));
          if (log_->figures().in_memory == 0) restart();
          break;
        default:
          append(rng.below(20), 1 + rng.below(3'000));
      }
    }
    disk_->sync_fails = false;
    disk_->capacity = SIZE_MAX;
    maintain();
    const auto left = to_send();
    for (std::size_t i = 1; i < left.size(); ++i) EXPECT_LT(left[i - 1], left[i]);
    // Acknowledgements are marked each second: a restart may send some again, never lose one.
    if (left.empty()) continue;
    EXPECT_EQ(left.back(), sequence_);
    EXPECT_GE(left.size() + log_->figures().dropped + acked, sequence_);
    EXPECT_EQ(log_->figures().in_memory, 0U);
  }
}

TEST(SpoolFiles, OnARealDiskARestartFindsWhatAnEarlierRunLeft) {
  const TemporaryDirectory directory;
  const std::string path = directory.path("spool");
  for (std::uint64_t run = 0; run < 3; ++run) {
    auto files = open_spool_files(path);
    ASSERT_TRUE(files) << files.error().message;
    SpoolLog log(SpoolOptions{}, std::move(*files));
    log.recover();
    EXPECT_EQ(log.figures().reports, run * 100);
    for (std::uint64_t s = 1; s <= 100; ++s) {
      log.append({{1, run * 100 + s},
                  std::make_shared<const std::vector<std::uint8_t>>(octets_of(s, 30'000))});
    }
    if (run > 0) log.maintain({});
    EXPECT_EQ(log.figures().error, "");
  }
}

}  // namespace
}  // namespace linkpilot::agent
