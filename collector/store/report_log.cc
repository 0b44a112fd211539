#include "collector/store/report_log.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstdlib>
#include <cstring>

#include "base/assert.h"

namespace linkpilot::collector {

namespace {

// A segment is a thirty-second of the store, within these.
constexpr std::uint64_t kSegmentShare = 32;
constexpr std::uint64_t kSegmentMin = std::uint64_t{1} << 20;
constexpr std::uint64_t kSegmentMax = std::uint64_t{64} << 20;
constexpr std::size_t kBufferMin = std::size_t{1} << 20;
// Beyond this a batch is written in pieces.
constexpr std::size_t kWriteMax = std::size_t{4} << 20;
constexpr mode_t kMode = 0640;

tl::unexpected<Error> fail_errno(const std::string& what) {
  const int error = errno;
  const ErrorCode code = error == ENOSPC || error == EDQUOT || error == EFBIG
                             ? ErrorCode::limit_exceeded
                             : ErrorCode::unavailable;
  return fail(code, fmt::format("{}: {}", what, std::strerror(error)));
}

Status sync_directory(const std::string& path) {
  const UniqueFd directory(::open(path.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  if (!directory || ::fsync(directory.get()) != 0) return fail_errno("sync " + path);
  return {};
}

UniqueFd open_segment(const std::string& path) {
  constexpr int kFlags = O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC;
  UniqueFd file(::open(path.c_str(), kFlags | O_DIRECT, kMode));
  // Some file systems (tmpfs) know no direct writes.
  if (!file && errno == EINVAL) {
    ::unlink(path.c_str());
    file = UniqueFd(::open(path.c_str(), kFlags, kMode));
  }
  return file;
}

void note_marks(MarkBook& marks, std::span<const StoredReport> reports) {
  for (const StoredReport& report : reports) marks.note(report.node, report.id, report.mark);
}

// The marks at the end of a segment: those of its beginning, and what its reports added.
bool read_marks(const SegmentFile& segment, MarkBook& marks, std::uint64_t& next_row,
                std::uint64_t& end) {
  bool has_marks = false;
  next_row = segment.head.first_row;
  const Result<SegmentScan> scan = scan_segment(
      segment, [](const RecordHead&) { return true; },
      [&](const SegmentRecord& record) {
        const RecordHead& head = record.head;
        if (head.kind == RecordKind::marks) {
          has_marks = marks.decode(record.payload);
          return has_marks;
        }
        if (!has_marks || head.kind != RecordKind::report) return false;
        marks.note(NodeId{head.node}, {head.epoch, head.sequence},
                   {head.epoch, head.mark_high, head.mark_skipped});
        next_row = head.row + 1;
        return true;
      });
  if (scan) end = scan->end;
  return scan && has_marks;
}

}  // namespace

void ReportLog::Aligned::operator()(std::uint8_t* block) const { std::free(block); }

ReportLog::ReportLog(std::string directory, Bytes size_max)
    : directory_(std::move(directory)),
      segment_octets_(padded(std::clamp(size_max.value / kSegmentShare, kSegmentMin, kSegmentMax),
                             kSegmentBlock)) {}

ReportLog::~ReportLog() {
  seal();
  if (prepared_.file) ::unlink(segment_path(directory_, prepared_.number).c_str());
}

Result<std::unique_ptr<ReportLog>> ReportLog::open(const std::string& directory, Bytes size_max,
                                                   std::vector<RestoredDedup>& marks) {
  if (Status status = make_directories(directory); !status) return fail(status.error());
  std::unique_ptr<ReportLog> log(new ReportLog(directory, size_max));
  log->lock_ = UniqueFd(::open(directory.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  if (!log->lock_) return fail_errno("open " + directory);
  if (::flock(log->lock_.get(), LOCK_EX | LOCK_NB) != 0) {
    return fail(ErrorCode::unavailable, directory + ": another process writes here");
  }
  std::vector<SegmentFile> segments = list_segments(directory);
  if (Status status = log->recover(segments); !status) return fail(status.error());
  for (const SegmentFile& segment : segments) {
    if (!segment.whole_head) continue;
    log->kept_.push_back({segment.number, segment.head.first_row,
                          UnixNanos{segment.head.created_ns}, segment.octets});
  }
  marks = log->marks_.restored();
  return log;
}

// The newest segment that was begun has it all; what comes after it was only set aside.
Status ReportLog::recover(std::vector<SegmentFile>& segments) {
  for (const SegmentFile& segment : segments) {
    if (segment.newer) return fail(ErrorCode::corrupt, segment.path + " is of a newer program");
  }
  if (!segments.empty()) next_number_ = segments.back().number + 1;
  for (; !segments.empty(); segments.pop_back()) {
    const SegmentFile& last = segments.back();
    std::uint64_t end = 0;
    if (!last.whole_head || !read_marks(last, marks_, next_row_, end)) {
      if (Status status = put_aside(last); !status) return status;
      continue;
    }
    // Nothing is acknowledged on the strength of octets that only the kernel's memory holds.
    const UniqueFd file(::open(last.path.c_str(), O_RDWR | O_CLOEXEC));
    if (!file || ::ftruncate(file.get(), static_cast<off_t>(end)) != 0 ||
        ::fsync(file.get()) != 0) {
      return fail_errno("mend " + last.path);
    }
    segments.back().octets = padded(end, kSegmentBlock);
    return {};
  }
  marks_ = {};
  return {};
}

// A segment that begins with zeros holds nothing. Any other is kept, one at most.
Status ReportLog::put_aside(const SegmentFile& segment) {
  if (segment.unused) {
    return ::unlink(segment.path.c_str()) == 0 ? Status{} : fail_errno("remove " + segment.path);
  }
  const std::string kept = directory_ + "/damaged";
  if (::rename(segment.path.c_str(), kept.c_str()) != 0)
    return fail_errno("rename " + segment.path);
  damage_ = fmt::format("{} is damaged, its reports are lost: kept as {}", segment.path, kept);
  return {};
}

Result<ReportLog::Prepared> ReportLog::prepare(std::uint64_t number) const {
  const std::string path = segment_path(directory_, number);
  Prepared out;
  out.file = open_segment(path);
  if (!out.file) return fail_errno("make " + path);
  out.number = number;
  // Room is set aside now, so that a full disk is met here. Where that is not known, files grow.
  if (::fallocate(out.file.get(), 0, 0, static_cast<off_t>(segment_octets_)) != 0 &&
      errno != EOPNOTSUPP && errno != ENOSYS) {
    auto error = fail_errno("set aside " + path);
    ::unlink(path.c_str());
    return error;
  }
  out.octets = segment_octets_;
  Status status;
  if (::fsync(out.file.get()) != 0) status = fail_errno("sync " + path);
  if (status) status = sync_directory(directory_);
  if (status) return out;
  ::unlink(path.c_str());
  return fail(status.error());
}

// What was set aside and not used is given back.
void ReportLog::seal() {
  if (!current_) return;
  if (::ftruncate(current_.get(), static_cast<off_t>(write_at_)) == 0) {
    const std::lock_guard lock(mutex_);
    kept_.back().octets = write_at_;
  }
  current_.reset();
}

Status ReportLog::begin_segment(const MarkBook& marks, UnixNanos now) {
  seal();
  Prepared next;
  std::uint64_t number = 0;
  {
    const std::lock_guard lock(mutex_);
    next = std::exchange(prepared_, {});
    // It was set aside too late, after a younger one was made in a hurry.
    if (next.file && !kept_.empty() && next.number < kept_.back().number) {
      ::unlink(segment_path(directory_, next.number).c_str());
      next = {};
    }
    if (!next.file) number = next_number_++;
  }
  if (!next.file) {
    Result<Prepared> made = prepare(number);
    if (!made) return fail(made.error());
    next = *std::move(made);
  }
  current_ = std::move(next.file);
  write_at_ = 0;
  current_since_ = now;
  SegmentHead head;
  head.number = next.number;
  head.first_row = next_row_;
  head.created_ns = now.ns;
  head.crc = crc_of(head);
  put_octets(&head, sizeof head);
  RecordHead record;
  record.kind = RecordKind::marks;
  put(record, marks.encode());
  const std::lock_guard lock(mutex_);
  kept_.push_back({next.number, next_row_, now, next.octets});
  return {};
}

void ReportLog::put_octets(const void* octets, std::size_t size) {
  if (buffered_ + size > buffer_size_) {
    const std::size_t wanted = std::max(kBufferMin, padded(2 * (buffered_ + size), kSegmentBlock));
    auto* grown = static_cast<std::uint8_t*>(std::aligned_alloc(kSegmentBlock, wanted));
    LP_ASSERT(grown != nullptr);
    if (buffered_ > 0) std::memcpy(grown, buffer_.get(), buffered_);
    buffer_.reset(grown);
    buffer_size_ = wanted;
  }
  if (size > 0) std::memcpy(buffer_.get() + buffered_, octets, size);
  buffered_ += size;
}

void ReportLog::put(const RecordHead& head, std::span<const std::uint8_t> octets) {
  RecordHead out = head;
  out.octets = static_cast<std::uint32_t>(octets.size());
  out.crc = crc_of(out, octets);
  put_octets(&out, sizeof out);
  put_octets(octets.data(), octets.size());
  constexpr std::uint8_t kZeros[8] = {};
  put_octets(kZeros, padded(octets.size(), 8) - octets.size());
}

Status ReportLog::flush() {
  if (buffered_ == 0) return {};
  const std::size_t whole = padded(buffered_, kSegmentBlock);
  LP_ASSERT(whole <= buffer_size_);
  std::memset(buffer_.get() + buffered_, 0, whole - buffered_);
  const std::uint8_t* at = buffer_.get();
  std::size_t left = whole;
  while (left > 0) {
    const ssize_t done = ::pwrite(current_.get(), at, left, static_cast<off_t>(write_at_));
    if (done < 0 && errno == EINTR) continue;
    if (done <= 0) return fail_errno("write reports");
    // A short write that ends off a boundary is a disk that is all but full.
    if (static_cast<std::size_t>(done) % kSegmentBlock != 0) {
      errno = ENOSPC;
      return fail_errno("write reports");
    }
    at += done;
    left -= static_cast<std::size_t>(done);
    write_at_ += static_cast<std::uint64_t>(done);
  }
  buffered_ = 0;
  touched_ = true;
  return {};
}

Status ReportLog::sync() {
  if (!touched_) return {};
  if (::fdatasync(current_.get()) != 0) return fail_errno("sync reports");
  touched_ = false;
  return {};
}

Status ReportLog::write_batch(std::span<const StoredReport> reports, UnixNanos now) {
  UnixNanos roll_before;
  {
    const std::lock_guard lock(mutex_);
    roll_before = roll_before_;
  }
  for (std::size_t i = 0; i < reports.size(); ++i) {
    const StoredReport& report = reports[i];
    const std::size_t size = record_octets(report.bytes.size());
    const bool is_full = write_at_ > 0 && write_at_ + buffered_ + size > segment_octets_;
    if (!current_ || is_full || current_since_ < roll_before) {
      if (current_) {
        Status status = flush();
        if (status) status = sync();
        if (!status) return status;
      }
      // All of the batch so far is durable in the segment before.
      MarkBook marks = marks_;
      note_marks(marks, reports.first(i));
      if (Status status = begin_segment(marks, now); !status) return status;
    }
    RecordHead head;
    head.kind = RecordKind::report;
    head.node = report.node.value;
    head.row = next_row_++;
    head.epoch = report.id.epoch;
    head.sequence = report.id.sequence;
    head.received_ns = report.received.ns;
    head.mark_high = report.mark.high;
    head.mark_skipped = report.mark.skipped;
    put(head, report.bytes);
    if (buffered_ < kWriteMax) continue;
    if (Status status = flush(); !status) return status;
  }
  if (Status status = flush(); !status) return status;
  return sync();
}

Status ReportLog::append(std::span<const StoredReport> reports, UnixNanos now) {
  if (reports.empty()) return {};
  const std::uint64_t first_row = next_row_;
  const std::uint64_t began_at = write_at_;
  const Status status = write_batch(reports, now);
  if (status) {
    note_marks(marks_, reports);
    return {};
  }
  // A file whose write or sync failed is not trusted again: the batch goes to a new one, whose
  // first row says that what this one has of the batch does not count.
  next_row_ = first_row;
  buffered_ = 0;
  touched_ = false;
  std::uint64_t abandoned = 0;
  {
    const std::lock_guard lock(mutex_);
    // Segments that the batch itself began hold nothing of worth.
    while (!kept_.empty() && kept_.back().first_row >= first_row && current_) {
      const std::uint64_t number = kept_.back().number;
      kept_.pop_back();
      ::unlink(segment_path(directory_, number).c_str());
      ++abandoned;
    }
    if (abandoned == 0 && current_ && !kept_.empty()) kept_.back().octets = began_at;
  }
  if (abandoned == 0 && current_) {
    [[maybe_unused]] const int cut = ::ftruncate(current_.get(), static_cast<off_t>(began_at));
  }
  current_.reset();
  write_at_ = 0;
  return status;
}

std::uint64_t ReportLog::total_octets() const {
  std::uint64_t octets = prepared_.octets;
  for (const Kept& kept : kept_) octets += kept.octets;
  return octets;
}

void ReportLog::expire(const RetentionRule& rule, std::uint64_t other_octets) {
  for (;;) {
    std::uint64_t number = 0;
    {
      const std::lock_guard lock(mutex_);
      if (kept_.size() < 2) return;
      const std::uint64_t coming = prepared_.file ? 0 : segment_octets_;
      const bool too_much = total_octets() + coming + other_octets > rule.size_max.value;
      const bool too_old = kept_[1].created < rule.keep_since;
      if (!too_much && !too_old) return;
      number = kept_.front().number;
      expired_ += kept_[1].first_row - kept_.front().first_row;
      kept_.pop_front();
    }
    ::unlink(segment_path(directory_, number).c_str());
  }
}

Status ReportLog::maintain(const RetentionRule& rule, std::uint64_t other_octets, UnixNanos now) {
  expire(rule, other_octets);
  std::uint64_t number = 0;
  {
    const std::lock_guard lock(mutex_);
    // So that reports go soon after they are too old, a segment is open for a part of the time.
    const auto kept_for = now - rule.keep_since;
    roll_before_ = now - kept_for / static_cast<std::int64_t>(kSegmentShare);
    if (prepared_.file) return {};
    number = next_number_++;
  }
  Result<Prepared> next = prepare(number);
  if (!next) return fail(next.error());
  const std::lock_guard lock(mutex_);
  prepared_ = *std::move(next);
  return {};
}

bool ReportLog::wants_maintenance() const {
  const std::lock_guard lock(mutex_);
  return !prepared_.file;
}

ReportLog::Figures ReportLog::figures() const {
  const std::lock_guard lock(mutex_);
  return {total_octets(), expired_, kept_.size()};
}

}  // namespace linkpilot::collector
