#include "agent/exporter/dial_page.h"

#include <array>
#include <optional>

#include "agent/report/metric_table.h"
#include "base/runtime/metrics_page.h"

namespace linkpilot::agent {
namespace {

using prober::DialPhase;
using prober::DialReport;
using prober::PlaybackReport;

constexpr std::array<std::string_view, 3> kPlayers{"plain", "buffered", "live_edge"};

double seconds(Duration duration) { return std::chrono::duration<double>(duration).count(); }

void add_opening(MetricsPage& page, const DialReport& report) {
  page.family("probe_dial_phase_duration_seconds");
  for (const prober::PhaseSpan& span : prober::phase_spans(report)) {
    page.sample(seconds(span.to - span.from), {{"phase", std::string(to_string(span.phase))}});
  }
  if (const auto frame = report.since_start(DialPhase::key_frame)) {
    page.one("probe_dial_first_frame_seconds", seconds(*frame));
  }
  const auto redirects = report.hops.empty() ? 0 : report.hops.size() - 1;
  page.one("probe_dial_redirects", static_cast<double>(redirects));
  if (report.failure) {
    page.family("probe_dial_failure");
    page.sample(1, {{"stage", std::string(to_string(report.failure->stage))},
                    {"kind", std::string(to_string(report.failure->kind))}});
  }
  page.family("probe_dial_verdict");
  page.sample(1, {{"verdict", std::string(to_string(report.verdict.kind))}});
  if (report.hops.empty()) return;
  const prober::DialHop& hop = report.hops.back();
  if (hop.http_status != 0) {
    page.one("probe_http_status_code", hop.http_status);
  }
  if (hop.tls) {
    page.one("probe_ssl_earliest_cert_expiry", static_cast<double>(hop.tls->not_after.ns) * 1e-9);
    page.one("probe_dial_certificate_trusted", hop.tls->certificate_fault ? 0 : 1);
  }
}

void add_stalls(MetricsPage& page, const PlaybackReport& playback) {
  page.family("probe_dial_stalls");
  for (std::size_t i = 0; i < kPlayers.size(); ++i) {
    page.sample(playback.players[i].stalls, {{"player", std::string(kPlayers[i])}});
  }
  page.family("probe_dial_stalled_seconds");
  for (std::size_t i = 0; i < kPlayers.size(); ++i) {
    page.sample(seconds(playback.players[i].stalled), {{"player", std::string(kPlayers[i])}});
  }
  page.one("probe_dial_freezes", playback.freezes);
  page.one("probe_dial_frozen_seconds", seconds(playback.frozen));
}

void add_media(MetricsPage& page, const PlaybackReport& playback) {
  constexpr double kOctet = 8;
  page.one("probe_dial_media_bytes_per_second",
           static_cast<double>(playback.steady_rate.value) / kOctet);
  page.one("probe_dial_burst_media_seconds", seconds(playback.burst_media));
  page.one("probe_dial_video_frames_per_second", playback.video.rate_by_time);
  page.one("probe_dial_gop_seconds", seconds(playback.gop.mean));
  page.one("probe_dial_timestamp_jumps", playback.video.jumps + playback.audio.jumps);
  page.family("probe_dial_track_frames");
  page.sample(static_cast<double>(playback.video.frames), {{"track", "video"}});
  page.sample(static_cast<double>(playback.audio.frames), {{"track", "audio"}});
  if (playback.video_config) {
    page.one("probe_dial_video_width_pixels", playback.video_config->width);
    page.one("probe_dial_video_height_pixels", playback.video_config->height);
  }
}

}  // namespace

std::string dial_page(const DialReport& report, Duration took) {
  MetricsPage page(dial_metrics());
  page.one("probe_success", report.success ? 1 : 0);
  page.one("probe_duration_seconds", seconds(took));
  add_opening(page, report);
  if (report.playback.marks.first_tag) {
    add_stalls(page, report.playback);
    add_media(page, report.playback);
  }
  if (report.tcp) {
    page.one("probe_dial_tcp_rtt_seconds", seconds(report.tcp->rtt));
  }
  page.one("probe_dial_overloaded", report.health.overloaded ? 1 : 0);
  return page.take();
}

}  // namespace linkpilot::agent
