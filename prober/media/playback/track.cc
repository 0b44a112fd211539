#include "prober/media/playback/track.h"

#include <algorithm>

namespace linkpilot::prober {
namespace {

// Below this a ratio of media to wall time says more of the last frame than of the stream.
constexpr Duration kRatioSpanMin = std::chrono::seconds(5);

double track_seconds(Duration duration) { return std::chrono::duration<double>(duration).count(); }

}  // namespace

TimelineStep Track::on_frame(const MediaUnit& unit, MonoTime now, const Track& other) {
  TimelineStep step;
  if (!line_.started()) {
    const auto distance =
        other.seen() ? static_cast<std::int32_t>(unit.timestamp_ms - other.line_.last_timestamp())
                     : 0;
    line_.start(unit.timestamp_ms, other.seen()
                                       ? other.line_.at() + std::chrono::milliseconds(distance)
                                       : Duration(0));
    first_timestamp_ = unit.timestamp_ms;
    first_arrival_ = now;
    running_since_ = now;
    step.at = line_.at();
  } else {
    step = line_.place(unit.timestamp_ms);
    const Duration pause = now - last_arrival_;
    if (pause > kStarvedAfter && other_runs(other)) {
      ++report_.starvations;
      report_.starved += pause;
    }
    if (pause > kRunsWithin) running_since_ = now;
  }
  ++report_.frames;
  report_.octets += unit.octets;
  report_.empty_frames += unit.payload_octets == 0 ? 1 : 0;
  last_arrival_ = now;
  if (!settled_ && now - first_arrival_ >= kBurstWindow) {
    settled_ = true;
    settled_arrival_ = now;
    settled_at_ = line_.at();
    settled_frames_ = report_.frames;
  }
  return step;
}

bool Track::other_runs(const Track& other) const {
  return other.seen() &&
         other.last_arrival_ - std::max(last_arrival_, other.running_since_) > kStarvedAfter;
}

TrackReport Track::report(MonoTime now, const Track& other) const {
  TrackReport report = report_;
  report.config_changes = changes_;
  report.jumps = line_.jumps();
  report.backward_steps = line_.backward_steps();
  report.wraps = line_.wraps();
  report.media_span = line_.frontier() - line_.begin();
  const StepHistogram& steps = line_.steps();
  report.typical_step = steps.typical();
  report.steady_rate = steps.is_steady();
  report.missing_ratio = report.steady_rate ? steps.missing_ratio() : 0;
  if (steps.count() > 0) report.rate_by_time = 1.0 / track_seconds(steps.typical());
  const Duration wall = last_arrival_ - settled_arrival_;
  if (settled_ && wall > Duration(0)) {
    report.rate_by_arrival =
        static_cast<double>(report.frames - settled_frames_) / track_seconds(wall);
    if (wall >= kRatioSpanMin) {
      report.realtime_ratio = track_seconds(line_.at() - settled_at_) / track_seconds(wall);
    }
  }
  if (seen() && other_runs(other)) {
    ++report.starvations;
    report.starved += std::max(now, other.last_arrival_) - last_arrival_;
    report.starved_at_end = true;
  }
  return report;
}

}  // namespace linkpilot::prober
