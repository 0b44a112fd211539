#include "prober/media/dial/media_watch.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>

namespace linkpilot::prober {
namespace {

using Mark = std::pair<DialPhase, std::optional<MonoTime> PlaybackMarks::*>;
constexpr std::array<Mark, 8> kMarks{{{DialPhase::first_tag, &PlaybackMarks::first_tag},
                                      {DialPhase::metadata, &PlaybackMarks::metadata},
                                      {DialPhase::audio_config, &PlaybackMarks::audio_config},
                                      {DialPhase::first_audio, &PlaybackMarks::audio_frame},
                                      {DialPhase::video_config, &PlaybackMarks::video_config},
                                      {DialPhase::first_video, &PlaybackMarks::video_frame},
                                      {DialPhase::key_frame, &PlaybackMarks::key_frame},
                                      {DialPhase::first_gop, &PlaybackMarks::gop}}};

}  // namespace

MediaWatch::MediaWatch(Now started, const DialRequest& request)
    : analyzer_(started),
      copy_(request.copy),
      length_(std::min(request.length, request.policy.ceilings.length)),
      ceilings_(request.policy.ceilings),
      stop_at_key_frame_(request.stop_at_key_frame),
      window_begin_(started.mono) {}

void MediaWatch::restart(Now started) {
  analyzer_ = StreamAnalyzer(started);
  first_media_.reset();
  window_begin_ = started.mono;
}

void MediaWatch::on_tag_begin(const TagHeader& tag, Now now) {
  if (!first_media_ && tag.type != TagType::script) first_media_ = now.mono;
  analyzer_.on_tag_begin(tag, now);
  if (copy_ != nullptr) copy_->on_tag_begin(tag, now);
}

void MediaWatch::on_tag_body(std::span<const std::uint8_t> part) {
  analyzer_.on_tag_body(part);
  if (copy_ != nullptr) copy_->on_tag_body(part);
}

void MediaWatch::on_tag_end(Now now) {
  analyzer_.on_tag_end(now);
  if (copy_ != nullptr) copy_->on_tag_end(now);
}

void MediaWatch::on_octets(std::size_t octets, MonoTime now) {
  octets_ += octets;
  window_octets_ += octets;
  if (breach_) return;
  if (octets_ > ceilings_.octets.value) {
    breach_ = DialFailure{.stage = DialStage::media,
                          .kind = DialFault::limit,
                          .code = {},
                          .sentence = fmt::format("our own ceiling of {} MB was reached",
                                                  ceilings_.octets.value / 1'000'000)};
    return;
  }
  if (now - window_begin_ < kRateWindow) return;
  const double seconds = std::chrono::duration<double>(now - window_begin_).count();
  const double rate = 8.0 * static_cast<double>(window_octets_) / seconds;
  if (!first_window_ && rate > static_cast<double>(ceilings_.rate.value)) {
    breach_ = DialFailure{
        .stage = DialStage::media,
        .kind = DialFault::limit,
        .code = {},
        .sentence = fmt::format("the server sent {:.0f} Mbit/s, above our own ceiling of {} Mbit/s",
                                rate / 1e6, ceilings_.rate.value / 1'000'000)};
  }
  first_window_ = false;
  window_begin_ = now;
  window_octets_ = 0;
}

void MediaWatch::media_began(MonoTime at) {
  if (!first_media_) first_media_ = at;
}

std::optional<MonoTime> MediaWatch::ends_at() const {
  if (!first_media_) return std::nullopt;
  return *first_media_ + length_;
}

bool MediaWatch::seen_enough(MonoTime now) const {
  if (stop_at_key_frame_ && analyzer_.marks().key_frame) return true;
  return first_media_ && now >= *first_media_ + length_;
}

void MediaWatch::fill(DialReport& report, Now now) const {
  report.playback = analyzer_.report(now);
  report.phases.clear();
  if (const DialHop* hop = opening_hop(report)) report.phases = hop->phases;
  for (const auto& [phase, member] : kMarks) {
    if (const auto& at = report.playback.marks.*member) {
      report.phases.push_back({.phase = phase, .at = *at});
    }
  }
  std::stable_sort(report.phases.begin(), report.phases.end(),
                   [](const PhaseMark& a, const PhaseMark& b) {
                     return a.at != b.at ? a.at < b.at : a.phase < b.phase;
                   });
}

std::optional<DialPhase> MediaWatch::newest_phase() const {
  std::optional<DialPhase> newest;
  std::optional<MonoTime> newest_at;
  for (const auto& [phase, member] : kMarks) {
    const auto& at = analyzer_.marks().*member;
    if (at && (!newest_at || *at >= *newest_at)) {
      newest = phase;
      newest_at = at;
    }
  }
  return newest;
}

}  // namespace linkpilot::prober
