#include "prober/media/playback/stream_analyzer.h"

#include <algorithm>

namespace linkpilot::prober {
namespace {

// Until a track has told its own: 25 frames a second, and AAC at 44.1 kHz.
constexpr Duration kAssumedVideoStep = std::chrono::milliseconds(40);
constexpr Duration kAssumedAudioStep = std::chrono::milliseconds(23);
// Silence in AAC-LC takes 4 to 9 octets; two more for the tag's header.
constexpr std::uint32_t kMinimalAudioOctets = 12;
constexpr std::uint64_t kMinimalAudioFramesMin = 40;

void mark(std::optional<MonoTime>& when, MonoTime now) {
  if (!when) when = now;
}

BitsPerSecond rate_over(std::uint64_t octets, Duration span) {
  if (span <= Duration(0)) return {};
  const double seconds = std::chrono::duration<double>(span).count();
  return {static_cast<std::uint64_t>(static_cast<double>(octets) * 8 / seconds)};
}

void add_up(PlaybackWindow& sum, const PlaybackWindow& next) {
  sum.octets += next.octets;
  sum.video_frames += next.video_frames;
  sum.audio_frames += next.audio_frames;
  sum.buffered_ms = next.buffered_ms;
}

}  // namespace

StreamAnalyzer::StreamAnalyzer(Now started)
    : started_(started),
      audio_(kAssumedAudioStep),
      video_(kAssumedVideoStep),
      players_{VirtualPlayer(kPlainPlayer), VirtualPlayer(kBufferedPlayer),
               VirtualPlayer(kLiveEdgePlayer)} {}

void StreamAnalyzer::on_tag_begin(const TagHeader& tag, Now /*now*/) { reader_.begin(tag); }

void StreamAnalyzer::on_tag_end(Now now) {
  const MonoTime mono = now.mono;
  if (!marks_.first_tag) window_end_ = mono + window_;
  turn_windows(mono);
  mark(marks_.first_tag, mono);
  const MediaUnit unit = reader_.end();
  octets_ += unit.octets;
  current_.octets += unit.octets;
  if (mono - *marks_.first_tag < kBurstWindow) burst_octets_ += unit.octets;
  switch (unit.kind) {
    case UnitKind::video_frame:
      on_video(unit, now);
      break;
    case UnitKind::audio_frame:
      on_audio(unit, now);
      break;
    case UnitKind::video_config:
      if (!unit.broken) mark(marks_.video_config, mono);
      video_.on_config(unit);
      break;
    case UnitKind::audio_config:
      if (!unit.broken) mark(marks_.audio_config, mono);
      audio_.on_config(unit);
      break;
    case UnitKind::metadata:
      mark(marks_.metadata, mono);
      break;
    case UnitKind::other:
      break;
  }
}

void StreamAnalyzer::on_video(const MediaUnit& unit, Now now) {
  const MonoTime mono = now.mono;
  mark(marks_.video_frame, mono);
  ++current_.video_frames;
  const TimelineStep step = video_.on_frame(unit, mono, audio_);
  if (step.kind == StepKind::jump) note_jump(TrackKind::video, step, mono);
  if (unit.clock) note_clock(*unit.clock, now);
  const bool decodable = marks_.key_frame || unit.begins_decoding;
  if (!decodable || !unit.has_config) video_.count_undecodable();
  if (!decodable) return;
  if (!marks_.key_frame) {
    marks_.key_frame = mono;
    restart_players(TrackKind::video, step.at, mono);
    picture_.on_frame(unit, step.at, false);
    return;
  }
  picture_.on_frame(unit, step.at, step.kind == StepKind::jump || is_gap(video_, step));
  if (picture_.key_frames() >= 2) mark(marks_.gop, mono);
  play(TrackKind::video, step, mono);
  note_interleave(mono);
}

void StreamAnalyzer::on_audio(const MediaUnit& unit, Now now) {
  const MonoTime mono = now.mono;
  mark(marks_.audio_frame, mono);
  ++current_.audio_frames;
  minimal_audio_frames_ += unit.octets <= kMinimalAudioOctets ? 1 : 0;
  const TimelineStep step = audio_.on_frame(unit, mono, video_);
  if (step.kind == StepKind::jump) note_jump(TrackKind::audio, step, mono);
  if (!unit.has_config) audio_.count_undecodable();
  note_drift(unit, step);
  if (!playing_ && unit.has_config) {
    restart_players(TrackKind::audio, step.at, mono);
  } else {
    play(TrackKind::audio, step, mono);
  }
}

void StreamAnalyzer::restart_players(TrackKind kind, Duration at, MonoTime now) {
  playing_ = kind;
  play_began_ = now;
  for (VirtualPlayer& player : players_) player.start(now, at);
  lateness_ = (now - MonoTime{}) - at;
  least_lateness_ = lateness_;
  burst_first_lateness_ = lateness_;
  burst_least_lateness_ = lateness_;
  lateness_max_ = Duration(0);
  freezes_ = 0;
  frozen_ = Duration(0);
  longest_freeze_ = Duration(0);
  freeze_list_.clear();
}

void StreamAnalyzer::play(TrackKind kind, const TimelineStep& step, MonoTime now) {
  if (playing_ != kind) return;
  const Track& track = played();
  const Duration limit = threshold(track);
  for (VirtualPlayer& player : players_) player.arrive(now, step.at, limit);
  lateness_ = (now - MonoTime{}) - step.at;
  least_lateness_ = std::min(least_lateness_, lateness_);
  lateness_max_ = std::max(lateness_max_, lateness_ - least_lateness_);
  if (now - play_began_ < kBurstWindow) {
    burst_least_lateness_ = std::min(burst_least_lateness_, lateness_);
  }
  if (!is_gap(track, step)) return;
  // Media time without a picture. It adds to a stall of the same frame, if there is one: the player
  // first runs through the gap and then waits.
  const Duration length = step.step - track.line().median_step();
  ++freezes_;
  frozen_ += length;
  longest_freeze_ = std::max(longest_freeze_, length);
  if (freeze_list_.size() < kEventsMax) freeze_list_.push_back({.seen = now, .length = length});
}

bool StreamAnalyzer::is_gap(const Track& track, const TimelineStep& step) const {
  return step.kind == StepKind::regular && step.step > threshold(track);
}

// 200 ms, or three frames of a stream that has fewer than fifteen a second.
Duration StreamAnalyzer::threshold(const Track& track) const {
  return std::max(kStallThreshold, 3 * track.line().median_step());
}

const Track& StreamAnalyzer::played() const {
  return playing_ == TrackKind::audio ? audio_ : video_;
}

void StreamAnalyzer::note_jump(TrackKind kind, const TimelineStep& step, MonoTime now) {
  if (jump_list_.size() >= kEventsMax) return;
  jump_list_.push_back({.seen = now, .track = kind, .step = step.step});
}

void StreamAnalyzer::note_clock(const SeiClock& clock, Now now) {
  const Duration delay = now.wall - clock.wall;
  push_.least = push_.samples == 0 ? delay : std::min(push_.least, delay);
  push_.most = push_.samples == 0 ? delay : std::max(push_.most, delay);
  push_.last = delay;
  if (push_.samples > 0 && clock.sequence > last_sequence_) {
    push_.missed += clock.sequence - last_sequence_ - 1;
  }
  last_sequence_ = clock.sequence;
  ++push_.samples;
  push_delay_.add(delay);
}

void StreamAnalyzer::note_interleave(MonoTime now) {
  if (!audio_.seen() || now - *marks_.first_tag < kBurstWindow) return;
  const Duration apart = video_.line().at() - audio_.line().at();
  const Duration distance = apart < Duration(0) ? -apart : apart;
  interleave_.add(distance);
  interleave_max_ = std::max(interleave_max_, distance);
}

void StreamAnalyzer::note_drift(const MediaUnit& unit, const TimelineStep& step) {
  // A gap in the timestamps is lost sound, not a slow clock.
  if (step.kind == StepKind::regular && last_audio_duration_ > Duration(0) &&
      step.step < 3 * last_audio_duration_) {
    drift_by_time_ += step.step;
    drift_by_samples_ += last_audio_duration_;
  }
  const auto& config = reader_.audio();
  const std::uint64_t rate = config ? config->sample_rate : 0;
  last_audio_duration_ =
      rate == 0 ? Duration(0)
                : Duration(static_cast<std::int64_t>(unit.samples * 1'000'000'000ULL / rate));
}

void StreamAnalyzer::turn_windows(MonoTime now) {
  while (now >= window_end_) {
    for (std::size_t i = 0; i < players_.size(); ++i) {
      const auto ms = players_[i].buffered(window_end_) / std::chrono::milliseconds(1);
      current_.buffered_ms[i] =
          static_cast<std::uint32_t>(std::min<std::int64_t>(ms, 0xffff'ffffLL));
    }
    windows_.push_back(current_);
    current_ = {};
    if (windows_.size() >= kWindowsMax) {
      for (std::size_t i = 0; i < kWindowsMax / 2; ++i) {
        windows_[i] = windows_[2 * i];
        add_up(windows_[i], windows_[2 * i + 1]);
      }
      windows_.resize(kWindowsMax / 2);
      window_ *= 2;
    }
    window_end_ += window_;
  }
}

std::array<Duration, 3> StreamAnalyzer::buffered(MonoTime now) const {
  std::array<Duration, 3> levels{};
  for (std::size_t i = 0; i < players_.size(); ++i) levels[i] = players_[i].buffered(now);
  return levels;
}

PlaybackReport StreamAnalyzer::report(Now now) const {
  PlaybackReport report;
  report.started = started_.mono;
  report.ended = now.mono;
  report.marks = marks_;
  report.audio = audio_.report(now.mono, video_);
  report.video = video_.report(now.mono, audio_);
  report.video_config = reader_.video();
  report.audio_config = reader_.audio();
  report.video_codec = reader_.video_codec();
  report.audio_codec = reader_.audio_codec();
  report.config_fault = reader_.config_fault();
  report.reader = reader_.counters();
  report.played_track = playing_.value_or(TrackKind::video);
  report.stall_threshold = threshold(played());
  for (std::size_t i = 0; i < players_.size(); ++i) {
    report.players[i] =
        players_[i].report(now.mono, played().line().typical_step(), report.stall_threshold);
  }
  report.freezes = freezes_;
  report.frozen = frozen_;
  report.longest_freeze = longest_freeze_;
  report.freeze_list = freeze_list_;
  report.jump_list = jump_list_;
  report.burst_media = burst_first_lateness_ - burst_least_lateness_;
  if (marks_.first_tag) {
    const Duration span = now.mono - *marks_.first_tag;
    report.burst_rate = rate_over(burst_octets_, std::min(span, kBurstWindow));
    report.steady_rate = rate_over(octets_ - burst_octets_, span - kBurstWindow);
  }
  report.gop = picture_.gop();
  report.picture = picture_.signs();
  report.picture.audio_minimal = audio_.frames() >= kMinimalAudioFramesMin &&
                                 10 * minimal_audio_frames_ >= 9 * audio_.frames();
  if (audio_.seen() && video_.seen()) {
    report.start_offset = std::chrono::milliseconds(
        static_cast<std::int32_t>(audio_.first_timestamp() - video_.first_timestamp()));
    report.sound_early = video_.line().jumped() - audio_.line().jumped();
  }
  report.interleave_p95 = interleave_.quantile(0.95).value_or(Duration(0));
  report.interleave_max = interleave_max_;
  report.audio_drift = drift_by_samples_ - drift_by_time_;
  report.lateness_end = playing_ ? lateness_ - least_lateness_ : Duration(0);
  report.lateness_max = lateness_max_;
  report.push_delay = push_;
  report.push_delay.median = push_delay_.quantile(0.5).value_or(Duration(0));
  report.window = window_;
  report.windows = windows_;
  return report;
}

}  // namespace linkpilot::prober
