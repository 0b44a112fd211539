// The verdict of a dial in one word and one sentence an operator can act on: a pure function of the
// figures. The thresholds are here, each with where it comes from.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/time.h"
#include "prober/media/playback/playback_report.h"

namespace linkpilot::prober {

// Worst first: of several findings the first is the verdict.
enum class VerdictKind : std::uint8_t {
  cannot_open,
  video_missing,
  audio_missing,
  stutters,
  out_of_sync,
  picture_suspect,
  late,
  probe_limited,  // nothing wrong was seen, by a dial that its own limits cut short or delayed
  fine,
};

[[nodiscard]] std::string_view to_string(VerdictKind kind);

// What the one who dials knows and the stream does not say.
enum class TrackWish : std::uint8_t {
  if_announced,  // missing only if a configuration or a frame of it was seen, then none
  required,
  unwanted,
};

struct VerdictOptions {
  TrackWish audio = TrackWish::if_announced;
  TrackWish video = TrackWish::if_announced;
  // Why the dial could not open the stream, in words; empty when carrier and server did their part.
  std::string failure{};
  // Aliyun's live statistics call an opening of 3 s and more slow.
  Duration opening_max = std::chrono::seconds(3);
  // Pushed to pulled, or fallen behind the dial's own best moment.
  Duration delay_max = std::chrono::seconds(5);
  // Acceptable by ITU-R BT.1359-1: sound up to 90 ms early, 185 ms late.
  Duration sound_early_max = std::chrono::milliseconds(90);
  Duration sound_late_max = std::chrono::milliseconds(185);
  // Shares of the time watched that stood still, above which the plain player or freezes count as
  // stutter even though the buffered players went through.
  double still_ratio_max = 0.01;
};

struct Finding {
  VerdictKind kind = VerdictKind::fine;
  std::string sentence;
  friend bool operator==(const Finding&, const Finding&) = default;
};

struct Verdict {
  VerdictKind kind = VerdictKind::fine;
  std::string sentence;
  std::vector<Finding> also;  // what else was found, worst first
};

[[nodiscard]] Verdict judge_playback(const PlaybackReport& report,
                                     const VerdictOptions& options = {});

}  // namespace linkpilot::prober
