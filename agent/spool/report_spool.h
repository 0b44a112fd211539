// ReportSpool: reports that the collector has not acknowledged, in order. A report is encoded once,
// enters here before it is sent, and leaves only by an acknowledgement or, when the spool is full,
// as the oldest one: dropped and counted. A core; SequenceFile keeps the numbering over restarts.
//
// The contract: acknowledgements are cumulative; at most `window` reports are under way; after a
// reconnect everything not acknowledged is sent again, in order. The receiver dedups on (epoch,
// sequence). Sequences never repeat; they may skip (dropped reports, a restart).
#pragma once

#include <cstdint>
#include <deque>
#include <span>
#include <vector>

#include "base/report.h"

namespace linkpilot::agent {

class ReportSpool {
 public:
  struct Options {
    std::size_t bytes_max = std::size_t{1} << 20;
    std::size_t reports_max = 600;
    std::uint64_t window = 64;
  };

  ReportSpool(const Options& options, std::uint64_t epoch) : options_(options), epoch_(epoch) {}

  [[nodiscard]] std::uint64_t epoch() const { return epoch_; }
  // `bytes` is the encoded report whose id is {epoch(), sequence}; sequences grow.
  void push(std::uint64_t sequence, std::vector<std::uint8_t> bytes);
  // Everything up to and including this report is durable. Another epoch's word is ignored.
  void acknowledge(ReportId up_to);
  // A new connection: what is not acknowledged is to be sent again.
  void rewind() { sent_ = 0; }

  // The next report to send; empty when there is none or the window is full. Call sent() once it
  // went out. Valid until the spool changes.
  [[nodiscard]] std::span<const std::uint8_t> next() const;
  void sent() { ++sent_; }

  [[nodiscard]] std::size_t reports() const { return entries_.size(); }
  [[nodiscard]] std::size_t bytes() const { return bytes_; }
  [[nodiscard]] std::uint64_t dropped() const { return dropped_; }

 private:
  struct Entry {
    std::uint64_t sequence = 0;
    std::vector<std::uint8_t> bytes;
  };
  void pop_front();

  Options options_;
  std::uint64_t epoch_;
  std::deque<Entry> entries_;
  std::size_t sent_ = 0;  // of entries_, from the front
  std::size_t bytes_ = 0;
  std::uint64_t dropped_ = 0;
};

}  // namespace linkpilot::agent
