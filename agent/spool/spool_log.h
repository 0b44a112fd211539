// SpoolLog: every report that may still have to be sent, on disk (spool_format.h), so that no end
// of this process loses one. All the file work and all the rules of the spool are here; it runs on
// the file thread, and ReportSpool is its counterpart on the loop.
//
// - append() never fails: where the disk refuses, the report is held in memory (bounded), and
//   written as soon as the disk takes it. Failures are counted and said.
// - An acknowledged report is kept `keep_acked` longer where there is room, for resend().
// - Full (size_max, reports_max, memory_bytes_max): the oldest go, acknowledged ones first; those
//   that were not are counted as dropped.
// - What was written is in the page cache at once (SIGKILL loses nothing) and on the disk after the
//   next maintain(). After a failed sync the kernel may have dropped what it could not write
//   (P. Rebello et al., "Can Applications Recover from fsync Failures?", USENIX ATC 2020), so the
//   segment is cut where it was last good and what followed is written again, to a new one.
//
// Positions number the records of one run, ascending in the order of sending; they are not kept.
#pragma once

#include <cstdint>
#include <deque>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "agent/spool/spool_files.h"
#include "agent/spool/spool_format.h"
#include "base/report.h"
#include "base/time.h"

namespace linkpilot::agent {

using SharedOctets = std::shared_ptr<const std::vector<std::uint8_t>>;

struct SpooledReport {
  ReportId id;
  SharedOctets bytes;
};

struct SpoolFigures {
  std::uint64_t reports = 0;      // not acknowledged
  std::uint64_t octets = 0;       // of those
  std::uint64_t disk_octets = 0;  // all segments
  std::uint64_t dropped = 0;      // reports, ever: full, or unreadable
  std::uint64_t in_memory = 0;    // reports the disk has not taken yet
  std::uint64_t failures = 0;     // of this run
  std::uint64_t torn_octets = 0;  // cut off or unreadable at start
  std::string error;              // empty: the disk works
};

struct SpoolOptions {
  std::uint64_t size_max = std::uint64_t{64} << 20;
  std::size_t memory_bytes_max = std::size_t{1} << 20;
  std::size_t reports_max = 65'536;
  Duration keep_acked = std::chrono::minutes(10);
  [[nodiscard]] std::uint64_t segment_bytes() const;
};

class SpoolLog {
 public:
  SpoolLog(const SpoolOptions& options, std::unique_ptr<SpoolFiles> files)
      : options_(options), files_(std::move(files)) {}

  // Reads what earlier runs left; call first. Cuts a torn tail, drops what is damaged.
  void recover();
  // The record's position.
  std::uint64_t append(const SpooledReport& report);
  void acknowledge(ReportId up_to);
  // Reports of the epoch from `first` on count as not acknowledged.
  void resend(ReportId first);
  // Syncs, writes marks, tries again what the disk refused, and lets go of what is old. Call about
  // each second.
  void maintain(Now now);

  struct Batch {
    std::vector<SpooledReport> reports;
    std::uint64_t through = 0;  // the last position looked at
  };
  // Reports behind `after` that are not acknowledged, oldest first: at least one if there is one,
  // then as many as fit.
  [[nodiscard]] Batch read(std::uint64_t after, std::size_t bytes_max);

  [[nodiscard]] std::uint64_t newest() const { return first_ + entries_.size() - 1; }
  // Reports it keeps account of, acknowledged ones too.
  [[nodiscard]] std::size_t remembered() const { return entries_.size(); }
  [[nodiscard]] SpoolFigures figures() const;

 private:
  enum class Place : std::uint8_t { memory, disk, gone };
  struct Entry {
    ReportId id;
    std::uint64_t segment = 0;
    std::uint32_t offset = 0;
    std::uint32_t length = 0;
    Place place = Place::memory;
  };
  struct Segment {
    std::uint64_t number = 0;
    std::uint64_t bytes = 0;
    std::uint64_t synced_bytes = 0;
    std::uint64_t last = 0;  // position of its last record; 0: none
    std::optional<MonoTime> acked_since;
  };

  void recover_segment(std::uint64_t number, bool newest);
  void flush();
  [[nodiscard]] bool write(std::uint64_t position);
  [[nodiscard]] bool free_kept(const Error& refusal);
  [[nodiscard]] bool open_segment();
  void close_segment();
  [[nodiscard]] bool append_octets(std::span<const std::uint8_t> octets);
  void write_marks();
  void sync();
  void withdraw_unsynced();
  void make_room(std::uint64_t octets);
  void bound_memory();
  void retire(Now now);
  [[nodiscard]] bool all_acked(const Segment& segment) const;
  void drop_oldest_segment();
  void forget_epochs();
  void release(std::uint64_t position);
  void lose(Entry& entry, std::uint64_t position);
  void advance();
  void note(const Status& failure);
  [[nodiscard]] Entry& at(std::uint64_t position) { return entries_[position - first_]; }
  [[nodiscard]] const Entry& at(std::uint64_t position) const {
    return entries_[position - first_];
  }
  [[nodiscard]] bool acked(ReportId id) const;
  [[nodiscard]] SharedOctets load(Entry& entry, std::uint64_t position);

  SpoolOptions options_;
  std::unique_ptr<SpoolFiles> files_;
  std::deque<Entry> entries_;
  std::uint64_t first_ = 1;       // position of entries_.front()
  std::uint64_t unacked_ = 1;     // all before are acknowledged or gone
  std::uint64_t unwritten_ = 1;   // all before were on disk once
  std::deque<Segment> segments_;  // oldest first; the last is open if `open_`
  bool open_ = false;
  std::uint64_t next_number_ = 1;
  std::map<std::uint64_t, SharedOctets> memory_;  // by position: not written, or not synced
  std::size_t memory_bytes_ = 0;
  std::map<std::uint64_t, std::uint64_t> acked_;  // epoch -> sequence
  bool marks_due_ = false;
  std::uint64_t reports_ = 0;
  std::uint64_t octets_ = 0;
  std::uint64_t disk_octets_ = 0;
  std::uint64_t dropped_ = 0;
  std::uint64_t failures_ = 0;
  std::uint64_t torn_octets_ = 0;
  std::string error_;
};

}  // namespace linkpilot::agent
