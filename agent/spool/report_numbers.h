// ReportNumbers: which (epoch, sequence) the next report gets, so that none is ever used twice,
// whatever kills the process. Sequences are reserved on disk in blocks: the file names one beyond
// all that were handed out, and a restart goes on from there (it skips, it never repeats; the
// collector is told what was skipped). Where the disk refuses, a fresh random epoch goes on in
// memory: what was never written is never found again. A core but for load() and save().
#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <string>

#include "base/report.h"
#include "base/result.h"

namespace linkpilot::agent {

// No sequence of `epoch` from `next` on was handed out.
struct NumberReservation {
  std::uint64_t epoch = 0;
  std::uint64_t next = 0;
  friend bool operator==(const NumberReservation&, const NumberReservation&) = default;
};

class ReportNumbers {
 public:
  inline static constexpr std::uint64_t kBlock = 1'024;

  // `found`: what load() found. `draw` makes a random epoch.
  ReportNumbers(std::optional<NumberReservation> found, std::function<std::uint64_t()> draw);

  [[nodiscard]] ReportId take();
  [[nodiscard]] std::uint64_t epoch() const { return epoch_; }
  // What should be saved now; nothing while enough is reserved. The answer comes by on_saved().
  [[nodiscard]] std::optional<NumberReservation> wanted() const;
  void on_saved(const NumberReservation& saved);

 private:
  void begin_epoch();
  std::function<std::uint64_t()> draw_;
  std::uint64_t epoch_ = 0;
  std::uint64_t next_ = 1;
  std::optional<std::uint64_t> reserved_;  // first that is not ours; none: the epoch is not on disk
};

// Nothing if there is no file or it is damaged.
[[nodiscard]] std::optional<NumberReservation> load_numbers(const std::string& path);
[[nodiscard]] Status save_numbers(const std::string& path, const NumberReservation& reservation);

}  // namespace linkpilot::agent
