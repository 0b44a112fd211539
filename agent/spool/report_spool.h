// ReportSpool: the loop's side of the spool. A report waits here until it is on disk (SpoolLog),
// then until it is sent, then until it is acknowledged; what does not fit in memory stays on disk
// only and is read back when its turn comes. A core: the shell carries what `next_append`,
// `next_read`, `take_acknowledgement` and `take_resend` ask for to the file thread, in this order
// of time, and brings the answers.
//
// The contract: nothing is sent before it is spooled; acknowledgements are cumulative per epoch; at
// most a window is under way; after a reconnect everything not acknowledged is sent again, in
// order. The receiver dedups on (epoch, sequence). Sequences never repeat; they may skip.
#pragma once

#include <cstdint>
#include <deque>
#include <map>
#include <optional>
#include <vector>

#include "agent/spool/spool_log.h"
#include "base/report.h"

namespace linkpilot::agent {

class ReportSpool {
 public:
  struct Options {
    std::size_t ready_bytes_max = std::size_t{512}
                                  << 10;  // read from disk, or not yet written away
    std::size_t ready_reports_max = 64;
    std::size_t waiting_bytes_max = std::size_t{1} << 20;  // for the file thread
    std::size_t waiting_reports_max = 64;
    // Under way at once. Small: an alarm waits behind what is in the socket's queue.
    std::size_t window_reports = 16;
    std::size_t window_bytes = std::size_t{64} << 10;  // one report may be larger
  };

  explicit ReportSpool(const Options& options) : options_(options) {}

  // Sequences of an epoch grow. Full: the oldest that waits is dropped and counted.
  void push(ReportId id, std::vector<std::uint8_t> bytes);

  // --- towards the file thread ---
  // The next report to append; null: none. Valid until the spool changes.
  [[nodiscard]] const SpooledReport* next_append() const;
  void append_started() { ++appending_; }
  void on_appended(std::uint64_t position);  // of the oldest that was started
  // Read behind this position; nothing: no need, or one is under way.
  [[nodiscard]] std::optional<std::uint64_t> next_read() const;
  void read_started() { reading_ = true; }
  void on_read(SpoolLog::Batch batch);
  // What was on disk at start: everything up to this position.
  void on_recovered(std::uint64_t newest);
  [[nodiscard]] std::optional<ReportId> take_acknowledgement();
  [[nodiscard]] std::optional<ReportId> take_resend();

  // --- towards the collector ---
  void acknowledge(ReportId up_to);
  // A new connection, or no answer: what is not acknowledged is to be sent again.
  void rewind();
  void resend(ReportId first);
  // The next report to send; null: none, or the window is full. Valid until the spool changes.
  [[nodiscard]] const SpooledReport* next() const;
  void sent();
  void set_window(std::size_t reports) { window_ = reports; }

  [[nodiscard]] std::size_t under_way() const { return sent_; }
  [[nodiscard]] std::uint64_t acknowledgements() const { return acknowledgements_; }
  [[nodiscard]] std::size_t waiting() const { return waiting_.size(); }
  [[nodiscard]] std::size_t ready() const { return ready_.size(); }
  // Reports the file thread was too slow for; those that the disk dropped are SpoolLog's.
  [[nodiscard]] std::uint64_t dropped() const { return dropped_; }

 private:
  [[nodiscard]] bool has_room(std::size_t bytes) const;
  void make_ready(SpooledReport report);

  Options options_;
  std::deque<SpooledReport> waiting_;  // the first `appending_` are with the file thread
  std::size_t appending_ = 0;
  std::size_t waiting_bytes_ = 0;
  std::deque<SpooledReport> ready_;  // spooled; the first `sent_` are under way
  std::size_t sent_ = 0;
  std::size_t sent_bytes_ = 0;
  std::size_t ready_bytes_ = 0;
  std::size_t window_ = 1;
  std::uint64_t newest_ = 0;   // position of the newest spooled report
  std::uint64_t through_ = 0;  // up to here everything was taken into ready_
  bool reading_ = false;
  bool discard_read_ = false;                     // the read under way was overtaken by a resend
  std::map<std::uint64_t, std::uint64_t> acked_;  // epoch -> sequence
  std::map<std::uint64_t, std::uint64_t> acknowledgement_;  // not yet told the file thread
  std::optional<ReportId> resend_;
  std::uint64_t acknowledgements_ = 0;
  std::uint64_t dropped_ = 0;
};

}  // namespace linkpilot::agent
