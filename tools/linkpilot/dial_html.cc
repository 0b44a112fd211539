#include "tools/linkpilot/dial_html.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>

#include "tools/linkpilot/dial_text.h"

namespace linkpilot::cli {
namespace {

using prober::DialReport;

constexpr double kWidth = 860;
constexpr double kCurveHeight = 150;
constexpr double kLeft = 56;  // for the axis labels

constexpr std::string_view kStyle = R"css(
:root{color-scheme:light dark;--ink:#1c2733;--soft:#66788a;--line:#d5dde5;--back:#fff;
 --a:#2f7ed8;--b:#3aa76d;--c:#d9822b;--bad:#c23b3b}
@media(prefers-color-scheme:dark){:root{--ink:#e4eaf0;--soft:#93a4b5;--line:#33414e;--back:#141b22}}
body{font:15px/1.45 system-ui,sans-serif;color:var(--ink);background:var(--back);
 max-width:900px;margin:2em auto;padding:0 1em}
h1{font-size:1.25em;overflow-wrap:anywhere}
h2{font-size:1em;margin:1.6em 0 .4em;color:var(--soft)}
.verdict{border-left:6px solid var(--b);padding:.5em .9em;margin:1em 0;
 background:color-mix(in srgb,var(--line) 30%,transparent)}
.verdict.no{border-color:var(--bad)}
.verdict b{text-transform:uppercase}
table{border-collapse:collapse;width:100%}
td,th{text-align:left;padding:.2em .6em .2em 0;border-bottom:1px solid var(--line);
 font-variant-numeric:tabular-nums}
th{color:var(--soft);font-weight:normal}
td.n,th.n{text-align:right}
svg{width:100%;height:auto;display:block}
svg text{fill:var(--soft);font:12px system-ui,sans-serif}
.a0{stroke:var(--a)}.a1{stroke:var(--b)}.a2{stroke:var(--c)}
.curve{fill:none;stroke-width:1.6}.grid{stroke:var(--line)}rect{fill:var(--a)}
footer{margin:2em 0;color:var(--soft);font-size:.85em}
)css";

std::string escaped(std::string_view text) {
  std::string out;
  for (const char c : text) {
    switch (c) {
      case '&':
        out += "&amp;";
        break;
      case '<':
        out += "&lt;";
        break;
      case '>':
        out += "&gt;";
        break;
      case '"':
        out += "&quot;";
        break;
      default:
        out += c;
    }
  }
  return out;
}

std::string waterfall_svg(const DialReport& report) {
  const auto spans = prober::phase_spans(report);
  if (spans.empty()) return "<p>No phase was passed.</p>";
  const double whole = std::max(to_ms(spans.back().to), 0.001);
  constexpr double kNames = 120;
  constexpr double kFigures = 150;
  constexpr double kRow = 21;
  const double scale = (kWidth - kNames - kFigures) / whole;
  std::string out = fmt::format("<svg viewBox=\"0 0 {:.0f} {:.0f}\" role=\"img\">", kWidth,
                                kRow * static_cast<double>(spans.size()) + 4);
  double y = 0;
  for (const auto& span : spans) {
    const double x = kNames + to_ms(span.from) * scale;
    const double width = std::max(to_ms(span.to - span.from) * scale, 1.5);
    out += fmt::format("<text x=\"0\" y=\"{:.1f}\">{}</text>", y + 15, to_string(span.phase));
    out += fmt::format(
        "<rect x=\"{:.2f}\" y=\"{:.1f}\" width=\"{:.2f}\" height=\"13\" rx=\"2\"><title>{}: {:.3f} "
        "ms</title></rect>",
        x, y + 4, width, to_string(span.phase), to_ms(span.to - span.from));
    out += fmt::format(
        "<text x=\"{:.0f}\" y=\"{:.1f}\" text-anchor=\"end\">{:.2f} ms (+{:.2f})</text>", kWidth,
        y + 15, to_ms(span.to), to_ms(span.to - span.from));
    y += kRow;
  }
  return out + "</svg>";
}

struct Curve {
  std::string name;
  std::vector<double> values;
};

std::string curves_svg(const std::vector<Curve>& curves, double seconds_each,
                       std::string_view unit) {
  double most = 0;
  std::size_t count = 0;
  for (const Curve& curve : curves) {
    count = std::max(count, curve.values.size());
    for (const double value : curve.values) most = std::max(most, value);
  }
  if (count < 2) return "<p>Too short for a curve.</p>";
  if (most <= 0) most = 1;
  const double step = (kWidth - kLeft) / static_cast<double>(count - 1);
  std::string out =
      fmt::format("<svg viewBox=\"0 0 {:.0f} {:.0f}\" role=\"img\">", kWidth, kCurveHeight + 40);
  for (int i = 0; i <= 2; ++i) {
    const double y = 6 + kCurveHeight * (1 - i / 2.0);
    out += fmt::format("<line class=\"grid\" x1=\"{0}\" x2=\"{1}\" y1=\"{2:.1f}\" y2=\"{2:.1f}\"/>",
                       kLeft, kWidth, y);
    out += fmt::format("<text x=\"{}\" y=\"{:.1f}\" text-anchor=\"end\">{:.3g}</text>", kLeft - 6,
                       y + 4, most * i / 2.0);
  }
  double x_name = kLeft;
  for (std::size_t c = 0; c < curves.size(); ++c) {
    out += fmt::format("<polyline class=\"curve a{}\" points=\"", c % 3);
    for (std::size_t i = 0; i < curves[c].values.size(); ++i) {
      out += fmt::format("{:.1f},{:.1f} ", kLeft + step * static_cast<double>(i),
                         6 + kCurveHeight * (1 - curves[c].values[i] / most));
    }
    out += "\"/>";
    out += fmt::format(
        "<line class=\"a{}\" stroke-width=\"3\" x1=\"{:.0f}\" x2=\"{:.0f}\" y1=\"{}\" y2=\"{}\"/>",
        c % 3, x_name, x_name + 18, kCurveHeight + 29, kCurveHeight + 29);
    out += fmt::format("<text x=\"{:.0f}\" y=\"{}\">{}</text>", x_name + 24, kCurveHeight + 33,
                       escaped(curves[c].name));
    x_name += 140;
  }
  out += fmt::format("<text x=\"{}\" y=\"{}\" text-anchor=\"end\">{}, {:.0f} s in all</text>",
                     kWidth, kCurveHeight + 33, unit, seconds_each * static_cast<double>(count));
  return out + "</svg>";
}

std::string playback_html(const prober::PlaybackReport& playback) {
  std::array<Curve, 3> buffers;
  Curve rate{.name = "kbit/s", .values = {}};
  const double seconds = std::chrono::duration<double>(playback.window).count();
  for (std::size_t p = 0; p < buffers.size(); ++p) {
    buffers[p].name = playback.players[p].rule.name;
    for (const auto& window : playback.windows) {
      buffers[p].values.push_back(window.buffered_ms[p] / 1e3);
    }
  }
  for (const auto& window : playback.windows) {
    rate.values.push_back(static_cast<double>(window.octets) * 8e-3 / seconds);
  }
  std::string out = "<h2>Buffer of the three virtual players</h2>" +
                    curves_svg({buffers.begin(), buffers.end()}, seconds, "seconds of media") +
                    "<h2>Bitrate</h2>" + curves_svg({rate}, seconds, "kbit/s");
  out +=
      "<h2>Stalls</h2><table><tr><th>player</th><th class=\"n\">stalls</th><th "
      "class=\"n\">stalled</th><th class=\"n\">longest</th><th class=\"n\">ms per 100 "
      "s</th></tr>";
  for (const auto& player : playback.players) {
    out += fmt::format(
        "<tr><td>{}</td><td class=\"n\">{}</td><td class=\"n\">{}</td><td class=\"n\">{}</td><td "
        "class=\"n\">{:.0f}</td></tr>",
        player.rule.name, player.stalls, format_duration(player.stalled),
        format_duration(player.longest), player.stall_ms_per_100s());
  }
  return out + "</table>";
}

std::string facts_html(const DialReport& report) {
  std::string out = "<h2>Facts</h2><table>";
  const auto row = [&out](std::string_view name, std::string_view value) {
    out += fmt::format("<tr><th>{}</th><td>{}</td></tr>", escaped(name), escaped(value));
  };
  for (const auto& hop : report.hops) {
    std::string text = hop.url;
    if (!hop.why.empty()) text += " (" + hop.why + ")";
    if (hop.server) text += ", " + hop.server->to_string();
    if (!hop.server_version.empty()) text += ", " + hop.server_version;
    if (hop.http_status != 0) text += fmt::format(", HTTP {}", hop.http_status);
    row("connection", text);
    if (hop.tls) row("TLS", hop.tls->version + " " + hop.tls->cipher + ", " + hop.tls->subject);
  }
  if (report.playback.video.frames > 0) {
    const auto& playback = report.playback;
    std::string text(to_string(playback.video_codec));
    if (playback.video_config) {
      text += fmt::format(" {}x{}", playback.video_config->width, playback.video_config->height);
    }
    text += fmt::format(", {:.4g} frames a second, GOP {}", playback.video.rate_by_time,
                        format_duration(playback.gop.mean));
    row("video", text);
    row("audio", to_string(playback.audio_codec));
    row("steady rate",
        fmt::format("{:.0f} kbit/s", static_cast<double>(playback.steady_rate.value) / 1e3));
    row("opening burst", format_duration(playback.burst_media) + " of media");
    row("content freezes",
        fmt::format("{}, {}", playback.freezes, format_duration(playback.frozen)));
  }
  if (report.tcp) {
    row("TCP", fmt::format("rtt {}, {} retransmits of ours, {} segments out of order",
                           format_duration(report.tcp->rtt), report.tcp->retransmits,
                           report.tcp->out_of_order_in));
  }
  row("probe",
      fmt::format("sockets {}, own lag p99 {}{}",
                  report.socket_mode == prober::SocketMode::prompt ? "prompt" : "player-like",
                  format_duration(report.health.loop_lag_p99),
                  report.health.overloaded ? ", OVERLOADED" : ""));
  row("begun", format_utc(report.started_wall));
  return out + "</table>";
}

std::string report_html(const DialReport& report) {
  const bool fine = report.verdict.kind == prober::VerdictKind::fine;
  std::string out = fmt::format("<h1>{} {}</h1>",
                                report.direction == prober::DialDirection::push ? "push" : "pull",
                                escaped(report.url));
  out += fmt::format("<div class=\"verdict{}\"><b>{}</b>: {}", fine ? "" : " no",
                     to_string(report.verdict.kind), escaped(report.verdict.sentence));
  for (const auto& finding : report.verdict.also) {
    out += fmt::format("<br>also {}: {}", to_string(finding.kind), escaped(finding.sentence));
  }
  if (report.failure && !report.failure->code.empty()) {
    out += fmt::format("<br>code: {}", escaped(report.failure->code));
  }
  out += "</div><h2>Phases of the opening</h2>" + waterfall_svg(report);
  if (report.playback.marks.first_tag) out += playback_html(report.playback);
  out += facts_html(report);
  for (const auto& pull : report.read_back) out += "<h2>Read back</h2>" + report_html(pull);
  return out;
}

}  // namespace

std::string dial_html(const std::vector<DialReport>& reports) {
  std::string out =
      "<!doctype html><html lang=\"en\"><head><meta charset=\"utf-8\"><meta name=\"viewport\" "
      "content=\"width=device-width\"><title>LinkPilot dial</title><style>";
  out += kStyle;
  out += "</style></head><body>";
  for (const DialReport& report : reports) out += report_html(report);
  return out + "<footer>Made by linkpilot dial.</footer></body></html>\n";
}

}  // namespace linkpilot::cli
