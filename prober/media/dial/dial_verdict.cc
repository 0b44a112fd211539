#include "prober/media/dial/dial_verdict.h"

#include <fmt/format.h>

#include <algorithm>
#include <string>

namespace linkpilot::prober {
namespace {

// A pull that showed pictures and then lost its connection: what a viewer sees is a player that
// stops.
void add_break(Verdict& verdict, const DialReport& report) {
  Finding broke{.kind = VerdictKind::stutters,
                .sentence = fmt::format("The stream broke off after {}: {}.",
                                        format_duration(report.ended - report.started),
                                        report.failure->sentence)};
  if (verdict.kind < VerdictKind::stutters) {
    verdict.also.insert(verdict.also.begin(), std::move(broke));
    return;
  }
  if (verdict.kind != VerdictKind::fine) {
    verdict.also.insert(verdict.also.begin(),
                        {.kind = verdict.kind, .sentence = std::move(verdict.sentence)});
  }
  verdict.kind = broke.kind;
  verdict.sentence = std::move(broke.sentence);
}

std::string opening_sentence(const DialFailure& failure) {
  std::string sentence = failure.sentence;
  if (!sentence.empty() && sentence.back() != '.') sentence += '.';
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

std::string delay_text(const PlaybackReport& playback) {
  const PushDelay& delay = playback.push_delay;
  if (delay.samples == 0) return "the stream read back carries no clock of ours";
  return fmt::format("push to pull {} (median; least {}, most {})", format_duration(delay.median),
                     format_duration(delay.least), format_duration(delay.most));
}

void judge_push(DialReport& report, const DialRequest& request) {
  const PushReport& push = *report.push;
  if (report.failure) {
    report.verdict.kind = VerdictKind::cannot_open;
    report.verdict.sentence = opening_sentence(*report.failure);
    if (push.held) {
      report.verdict.sentence =
          fmt::format("The push broke off after {}: {}.",
                      format_duration(report.ended - report.started), report.failure->sentence);
    }
    return;
  }
  if (!push.held) {
    report.verdict = {.kind = VerdictKind::cannot_open,
                      .sentence = "The push was stopped before the server had held it.",
                      .also = {}};
    return;
  }
  if (!request.push.read_back || report.read_back.empty()) {
    report.success = !request.push.read_back;
    report.verdict = {
        .kind = report.success ? VerdictKind::fine : VerdictKind::cannot_open,
        .sentence = fmt::format("Accepted, and still open after {}; {}.",
                                format_duration(request.push.hold),
                                report.success ? "not read back, as asked" : "never read back"),
        .also = {}};
    return;
  }
  const DialReport& pull = report.read_back.front();
  report.success = pull.success;
  report.verdict = pull.verdict;
  if (!pull.success) {
    report.verdict.kind = VerdictKind::cannot_open;
    report.verdict.sentence =
        "The server took the push, but it cannot be read back. " + pull.verdict.sentence;
  } else if (pull.verdict.kind == VerdictKind::fine) {
    report.verdict.sentence =
        fmt::format("Accepted, held for {}, read back: {}. {}", format_duration(request.push.hold),
                    delay_text(pull.playback), pull.verdict.sentence);
  } else {
    report.verdict.sentence = "Read back: " + pull.verdict.sentence;
  }
}

}  // namespace

void judge_dial(DialReport& report, const DialRequest& request) {
  if (report.push) {
    judge_push(report, request);
  } else {
    judge_pull(report, request);
  }
  if (!report.health.overloaded) return;
  report.verdict.also.push_back(
      {.kind = report.verdict.kind,
       .sentence = fmt::format("The probe itself was overloaded (its loop was up to {} late): do "
                               "not judge the stream by this dial.",
                               format_duration(report.health.loop_lag_max))});
}

}  // namespace linkpilot::prober
