// DialTarget: one dialled URL from one prober, against its own history and its peers: does it fail
// (and where: stage and code), does its first frame come later, does it stall more. O(1) a dial,
// about 2 kB a target, pure.
//
// Failures: the same sequential test as losses (loss_change.h), with shares of dials; one failed
// dial of a target that works is weather, three of four are a fault. First frame and stalls: change
// points (delay_change.h). A dial whose own prober was overloaded says nothing.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>

#include "base/time.h"
#include "optimizer/detect/delay_change.h"
#include "optimizer/detect/loss_change.h"

namespace linkpilot::optimizer {

// Stage and kind are numbers of the prober's own enumerations; equal numbers are equal failures.
struct DialLook {
  bool prober_overloaded = false;
  bool failed = false;
  std::uint8_t stage = 0;
  std::uint8_t kind = 0;
  std::uint16_t code = 0;  // status of HTTP, or 0
  Duration first_frame{};  // of a dial that did not fail
  double stall_ratio = 0.0;
};

struct DialTargetOptions {
  LossChangeOptions failures{
      .fine = 0.02, .bad = 0.5, .enter_level = 7.0, .leave_level = 3.0, .look_share = 0.5};
  DelayChangeOptions first_frame{.floor = 40.0, .relative_floor = 0.1};  // ms
  DelayChangeOptions stalls{.floor = 1.0, .relative_floor = 0.1};        // percent of the time
  // Against its peers: as many, and half of them, must be faster by both.
  std::size_t peers_min = 3;
  double peers_ratio = 1.5;
  double peers_absolute_ms = 200.0;
};

struct DialFailureCount {
  std::uint8_t stage = 0;
  std::uint8_t kind = 0;
  std::uint16_t code = 0;
  std::uint32_t count = 0;
  friend bool operator==(const DialFailureCount&, const DialFailureCount&) = default;
};

class DialTarget {
 public:
  // Different failures counted since it began to fail; what is more counts in the last.
  static constexpr std::size_t kFailuresKept = 8;

  void add(const DialLook& look, const DialTargetOptions& options);

  [[nodiscard]] bool failing() const { return failures_.bad(); }
  [[nodiscard]] bool late() const { return late_; }
  [[nodiscard]] bool stalling() const { return stalling_; }
  [[nodiscard]] const LossChange& failures() const { return failures_; }
  // The most frequent first; of the present run of evidence.
  [[nodiscard]] std::span<const DialFailureCount> kinds() const {
    return {kinds_.data(), kinds_used_};
  }
  // Milliseconds; nothing while too few dials worked.
  [[nodiscard]] std::optional<double> first_frame_ms() const;
  [[nodiscard]] std::optional<double> first_frame_usual_ms() const;

 private:
  void note_failure(const DialLook& look);
  static void follow(bool& standing, double& usual, DelayChange& series, double value,
                     const DelayChangeOptions& options);

  LossChange failures_;
  std::array<DialFailureCount, kFailuresKept> kinds_{};
  std::size_t kinds_used_ = 0;
  DelayChange first_frame_;
  DelayChange stalls_;
  double first_frame_usual_ms_ = 0.0;  // before it became late
  double stalls_usual_ = 0.0;
  bool late_ = false;
  bool stalling_ = false;
};

// Later than its peers: targets of the same stream or class, dialled in the same minutes. Unknown
// (false) without enough of them.
[[nodiscard]] bool later_than_peers(double first_frame_ms, std::span<const double> peers_ms,
                                    const DialTargetOptions& options);

}  // namespace linkpilot::optimizer
