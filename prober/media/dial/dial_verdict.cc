#include "prober/media/dial/dial_verdict.h"

#include <fmt/format.h>

#include <algorithm>
#include <string>

#include "prober/media/dial/dial_failure.h"

namespace linkpilot::prober {
namespace {

// What outweighs the verdict so far takes its place; the rest is told beside it.
void add_finding(Verdict& verdict, Finding finding) {
  if (verdict.kind < finding.kind) {
    verdict.also.insert(verdict.also.begin(), std::move(finding));
    return;
  }
  if (verdict.kind != VerdictKind::fine) {
    verdict.also.insert(verdict.also.begin(),
                        {.kind = verdict.kind, .sentence = std::move(verdict.sentence)});
  }
  verdict.kind = finding.kind;
  verdict.sentence = std::move(finding.sentence);
}

// A pull that showed pictures and then lost its connection: what a viewer sees is a player that
// stops. Not so if we ended it ourselves.
void add_break(Verdict& verdict, const DialReport& report) {
  const std::string after = format_duration(report.ended - report.started);
  if (report.end == DialEnd::ceiling) {
    return add_finding(verdict,
                       {.kind = VerdictKind::probe_limited,
                        .sentence = fmt::format("The dial ended itself after {}: {}. Nothing is "
                                                "said of the stream beyond that.",
                                                after, report.failure->sentence)});
  }
  if (report.end == DialEnd::stopped) return;
  add_finding(verdict, {.kind = VerdictKind::stutters,
                        .sentence = fmt::format("The stream broke off after {}: {}.", after,
                                                report.failure->sentence)});
}

std::string opening_sentence(const DialFailure& failure) {
  std::string sentence = failure.sentence;
  if (!sentence.empty() && sentence.find_last_of(".?!") != sentence.size() - 1) sentence += '.';
  return fmt::format("At {} ({}): {}", to_string(failure.stage), to_string(failure.kind), sentence);
}

void judge_pull(DialReport& report, const DialRequest& request) {
  VerdictOptions options = request.verdict;
  if (report.failure) options.failure = opening_sentence(*report.failure);
  // A dial that ends at the key frame has not waited for the sound that was announced.
  if (request.stop_at_key_frame && options.audio == TrackWish::if_announced) {
    options.audio = TrackWish::unwanted;
  }
  report.success = report.playback.marks.key_frame.has_value();
  report.verdict = judge_playback(report.playback, options);
  const bool opened = report.verdict.kind != VerdictKind::cannot_open;
  if (!opened && !report.failure) {
    report.failure = nothing_to_show(report, report.verdict.sentence);
    report.verdict.sentence = opening_sentence(*report.failure);
  } else if (!opened && report.end == DialEnd::ceiling) {
    report.verdict.kind = VerdictKind::probe_limited;
  }
  if (!report.success) report.success = opened && !report.playback.marks.video_frame;
  if (report.failure && opened) add_break(report.verdict, report);
  if (report.end == DialEnd::stream_ended && opened) {
    report.verdict.also.push_back(
        {.kind = VerdictKind::fine,
         .sentence = fmt::format("The stream ended by itself after {}{}{}.",
                                 format_duration(report.ended - report.started),
                                 report.end_code.empty() ? "" : ", with ", report.end_code)});
  }
}

std::string delay_text(const PlaybackReport& playback, Duration error) {
  const PushDelay& delay = playback.push_delay;
  if (delay.samples == 0) return "the stream read back carries no clock of ours";
  return fmt::format("push to pull {} (median; least {}, most {}; too long by at most {})",
                     format_duration(delay.median), format_duration(delay.least),
                     format_duration(delay.most), format_duration(error));
}

// Media that waits in our queue is media that viewers wait for, whatever the server says.
void add_slowness(DialReport& report) {
  constexpr Duration kSlow = std::chrono::seconds(1);  // what encoders begin to drop frames at
  const PushReport& push = *report.push;
  if (push.queue_max < kSlow && push.tags_left_out == 0) return;
  std::string sentence = fmt::format(
      "The server took the stream more slowly than it was paced: something waited to be "
      "taken for up to {}",
      format_duration(push.queue_max));
  if (push.tags_left_out > 0)
    sentence += fmt::format(", {} tags were left out", push.tags_left_out);
  add_finding(report.verdict,
              {.kind = VerdictKind::stutters,
               .sentence = sentence + ": look at the path to the server, and at what it does with "
                                      "the stream."});
}

void judge_read_back(DialReport& report, const DialRequest& request) {
  const DialReport& pull = report.read_back.front();
  report.success = pull.success;
  report.verdict = pull.verdict;
  if (!pull.success) {
    const DialFailure cause = pull.failure.value_or(nothing_to_show(pull, pull.verdict.sentence));
    report.failure = DialFailure{
        .stage = DialStage::read_back,
        .kind = cause.kind,
        .code = cause.code,
        .sentence = "the server took the push, but it cannot be read back: " + cause.sentence};
    report.verdict.kind = VerdictKind::cannot_open;
    report.verdict.sentence =
        "The server took the push, but it cannot be read back. " + pull.verdict.sentence;
  } else if (pull.verdict.kind == VerdictKind::fine) {
    report.verdict.sentence =
        fmt::format("Accepted, held for {}, read back: {}. {}", format_duration(request.push.hold),
                    delay_text(pull.playback, report.push->delay_error), pull.verdict.sentence);
  } else {
    report.verdict.sentence = "Read back: " + pull.verdict.sentence;
  }
}

void judge_push(DialReport& report, const DialRequest& request) {
  const PushReport& push = *report.push;
  const Duration after = report.ended - report.started;
  if (!report.failure && !push.held) {
    report.failure = cut_short(DialStage::media, CutBy::caller, after);
  }
  if (report.failure) {
    report.verdict = {.kind = VerdictKind::cannot_open,
                      .sentence = opening_sentence(*report.failure),
                      .also = {}};
    if (push.held) {
      report.verdict.sentence = fmt::format("The push broke off after {}: {}.",
                                            format_duration(after), report.failure->sentence);
    }
    return;
  }
  if (request.push.read_back && !report.read_back.empty()) {
    judge_read_back(report, request);
  } else {
    report.success = !request.push.read_back;
    if (!report.success) {
      report.failure = cut_short(DialStage::read_back, CutBy::caller, after);
    }
    report.verdict = {
        .kind = report.success ? VerdictKind::fine : VerdictKind::cannot_open,
        .sentence = fmt::format("Accepted, and still open after {}; {}.",
                                format_duration(request.push.hold),
                                report.success ? "not read back, as asked" : "never read back"),
        .also = {}};
  }
  add_slowness(report);
}

// The dial's own loop was late: what it calls a stall may have been its own.
void judge_health(DialReport& report) {
  if (!report.health.overloaded) return;
  Duration stalled{};
  for (const PlayerReport& player : report.playback.players) {
    stalled = std::max(stalled, player.longest);
  }
  Verdict& verdict = report.verdict;
  const std::string late = format_duration(report.health.loop_lag_max);
  const PlaybackReport& playback = report.playback;
  const bool stalls_only = stalled > Duration(0) && playback.freezes == 0 &&
                           playback.video.starvations + playback.audio.starvations == 0;
  if (verdict.kind == VerdictKind::stutters && !report.failure && stalls_only &&
      stalled <= report.health.loop_lag_max) {
    verdict.also.insert(verdict.also.begin(),
                        {.kind = verdict.kind, .sentence = std::move(verdict.sentence)});
    verdict.kind = VerdictKind::probe_limited;
    verdict.sentence = fmt::format(
        "The probe itself was overloaded: its loop was up to {} late, "
        "longer than any stall. Dial again when this machine is idle.",
        late);
    return;
  }
  verdict.also.push_back(
      {.kind = VerdictKind::probe_limited,
       .sentence = fmt::format("The probe itself was overloaded (its loop was up to {} late): do "
                               "not judge the stream by this dial.",
                               late)});
}

}  // namespace

void judge_dial(DialReport& report, const DialRequest& request) {
  if (report.push) {
    judge_push(report, request);
  } else {
    judge_pull(report, request);
  }
  judge_health(report);
}

}  // namespace linkpilot::prober
