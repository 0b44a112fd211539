// Writes reports into segments (report_segment.h): one batch is one write and one fdatasync, and is
// durable when `append` says so. Past the page cache (O_DIRECT) where the file system can, into
// space that was set aside before: a commit then costs no copy, no journal and no surprise about
// room. Keeps within a size and an age by deleting the oldest segments whole.
//
// `append` is for one thread; `maintain` and `figures` for another. Internal to store/.
#pragma once

#include <cstdint>
#include <deque>
#include <memory>
#include <mutex>
#include <span>
#include <string>
#include <vector>

#include "base/result.h"
#include "base/runtime/files.h"
#include "base/units.h"
#include "collector/store/report_segment.h"

namespace linkpilot::collector {

struct RetentionRule {
  UnixNanos keep_since;  // older reports may go
  Bytes size_max;
};

class ReportLog {
 public:
  struct Figures {
    std::uint64_t octets = 0;   // of the disk
    std::uint64_t expired = 0;  // reports deleted by this run
    std::uint64_t segments = 0;
  };

  // Reads what is there: dedup marks, the last row. What a crash left half-written is cut off.
  // Refused while another log, of any process, has this directory open.
  [[nodiscard]] static Result<std::unique_ptr<ReportLog>> open(const std::string& directory,
                                                               Bytes size_max,
                                                               std::vector<RestoredDedup>& marks);
  ~ReportLog();
  // What `open` found damaged: nothing, or a sentence. The file lies as "damaged" in the directory.
  [[nodiscard]] const std::string& damage() const { return damage_; }
  ReportLog(const ReportLog&) = delete;
  ReportLog& operator=(const ReportLog&) = delete;

  // All or nothing; durable when it returns success. After a failure the same batch may be tried
  // again: it goes to a new segment, and what was written of it does not count.
  [[nodiscard]] Status append(std::span<const StoredReport> reports, UnixNanos now);

  // Sets the next segment aside and deletes what is too old or too much: never the newest.
  // `other_octets`: what the rest of the store takes of `size_max`.
  [[nodiscard]] Status maintain(const RetentionRule& rule, std::uint64_t other_octets,
                                UnixNanos now);
  // True once the segment that was set aside is in use.
  [[nodiscard]] bool wants_maintenance() const;
  [[nodiscard]] Figures figures() const;

 private:
  ReportLog(std::string directory, Bytes size_max);
  struct Aligned {
    void operator()(std::uint8_t* block) const;
  };
  struct Prepared {
    UniqueFd file;
    std::uint64_t number = 0;
    std::uint64_t octets = 0;
  };
  struct Kept {
    std::uint64_t number = 0;
    std::uint64_t first_row = 0;
    UnixNanos created;
    std::uint64_t octets = 0;
  };

  [[nodiscard]] Status recover(std::vector<SegmentFile>& segments);
  [[nodiscard]] Status put_aside(const SegmentFile& segment);
  [[nodiscard]] Result<Prepared> prepare(std::uint64_t number) const;
  [[nodiscard]] Status begin_segment(const MarkBook& marks, UnixNanos now);
  void seal();
  void put(const RecordHead& head, std::span<const std::uint8_t> octets);
  void put_octets(const void* octets, std::size_t size);
  [[nodiscard]] Status flush();
  [[nodiscard]] Status sync();
  [[nodiscard]] Status write_batch(std::span<const StoredReport> reports, UnixNanos now);
  void expire(const RetentionRule& rule, std::uint64_t other_octets);
  [[nodiscard]] std::uint64_t total_octets() const;  // mutex_ held

  const std::string directory_;
  const std::uint64_t segment_octets_;

  UniqueFd lock_;
  std::string damage_;

  // The appending thread's.
  UniqueFd current_;
  std::uint64_t write_at_ = 0;  // a boundary
  UnixNanos current_since_;
  bool has_reports_ = false;  // the current one
  bool touched_ = false;      // written since the last sync
  std::uint64_t next_row_ = 1;
  MarkBook marks_;
  std::unique_ptr<std::uint8_t, Aligned> buffer_;
  std::size_t buffer_size_ = 0;
  std::size_t buffered_ = 0;

  mutable std::mutex mutex_;
  Prepared prepared_;              // guarded by mutex_
  std::deque<Kept> kept_;          // guarded by mutex_; oldest first, the last is in use
  std::uint64_t next_number_ = 1;  // guarded by mutex_
  std::uint64_t expired_ = 0;      // guarded by mutex_
  UnixNanos roll_before_;          // guarded by mutex_; a segment begun before this is full
};

}  // namespace linkpilot::collector
