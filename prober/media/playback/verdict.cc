#include "prober/media/playback/verdict.h"

#include <fmt/format.h>

#include <algorithm>

namespace linkpilot::prober {
namespace {

using Findings = std::vector<Finding>;

void find(Findings& findings, VerdictKind kind, std::string sentence) {
  findings.push_back({.kind = kind, .sentence = std::move(sentence)});
}

Duration absolute(Duration duration) { return duration < Duration(0) ? -duration : duration; }

double seconds_in(Duration duration) { return std::chrono::duration<double>(duration).count(); }

bool has_track(const TrackReport& track, const std::optional<MonoTime>& config) {
  return track.frames > 0 || config.has_value();
}

// Nothing that could be shown came: say how far it got.
std::string why_not_opened(const PlaybackReport& report) {
  const std::string waited = format_duration(report.ended - report.started);
  const PlaybackMarks& marks = report.marks;
  if (!marks.first_tag) {
    return fmt::format(
        "The server took the request but sent no media within {}: the stream does not exist there, "
        "or its source sends nothing. Check that the publisher is connected to this server.",
        waited);
  }
  if (!marks.video_frame && !marks.audio_frame) {
    return fmt::format(
        "Only metadata or configuration came within {}, no audio or video: the source is connected "
        "but sends no frames.",
        waited);
  }
  if (!report.config_fault.empty()) {
    return fmt::format("The decoder configuration cannot be used ({}): check the encoder.",
                       report.config_fault);
  }
  if (marks.video_frame && !marks.video_config && needs_config(report.video_codec)) {
    return fmt::format(
        "{} video frames came within {} but no decoder configuration (sequence header): the server "
        "does not repeat it to those who join later.",
        report.video.frames, waited);
  }
  if (report.video.frames > 0 && report.picture.broken_frames + report.reader.broken_frames > 0) {
    return fmt::format(
        "{} video frames came within {} but none could be decoded; {} have broken lengths: the "
        "stream is damaged or in another packing than it says.",
        report.video.frames, waited, report.reader.broken_frames);
  }
  if (report.video.frames > 0) {
    return fmt::format(
        "{} video frames came within {} but no key frame: the source's key frame interval is "
        "longer "
        "than this, or it sends none.",
        report.video.frames, waited);
  }
  return fmt::format("{} audio frames came within {} but no audio configuration.",
                     report.audio.frames, waited);
}

bool opened(const PlaybackReport& report, const VerdictOptions& options) {
  if (report.marks.key_frame) return true;
  const bool video_came = has_track(report.video, report.marks.video_config);
  if (video_came && options.video != TrackWish::unwanted) return false;
  return report.played_track == TrackKind::audio && report.audio.frames > 0;
}

void find_missing(Findings& findings, const PlaybackReport& report, const VerdictOptions& options) {
  struct Side {
    VerdictKind kind;
    std::string_view name;
    const TrackReport* track;
    const std::optional<MonoTime>* config;
    TrackWish wish;
  };
  const Side sides[] = {{VerdictKind::video_missing, "video", &report.video,
                         &report.marks.video_config, options.video},
                        {VerdictKind::audio_missing, "audio", &report.audio,
                         &report.marks.audio_config, options.audio}};
  for (const Side& side : sides) {
    if (side.wish == TrackWish::unwanted) continue;
    const TrackReport& track = *side.track;
    if (track.frames == 0) {
      if (side.wish == TrackWish::required || *side.config) {
        find(findings, side.kind,
             fmt::format("No {} came, though the stream {} it: check the encoder's {} input.",
                         side.name, *side.config ? "announces" : "should have", side.name));
      }
    } else if (track.undecodable_frames == track.frames) {
      find(findings, side.kind,
           fmt::format("None of {} {} frames can be decoded: no usable configuration came.",
                       track.frames, side.name));
    } else if (track.starved_at_end || track.starvations > 0) {
      // What came back is a hole, which a viewer sees or hears as a stutter.
      find(findings, track.starved_at_end ? side.kind : VerdictKind::stutters,
           fmt::format("The {} was away {} times, {} in all, while the other track ran{}: look at "
                       "the source, not at the network.",
                       side.name, track.starvations, format_duration(track.starved),
                       track.starved_at_end ? ", and had not come back at the end" : ""));
    }
  }
}

std::string stall_sentence(const PlayerReport& player) {
  const bool open = !player.list.empty() && player.list.back().open;
  return fmt::format(
      "A player of the kind \"{}\" stalled {} times, {} in all, the longest {}{}: data came late, "
      "so "
      "look at the path and the server.",
      player.rule.name, player.stalls, format_duration(player.stalled),
      format_duration(player.longest), open ? ", the last still going on at the end" : "");
}

void find_stutter(Findings& findings, const PlaybackReport& report, const VerdictOptions& options) {
  const PlayerReport* worst = nullptr;
  for (const PlayerReport& player : report.players) {
    const bool counts = player.rule.live_edge || player.rule.start > Duration(0) ||
                        player.stall_ratio() > options.still_ratio_max;
    if (counts && player.stalls > 0 && (worst == nullptr || player.stalled > worst->stalled)) {
      worst = &player;
    }
  }
  if (worst != nullptr) find(findings, VerdictKind::stutters, stall_sentence(*worst));
  const double watched = seconds_in(report.players[0].played + report.players[0].stalled);
  const bool froze =
      report.freezes > 0 && (report.longest_freeze >= std::chrono::seconds(1) ||
                             seconds_in(report.frozen) > options.still_ratio_max * watched);
  if (froze) {
    find(findings, VerdictKind::stutters,
         fmt::format("The picture froze {} times, {} in all, the longest {}, though nothing came "
                     "late: the source or a server before this one dropped frames.",
                     report.freezes, format_duration(report.frozen),
                     format_duration(report.longest_freeze)));
  }
}

void find_sync(Findings& findings, const PlaybackReport& report, const VerdictOptions& options) {
  const Duration early = report.sound_early;
  if (early > options.sound_early_max || early < -options.sound_late_max) {
    find(findings, VerdictKind::out_of_sync,
         fmt::format(
             "Timestamps of one track jumped alone and moved the sound {} {} of the picture: "
             "restart the encoder or check its clock.",
             format_duration(absolute(early)), early > Duration(0) ? "ahead" : "behind"));
  }
  const Duration drift = report.audio_drift;
  if (drift > options.sound_late_max || drift < -options.sound_early_max) {
    find(findings, VerdictKind::out_of_sync,
         fmt::format(
             "By its samples the sound runs {} {} of its timestamps within {}: the encoder's "
             "audio clock and timestamps disagree.",
             format_duration(absolute(drift)), drift > Duration(0) ? "ahead" : "behind",
             format_duration(report.audio.media_span)));
  }
}

void find_picture(Findings& findings, const PlaybackReport& report) {
  const PictureSigns& signs = report.picture;
  if (signs.broken_frames > 0) {
    find(findings, VerdictKind::picture_suspect,
         fmt::format("{} video frames have broken lengths: the stream is damaged on its way.",
                     signs.broken_frames));
  }
  if (signs.gaps_without_key > 0) {
    find(findings, VerdictKind::picture_suspect,
         fmt::format(
             "After {} gaps the next frame was no key frame: decoders show garbage until one "
             "comes.",
             signs.gaps_without_key));
  }
  constexpr std::uint32_t kCollapseSeconds = 3;
  if (signs.longest_collapse >= kCollapseSeconds) {
    find(findings, VerdictKind::picture_suspect,
         fmt::format("For {} s in a row frames shrank to almost nothing: the picture is probably "
                     "black or frozen at the source.",
                     signs.longest_collapse));
  }
}

void find_late(Findings& findings, const PlaybackReport& report, const VerdictOptions& options) {
  const auto& first = report.marks.key_frame ? report.marks.key_frame : report.marks.audio_frame;
  if (first && *first - report.started >= options.opening_max) {
    find(findings, VerdictKind::late,
         fmt::format("The first frame came after {}: without a GOP cache on the server a viewer "
                     "waits for the next key frame{}.",
                     format_duration(*first - report.started),
                     report.gop.complete > 0 ? ", here every " + format_duration(report.gop.mean)
                                             : std::string()));
  }
  if (report.push_delay.samples > 0 && report.push_delay.median > options.delay_max) {
    find(findings, VerdictKind::late,
         fmt::format("From push to pull the stream takes {}.",
                     format_duration(report.push_delay.median)));
  }
  if (report.lateness_end > options.delay_max) {
    find(findings, VerdictKind::late,
         fmt::format("The stream fell {} behind during the dial and did not catch up.",
                     format_duration(report.lateness_end)));
  }
}

std::string fine_sentence(const PlaybackReport& report) {
  const auto& first = report.marks.key_frame ? report.marks.key_frame : report.marks.audio_frame;
  std::string picture = "audio only";
  if (report.marks.key_frame) {
    picture = report.video_config && report.video_config->width > 0
                  ? fmt::format("{} {}x{} at {:.4g} frames a second", to_string(report.video_codec),
                                report.video_config->width, report.video_config->height,
                                report.video.rate_by_time)
                  : std::string(to_string(report.video_codec));
  }
  return fmt::format("First frame after {}, {}, no stall in {}.",
                     format_duration(first.value_or(report.ended) - report.started), picture,
                     format_duration(report.ended - first.value_or(report.ended)));
}

}  // namespace

std::string_view to_string(VerdictKind kind) {
  switch (kind) {
    case VerdictKind::cannot_open:
      return "cannot open";
    case VerdictKind::video_missing:
      return "video missing";
    case VerdictKind::audio_missing:
      return "audio missing";
    case VerdictKind::stutters:
      return "stutters";
    case VerdictKind::out_of_sync:
      return "out of sync";
    case VerdictKind::picture_suspect:
      return "picture suspect";
    case VerdictKind::late:
      return "late";
    case VerdictKind::probe_limited:
      return "probe limited";
    case VerdictKind::fine:
      return "fine";
  }
  return "fine";
}

Verdict judge_playback(const PlaybackReport& report, const VerdictOptions& options) {
  if (!opened(report, options)) {
    return {.kind = VerdictKind::cannot_open,
            .sentence = options.failure.empty() ? why_not_opened(report) : options.failure,
            .also = {}};
  }
  Findings findings;
  find_missing(findings, report, options);
  find_stutter(findings, report, options);
  find_sync(findings, report, options);
  find_picture(findings, report);
  find_late(findings, report, options);
  std::ranges::stable_sort(findings, {}, &Finding::kind);
  if (findings.empty()) {
    return {.kind = VerdictKind::fine, .sentence = fine_sentence(report), .also = {}};
  }
  Verdict verdict{
      .kind = findings.front().kind, .sentence = std::move(findings.front().sentence), .also = {}};
  findings.erase(findings.begin());
  verdict.also = std::move(findings);
  return verdict;
}

}  // namespace linkpilot::prober
