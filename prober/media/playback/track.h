// Track: the running figures of one track, audio or video. O(1) a frame. Single thread.
#pragma once

#include <optional>

#include "prober/media/playback/playback_report.h"
#include "prober/media/playback/timeline.h"

namespace linkpilot::prober {

// Behind this much of a dial, the burst of a GOP cache is over.
inline constexpr Duration kBurstWindow = std::chrono::seconds(2);
// A track is starved when it is silent this long while the other runs.
inline constexpr Duration kStarvedAfter = std::chrono::seconds(2);
// A track that runs brings a frame at least this often. Well below the above: where both pause, one
// comes back a frame sooner than the other.
inline constexpr Duration kRunsWithin = std::chrono::seconds(1);

class Track {
 public:
  explicit Track(Duration assumed_step) : line_(assumed_step) {}

  // `other` gives the first frame its distance on the common line.
  TimelineStep on_frame(const MediaUnit& unit, MonoTime now, const Track& other);
  void on_config(const MediaUnit& unit) { changes_ += unit.config_changed ? 1U : 0U; }
  void count_undecodable() { ++report_.undecodable_frames; }

  [[nodiscard]] bool seen() const { return line_.started(); }
  [[nodiscard]] const Timeline& line() const { return line_; }
  [[nodiscard]] std::uint32_t first_timestamp() const { return first_timestamp_; }
  [[nodiscard]] MonoTime last_arrival() const { return last_arrival_; }
  [[nodiscard]] std::uint64_t frames() const { return report_.frames; }
  [[nodiscard]] std::uint64_t octets() const { return report_.octets; }
  [[nodiscard]] TrackReport report(MonoTime now, const Track& other) const;

 private:
  // Whether this one is silent while `other` runs: when both pause, the path or the source does.
  [[nodiscard]] bool other_runs(const Track& other) const;

  TrackReport report_;
  Timeline line_;
  std::uint32_t changes_ = 0;
  std::uint32_t first_timestamp_ = 0;
  MonoTime first_arrival_;
  MonoTime last_arrival_;
  MonoTime running_since_;  // its first frame, or the first behind its last pause
  // The first frame behind the burst window: rates and the realtime ratio count from here.
  bool settled_ = false;
  MonoTime settled_arrival_;
  Duration settled_at_{};
  std::uint64_t settled_frames_ = 0;
};

}  // namespace linkpilot::prober
