#include "agent/exporter/dial_page.h"

#include <array>
#include <optional>

#include "base/runtime/metrics_page.h"

namespace linkpilot::agent {
namespace {

using prober::DialPhase;
using prober::DialReport;
using prober::PlaybackReport;

constexpr std::array<std::string_view, 3> kPlayers{"plain", "buffered", "live_edge"};

double seconds(Duration duration) { return std::chrono::duration<double>(duration).count(); }

void add(MetricsPage& page, std::string_view name, std::string_view help, double value) {
  page.gauge(name, help);
  page.sample(value);
}

void add_opening(MetricsPage& page, const DialReport& report) {
  page.gauge("probe_dial_phase_duration_seconds",
             "How long each phase of the opening took by itself, redirects excluded.");
  for (const prober::PhaseSpan& span : prober::phase_spans(report)) {
    page.sample(seconds(span.to - span.from), {{"phase", std::string(to_string(span.phase))}});
  }
  if (const auto frame = report.since_start(DialPhase::key_frame)) {
    add(page, "probe_dial_first_frame_seconds",
        "From the start to the first decodable key frame, DNS included.", seconds(*frame));
  }
  const auto redirects = report.hops.empty() ? 0 : report.hops.size() - 1;
  add(page, "probe_dial_redirects", "Connections made beyond the first.",
      static_cast<double>(redirects));
  if (report.failure) {
    page.gauge("probe_dial_failure", "1, with the stage and kind of the failure.");
    page.sample(1, {{"stage", std::string(to_string(report.failure->stage))},
                    {"kind", std::string(to_string(report.failure->kind))}});
  }
  page.gauge("probe_dial_verdict", "1, with the verdict in a word.");
  page.sample(1, {{"verdict", std::string(to_string(report.verdict.kind))}});
  if (report.hops.empty()) return;
  const prober::DialHop& hop = report.hops.back();
  if (hop.http_status != 0) {
    add(page, "probe_http_status_code", "Of the last response.", hop.http_status);
  }
  if (hop.tls) {
    add(page, "probe_ssl_earliest_cert_expiry", "When the certificate ends, in Unix time.",
        static_cast<double>(hop.tls->not_after.ns) * 1e-9);
    add(page, "probe_dial_certificate_trusted", "0 if the certificate has a fault.",
        hop.tls->certificate_fault ? 0 : 1);
  }
}

void add_stalls(MetricsPage& page, const PlaybackReport& playback) {
  page.gauge("probe_dial_stalls", "Stalls of each virtual player.");
  for (std::size_t i = 0; i < kPlayers.size(); ++i) {
    page.sample(playback.players[i].stalls, {{"player", std::string(kPlayers[i])}});
  }
  page.gauge("probe_dial_stalled_seconds", "How long each virtual player stood still in all.");
  for (std::size_t i = 0; i < kPlayers.size(); ++i) {
    page.sample(seconds(playback.players[i].stalled), {{"player", std::string(kPlayers[i])}});
  }
  add(page, "probe_dial_freezes", "Leaps of the stream's own time: the source dropped frames.",
      playback.freezes);
  add(page, "probe_dial_frozen_seconds", "Media time that is missing in those leaps.",
      seconds(playback.frozen));
}

void add_media(MetricsPage& page, const PlaybackReport& playback) {
  constexpr double kOctet = 8;
  add(page, "probe_dial_media_bytes_per_second", "Of the stream behind its first two seconds.",
      static_cast<double>(playback.steady_rate.value) / kOctet);
  add(page, "probe_dial_burst_media_seconds",
      "Media delivered beyond real time at the start: the server's cache.",
      seconds(playback.burst_media));
  add(page, "probe_dial_video_frames_per_second", "By decode times.", playback.video.rate_by_time);
  add(page, "probe_dial_gop_seconds", "Mean distance of key frames.", seconds(playback.gop.mean));
  add(page, "probe_dial_timestamp_jumps", "Of both tracks.",
      playback.video.jumps + playback.audio.jumps);
  page.gauge("probe_dial_track_frames", "Frames seen of each track.");
  page.sample(static_cast<double>(playback.video.frames), {{"track", "video"}});
  page.sample(static_cast<double>(playback.audio.frames), {{"track", "audio"}});
  if (playback.video_config) {
    add(page, "probe_dial_video_width_pixels", "As shown.", playback.video_config->width);
    add(page, "probe_dial_video_height_pixels", "As shown.", playback.video_config->height);
  }
}

}  // namespace

std::string dial_page(const DialReport& report, Duration took) {
  MetricsPage page;
  add(page, "probe_success", "1 if a decodable key frame came (sound, where there is no picture).",
      report.success ? 1 : 0);
  add(page, "probe_duration_seconds", "How long the dial took, watching included.", seconds(took));
  add_opening(page, report);
  if (report.playback.marks.first_tag) {
    add_stalls(page, report.playback);
    add_media(page, report.playback);
  }
  if (report.tcp) {
    add(page, "probe_dial_tcp_rtt_seconds", "Smoothed, when the connection ended.",
        seconds(report.tcp->rtt));
  }
  add(page, "probe_dial_overloaded", "1 if this machine was too busy to judge by this dial.",
      report.health.overloaded ? 1 : 0);
  return page.take();
}

}  // namespace linkpilot::agent
