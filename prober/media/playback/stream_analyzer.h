// StreamAnalyzer: judges a live stream as it comes, on virtual or real time alike: marks of its
// opening, three virtual players, freezes, rates, clocks, signs of a broken picture. A TagSink:
// either carrier feeds it. Sans-I/O; O(1) a frame plus the NAL unit walk; at most about 60 kB,
// nearly all of it the windows.
//
// Players run on the video from its first decodable key frame, and before that (or without video)
// on the audio. Arrival is when a tag's last octet came; frames that one read brought share it.
// Sequence headers and metadata never touch a timeline. Single thread.
#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <vector>

#include "base/sketch.h"
#include "prober/media/playback/picture_watch.h"
#include "prober/media/playback/playback_report.h"
#include "prober/media/playback/tag_reader.h"
#include "prober/media/playback/track.h"

namespace linkpilot::prober {

class StreamAnalyzer final : public TagSink {
 public:
  static constexpr std::size_t kEventsMax = 64;    // of each list in the report
  static constexpr std::size_t kWindowsMax = 600;  // then two become one, of double length

  explicit StreamAnalyzer(Now started);

  void on_tag_begin(const TagHeader& tag, Now now) override;
  void on_tag_body(std::span<const std::uint8_t> part) override { reader_.body(part); }
  void on_tag_end(Now now) override;

  // As if the dial ended now. A stream that ended by itself is reported at its end, else the
  // silence behind it counts as an open stall.
  [[nodiscard]] PlaybackReport report(Now now) const;

  [[nodiscard]] const PlaybackMarks& marks() const { return marks_; }
  // For live progress, cheaper than a report: media ahead of each player.
  [[nodiscard]] std::array<Duration, 3> buffered(MonoTime now) const;

 private:
  void on_video(const MediaUnit& unit, Now now);
  void on_audio(const MediaUnit& unit, Now now);
  void play(TrackKind kind, const TimelineStep& step, MonoTime now);
  void restart_players(TrackKind kind, Duration at, MonoTime now);
  void note_jump(TrackKind kind, const TimelineStep& step, MonoTime now);
  [[nodiscard]] bool is_gap(const Track& track, const TimelineStep& step) const;
  void note_clock(const SeiClock& clock, Now now);
  void note_interleave(MonoTime now);
  void note_drift(const MediaUnit& unit, const TimelineStep& step);
  void turn_windows(MonoTime now);
  [[nodiscard]] const Track& played() const;
  [[nodiscard]] Duration threshold(const Track& track) const;

  Now started_;
  TagReader reader_;
  PlaybackMarks marks_;
  Track audio_;
  Track video_;
  PictureWatch picture_;
  std::array<VirtualPlayer, 3> players_;
  std::optional<TrackKind> playing_;

  std::uint32_t freezes_ = 0;
  Duration frozen_{};
  Duration longest_freeze_{};
  std::vector<Freeze> freeze_list_;
  std::vector<TimestampJump> jump_list_;

  std::uint64_t octets_ = 0;
  std::uint64_t burst_octets_ = 0;
  Duration burst_first_lateness_{};
  Duration burst_least_lateness_{};
  Duration least_lateness_{};
  Duration lateness_{};
  Duration lateness_max_{};
  MonoTime play_began_;

  LatencySketch interleave_;
  Duration interleave_max_{};
  Duration drift_by_samples_{};
  Duration drift_by_time_{};
  Duration last_audio_duration_{};
  std::uint64_t minimal_audio_frames_ = 0;

  LatencySketch push_delay_;
  PushDelay push_;
  std::uint32_t last_sequence_ = 0;

  Duration window_{std::chrono::seconds(1)};
  MonoTime window_end_;
  PlaybackWindow current_;
  std::vector<PlaybackWindow> windows_;
};

}  // namespace linkpilot::prober
