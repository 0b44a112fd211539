#include "collector/store/report_log.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <filesystem>
#include <fstream>
#include <iterator>

#include "base/rng.h"
#include "tests/support/temporary_directory.h"
#include "tests/unit/collector/disk_faults.h"

namespace linkpilot::collector {
namespace {

constexpr UnixNanos kLogNow{1'800'000'000'000'000'000};
constexpr Bytes kNoBound{std::uint64_t{1} << 40};
constexpr Bytes kSmallSegments{std::uint64_t{32} << 20};  // of 1 MiB

std::vector<std::uint8_t> file_octets(const std::string& path) {
  std::ifstream file(path, std::ios::binary);
  const std::vector<char> text{std::istreambuf_iterator<char>(file), {}};
  return {text.begin(), text.end()};
}

void write_octets(const std::string& path, std::span<const std::uint8_t> octets) {
  std::ofstream file(path, std::ios::binary | std::ios::trunc);
  file.write(reinterpret_cast<const char*>(octets.data()),
             static_cast<std::streamsize>(octets.size()));
}

StoredReport report_of(std::uint64_t sequence, std::size_t octets = 800) {
  StoredReport out;
  out.node = NodeId{3};
  out.id = {0xffff'ffff'ffff'fff0ULL, sequence};
  out.received = kLogNow;
  out.mark = {out.id.epoch, sequence, 0};
  Rng rng(sequence);
  for (std::size_t i = 0; i < octets; ++i) {
    out.bytes.push_back(static_cast<std::uint8_t>(rng.below(256)));
  }
  return out;
}

std::vector<StoredReport> reports_of(std::uint64_t first, std::uint64_t count,
                                     std::size_t octets = 800) {
  std::vector<StoredReport> out;
  for (std::uint64_t i = first; i < first + count; ++i) out.push_back(report_of(i, octets));
  return out;
}

class ReportLogTest : public testing::Test {
 protected:
  ~ReportLogTest() override { disk_faults::heal(); }

  [[nodiscard]] std::string store() const { return folder_.path("store"); }
  [[nodiscard]] std::string directory() const { return report_directory(store()); }

  void open(Bytes size_max = kSmallSegments) {
    log_.reset();
    restored_.clear();
    Result<std::unique_ptr<ReportLog>> opened = ReportLog::open(directory(), size_max, restored_);
    ASSERT_TRUE(opened) << opened.error().message;
    log_ = *std::move(opened);
  }
  // What a process that dies now leaves: nothing is sealed, nothing given back.
  void copy_as_killed(const std::string& name) const {
    std::filesystem::copy(directory(), report_directory(folder_.path(name)));
  }
  // Sequences in the order of reading; every report must be what was written.
  [[nodiscard]] std::vector<std::uint64_t> read_back(const std::string& store) const {
    std::vector<std::uint64_t> out;
    const auto rows = read_reports(store, 0, 1'000'000);
    EXPECT_TRUE(rows);
    if (!rows) return out;
    std::uint64_t last_row = 0;
    for (const ReportRow& row : *rows) {
      EXPECT_GT(row.row, last_row) << "rows grow";
      last_row = row.row;
      const StoredReport wanted = report_of(row.id.sequence, row.octets);
      EXPECT_EQ(row.node, wanted.node);
      EXPECT_EQ(row.received, wanted.received);
      EXPECT_TRUE(std::ranges::equal(row.bytes(), wanted.bytes)) << row.id.sequence;
      out.push_back(row.id.sequence);
    }
    return out;
  }
  [[nodiscard]] std::vector<std::uint64_t> read_back() const { return read_back(store()); }
  [[nodiscard]] std::uint64_t disk_octets() const {
    std::uint64_t octets = 0;
    for (const SegmentFile& segment : list_segments(directory())) octets += segment.octets;
    return octets;
  }

  TemporaryDirectory folder_;
  std::unique_ptr<ReportLog> log_;
  std::vector<RestoredDedup> restored_;
};

std::vector<std::uint64_t> numbers(std::uint64_t first, std::uint64_t last) {
  std::vector<std::uint64_t> out;
  for (std::uint64_t i = first; i <= last; ++i) out.push_back(i);
  return out;
}

TEST_F(ReportLogTest, ReadsBackWhatWasAppendedAcrossSegmentsAndReopenings) {
  open();
  std::uint64_t next = 1;
  for (int opening = 0; opening < 3; ++opening) {
    for (int batch = 0; batch < 10; ++batch, next += 20) {
      ASSERT_TRUE(log_->append(reports_of(next, 20, 9'000), kLogNow));
    }
    open();
  }
  EXPECT_EQ(read_back(), numbers(1, next - 1));
  EXPECT_GT(log_->figures().segments, 4u);
  EXPECT_EQ(read_reports(store(), 595, 3)->front().row, 596u);
}

TEST_F(ReportLogTest, ABatchLargerThanASegmentIsWhole) {
  open();
  ASSERT_TRUE(log_->append(reports_of(1, 700, 9'000), kLogNow));
  EXPECT_GT(log_->figures().segments, 5u);
  open();
  EXPECT_EQ(read_back(), numbers(1, 700));
  ASSERT_EQ(restored_.size(), 1u);
  EXPECT_EQ(restored_[0].mark.high, 700u);
}

TEST_F(ReportLogTest, MarksAndEarlyReportsOfManyEpochsSurviveSegmentsThatAreGone) {
  open();
  StoredReport other = report_of(5);
  other.node = NodeId{4};
  other.id.epoch = other.mark.epoch = 77;
  StoredReport early = report_of(12);
  early.mark = {early.id.epoch, 10, 2};
  ASSERT_TRUE(log_->append(std::vector{report_of(10), other, early}, kLogNow));
  open();  // begins a new segment with the next append
  ASSERT_TRUE(log_->append(std::vector{[] {
                             StoredReport third = report_of(1);
                             third.id.epoch = third.mark.epoch = 9;
                             return third;
                           }()},
                           kLogNow));
  ASSERT_TRUE(log_->maintain({kLogNow, Bytes{0}}, 0, kLogNow));
  ASSERT_EQ(log_->figures().expired, 3u);
  open();
  ASSERT_EQ(restored_.size(), 3u);
  EXPECT_EQ(restored_[0].mark, (EpochMark{9, 1, 0}));
  EXPECT_EQ(restored_[1].mark, (EpochMark{0xffff'ffff'ffff'fff0ULL, 10, 2}));
  EXPECT_EQ(restored_[1].ahead, std::vector<std::uint64_t>{12});
  EXPECT_EQ(restored_[2].node, NodeId{4});
  EXPECT_EQ(restored_[2].mark, (EpochMark{77, 5, 0}));
}

TEST_F(ReportLogTest, WhereverTheNewestSegmentIsTornWholeBatchesBeforeItStay) {
  open();
  std::vector<std::uint64_t> ends;  // of the file, when so many reports were durable
  const std::string path = segment_path(directory(), 1);
  for (std::uint64_t batch = 0; batch < 6; ++batch) {
    ASSERT_TRUE(log_->append(reports_of(1 + batch * 7, 7, 700), kLogNow));
    std::uint64_t end = 0;
    const auto scan = scan_segment(
        list_segments(directory()).front(), [](const RecordHead&) { return false; },
        [](const SegmentRecord&) { return true; });
    ASSERT_TRUE(scan);
    end = scan->end;
    ends.push_back(end);
  }
  const std::vector<std::uint8_t> whole = file_octets(path);
  Rng rng(5);
  for (int round = 0; round < 60; ++round) {
    const std::string name = "torn" + std::to_string(round);
    const std::uint64_t cut = rng.below(ends.back() + 100);
    std::vector<std::uint8_t> torn(whole.begin(), whole.begin() + static_cast<std::ptrdiff_t>(cut));
    // Behind the cut: nothing, zeros, or what the disk held before.
    if (round % 3 == 1) torn.resize(whole.size(), 0);
    if (round % 3 == 2) torn.resize(whole.size(), 0xa5);
    const std::string copy = report_directory(folder_.path(name));
    std::filesystem::create_directory(copy);
    write_octets(segment_path(copy, 1), torn);

    std::vector<RestoredDedup> marks;
    Result<std::unique_ptr<ReportLog>> opened = ReportLog::open(copy, kSmallSegments, marks);
    ASSERT_TRUE(opened) << opened.error().message;
    const auto batches = std::ranges::count_if(ends, [&](std::uint64_t end) { return end <= cut; });
    const std::uint64_t kept = read_back(folder_.path(name)).size();
    EXPECT_GE(kept, static_cast<std::uint64_t>(batches) * 7) << cut;
    EXPECT_EQ(marks.empty() ? 0 : marks[0].mark.high, kept) << "what is told is what is there";
    // The agent sends again what it holds no acknowledgement for.
    ASSERT_TRUE((*opened)->append(reports_of(kept + 1, 60 - kept, 700), kLogNow));
    EXPECT_EQ(read_back(folder_.path(name)), numbers(1, 60));
  }
}

TEST_F(ReportLogTest, AFlippedBitIsNeverReadAsAReport) {
  open();
  ASSERT_TRUE(log_->append(reports_of(1, 20, 500), kLogNow));
  const std::string path = segment_path(directory(), 1);
  std::vector<std::uint8_t> octets = file_octets(path);
  log_.reset();
  Rng rng(6);
  for (int round = 0; round < 200; ++round) {
    const std::size_t at = rng.below(12'000);
    const auto bit = static_cast<std::uint8_t>(1u << rng.below(8));
    octets[at] ^= bit;
    write_octets(path, octets);
    const std::vector<std::uint64_t> kept = read_back();
    EXPECT_EQ(kept, numbers(1, kept.size()));
    octets[at] ^= bit;
  }
}

TEST_F(ReportLogTest, AFailedSyncCommitsNothingAndTheBatchTriedAgainIsThereOnce) {
  open();
  ASSERT_TRUE(log_->append(reports_of(1, 5), kLogNow));
  disk_faults::fail(disk_faults::Call::sync, 0, 2, EIO);
  EXPECT_FALSE(log_->append(reports_of(6, 5), kLogNow));
  copy_as_killed("after_first");
  EXPECT_FALSE(log_->append(reports_of(6, 5), kLogNow));
  ASSERT_TRUE(log_->append(reports_of(6, 5), kLogNow));
  ASSERT_TRUE(log_->append(reports_of(11, 5), kLogNow));
  EXPECT_EQ(read_back(), numbers(1, 15));
  open();
  EXPECT_EQ(read_back(), numbers(1, 15));
  EXPECT_EQ(restored_[0].mark.high, 15u);

  std::vector<RestoredDedup> marks;
  ASSERT_TRUE(
      ReportLog::open(report_directory(folder_.path("after_first")), kSmallSegments, marks));
  EXPECT_EQ(read_back(folder_.path("after_first")), numbers(1, marks[0].mark.high));
  EXPECT_GE(marks[0].mark.high, 5u);
}

TEST_F(ReportLogTest, AFailureInTheMiddleOfABatchOfManySegmentsLeavesNoRowTwice) {
  for (int good = 0; good < 8; ++good) {
    const std::string name = "spanning" + std::to_string(good);
    std::vector<RestoredDedup> marks;
    const std::string where = report_directory(folder_.path(name));
    Result<std::unique_ptr<ReportLog>> log = ReportLog::open(where, kSmallSegments, marks);
    ASSERT_TRUE(log);
    ASSERT_TRUE((*log)->append(reports_of(1, 50, 9'000), kLogNow));
    disk_faults::fail(good % 2 == 0 ? disk_faults::Call::sync : disk_faults::Call::write, good / 2,
                      1, EIO);
    const Status status = (*log)->append(reports_of(51, 400, 9'000), kLogNow);
    disk_faults::heal();
    if (!status) {
      std::filesystem::copy(where, report_directory(folder_.path(name + "killed")));
      ASSERT_TRUE((*log)->append(reports_of(51, 400, 9'000), kLogNow));
    }
    EXPECT_EQ(read_back(folder_.path(name)), numbers(1, 450)) << good;
    if (status) continue;
    ASSERT_TRUE(
        ReportLog::open(report_directory(folder_.path(name + "killed")), kSmallSegments, marks));
    EXPECT_EQ(read_back(folder_.path(name + "killed")), numbers(1, marks[0].mark.high)) << good;
    EXPECT_GE(marks[0].mark.high, 50u);
  }
}

TEST_F(ReportLogTest, AFullDiskIsMetBeforeTheReportsAndGoesOnWhenThereIsRoom) {
  open();
  disk_faults::fail(disk_faults::Call::set_aside, 0, 1, ENOSPC);
  const Status full = log_->append(reports_of(1, 5), kLogNow);
  ASSERT_FALSE(full);
  EXPECT_EQ(full.error().code, ErrorCode::limit_exceeded);
  EXPECT_TRUE(read_back().empty());
  ASSERT_TRUE(log_->append(reports_of(1, 5), kLogNow));
  // The same where files grow as they are written, and the end comes within a write.
  disk_faults::fail(disk_faults::Call::set_aside, 0, 1, EOPNOTSUPP);
  open();
  disk_faults::cut_write(0, 5'000);
  EXPECT_EQ(log_->append(reports_of(6, 50), kLogNow).error().code, ErrorCode::limit_exceeded);
  disk_faults::cut_write(0, kSegmentBlock);
  EXPECT_EQ(log_->append(reports_of(6, 50), kLogNow).error().code, ErrorCode::limit_exceeded);
  EXPECT_EQ(read_back(), numbers(1, 5));
  ASSERT_TRUE(log_->append(reports_of(6, 50), kLogNow));
  EXPECT_EQ(read_back(), numbers(1, 55));
}

TEST_F(ReportLogTest, ASecondWriterIsRefusedUntilTheFirstIsGone) {
  open();
  std::vector<RestoredDedup> marks;
  const auto second = ReportLog::open(directory(), kSmallSegments, marks);
  ASSERT_FALSE(second);
  EXPECT_EQ(second.error().code, ErrorCode::unavailable);
  log_.reset();
  EXPECT_TRUE(ReportLog::open(directory(), kSmallSegments, marks));
}

TEST_F(ReportLogTest, ReportsOlderThanTheRetentionGoAndTheOthersStay) {
  open(kNoBound);
  ASSERT_TRUE(log_->append(reports_of(1, 5), kLogNow - std::chrono::hours(3)));
  const UnixNanos keep_since = kLogNow - std::chrono::hours(2);
  ASSERT_TRUE(log_->maintain({keep_since, kNoBound}, 0, kLogNow));
  EXPECT_EQ(read_back(), numbers(1, 5)) << "the newest stay, however old";
  // The segment of three hours ago is not written to any more.
  ASSERT_TRUE(log_->append(reports_of(6, 5), kLogNow - std::chrono::hours(1)));
  ASSERT_TRUE(log_->maintain({keep_since, kNoBound}, 0, kLogNow));
  EXPECT_EQ(read_back(), numbers(1, 10)) << "until the newest report of theirs is too old";
  ASSERT_TRUE(log_->maintain({kLogNow - std::chrono::minutes(30), kNoBound}, 0, kLogNow));
  EXPECT_EQ(read_back(), numbers(6, 10));
  EXPECT_EQ(log_->figures().expired, 5u);
}

TEST_F(ReportLogTest, BeyondItsSizeTheOldestGoHoweverYoungAndTheDiskIsNeverFuller) {
  const Bytes bound{std::uint64_t{32} << 20};
  constexpr std::uint64_t kOther = std::uint64_t{4} << 20;
  open(bound);
  for (std::uint64_t first = 1; first < 6'000; first += 100) {
    ASSERT_TRUE(log_->append(reports_of(first, 100, 9'000), kLogNow));
    ASSERT_TRUE(log_->maintain({UnixNanos{}, bound}, kOther, kLogNow));
    ASSERT_LE(disk_octets() + kOther, bound.value);
    ASSERT_EQ(log_->figures().octets, disk_octets());
  }
  const std::vector<std::uint64_t> kept = read_back();
  EXPECT_EQ(kept, numbers(kept.front(), 6'000)) << "without holes";
  EXPECT_EQ(log_->figures().expired, kept.front() - 1);
  EXPECT_GT(kept.size() * 9'000, bound.value / 2);
}

TEST_F(ReportLogTest, ASegmentSetAsideIsUsedNextAndGivenBackAtTheEnd) {
  open();
  EXPECT_TRUE(log_->wants_maintenance());
  ASSERT_TRUE(log_->maintain({UnixNanos{}, kNoBound}, 0, kLogNow));
  EXPECT_FALSE(log_->wants_maintenance());
  ASSERT_TRUE(log_->append(reports_of(1, 2), kLogNow));
  EXPECT_TRUE(log_->wants_maintenance());
  ASSERT_TRUE(log_->maintain({UnixNanos{}, kNoBound}, 0, kLogNow));
  copy_as_killed("killed");
  log_.reset();
  EXPECT_EQ(list_segments(directory()).size(), 1u);
  EXPECT_LT(disk_octets(), 20'000u);
  std::vector<RestoredDedup> marks;
  ASSERT_TRUE(ReportLog::open(report_directory(folder_.path("killed")), kSmallSegments, marks));
  EXPECT_EQ(list_segments(report_directory(folder_.path("killed"))).size(), 1u);
  EXPECT_EQ(read_back(folder_.path("killed")), numbers(1, 2));
}

TEST_F(ReportLogTest, SegmentsOfANewerProgramAreNotTouched) {
  open();
  ASSERT_TRUE(log_->append(reports_of(1, 2), kLogNow));
  log_.reset();
  const std::string path = segment_path(directory(), 1);
  std::vector<std::uint8_t> octets = file_octets(path);
  SegmentHead head;
  std::copy_n(octets.begin(), sizeof head, reinterpret_cast<std::uint8_t*>(&head));
  head.version = 2;
  head.crc = crc_of(head);
  std::copy_n(reinterpret_cast<const std::uint8_t*>(&head), sizeof head, octets.begin());
  write_octets(path, octets);
  std::vector<RestoredDedup> marks;
  const auto opened = ReportLog::open(directory(), kSmallSegments, marks);
  ASSERT_FALSE(opened);
  EXPECT_EQ(opened.error().code, ErrorCode::corrupt);
  EXPECT_EQ(file_octets(path), octets);
}

TEST_F(ReportLogTest, ASegmentWhoseBeginningIsDamagedIsPutAsideAndSaid) {
  open();
  ASSERT_TRUE(log_->append(reports_of(1, 2), kLogNow));
  open();
  ASSERT_TRUE(log_->append(reports_of(3, 2), kLogNow));
  EXPECT_TRUE(log_->damage().empty());
  log_.reset();
  const std::string path = segment_path(directory(), 2);
  std::vector<std::uint8_t> octets = file_octets(path);
  octets[20] ^= 1;
  write_octets(path, octets);
  open();
  EXPECT_NE(log_->damage().find("0000000000000002.seg"), std::string::npos);
  EXPECT_EQ(file_octets(directory() + "/damaged"), octets);
  EXPECT_EQ(restored_[0].mark.high, 2u);
  ASSERT_TRUE(log_->append(reports_of(3, 1), kLogNow));
  EXPECT_EQ(read_back(), numbers(1, 3));
}

TEST_F(ReportLogTest, AMissingDirectoryHoldsNothing) {
  EXPECT_TRUE(list_segments(folder_.path("none")).empty());
  EXPECT_TRUE(read_reports(folder_.path("none"), 0, 5)->empty());
}

TEST(MarkBook, RefusesWhatItDidNotMake) {
  MarkBook book;
  book.note(NodeId{1}, {5, 9}, {5, 7, 0});
  std::vector<std::uint8_t> octets = book.encode();
  MarkBook again;
  ASSERT_TRUE(again.decode(octets));
  EXPECT_EQ(again.encode(), octets);
  octets.pop_back();
  EXPECT_FALSE(again.decode(octets));
  octets.assign(octets.size(), 0xff);
  EXPECT_FALSE(again.decode(octets));
}

TEST(MarkBook, KeepsTheEpochsThatWereUsedLast) {
  MarkBook book;
  for (std::uint64_t epoch = 1; epoch <= 2 * ReportDedup::kEpochsMax; ++epoch) {
    book.note(NodeId{1}, {1, epoch}, {1, epoch, 0});
    book.note(NodeId{1}, {epoch, 1}, {epoch, 1, 0});
  }
  const std::vector<RestoredDedup> restored = book.restored();
  ASSERT_EQ(restored.size(), ReportDedup::kEpochsMax);
  EXPECT_EQ(restored.front().mark.epoch, 1u);
  EXPECT_EQ(restored.back().mark.epoch, 2 * ReportDedup::kEpochsMax);
}

}  // namespace
}  // namespace linkpilot::collector
