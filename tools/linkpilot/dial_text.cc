#include "tools/linkpilot/dial_text.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <map>

#include "tools/linkpilot/text_table.h"

namespace linkpilot::cli {
namespace {

using prober::DialPhase;
using prober::DialReport;

constexpr std::size_t kBarColumns = 36;
constexpr std::size_t kCurveColumns = 60;

std::string upper(std::string_view text) {
  std::string out(text);
  for (char& c : out) {
    if (c >= 'a' && c <= 'z') c = static_cast<char>(c - 'a' + 'A');
  }
  return out;
}

std::string rate_text(BitsPerSecond rate) {
  return rate.value >= 1'000'000
             ? fmt::format("{:.2f} Mbit/s", static_cast<double>(rate.value) / 1e6)
             : fmt::format("{:.0f} kbit/s", static_cast<double>(rate.value) / 1e3);
}

std::string hop_line(const prober::DialHop& hop) {
  std::string line = "  " + hop.url;
  if (!hop.why.empty()) line += " (" + hop.why + ")";
  if (hop.server) line += ", " + hop.server->to_string();
  if (!hop.server_version.empty()) line += ", " + hop.server_version;
  if (hop.http_status != 0) line += fmt::format(", HTTP {}", hop.http_status);
  if (hop.tls) {
    line += fmt::format("\n    {} {}", hop.tls->version, hop.tls->cipher);
    if (hop.tls->certificate_fault) {
      line += fmt::format(", {}: {}", to_string(*hop.tls->certificate_fault),
                          hop.tls->certificate_code);
    }
  }
  for (const auto& attempt : hop.attempts) {
    line += fmt::format("\n    {} was given up after {}: {}", attempt.server.to_string(),
                        format_duration(attempt.took), attempt.error);
  }
  if (hop.dns.answers_total > 1) {
    line += fmt::format("\n    {} addresses by the {} resolver; --each-address dials every one",
                        hop.dns.answers_total, hop.dns.resolver);
  }
  return line + "\n";
}

std::string formats_text(const prober::PlaybackReport& playback) {
  std::string out;
  const prober::TrackReport& video = playback.video;
  if (video.frames > 0) {
    out += fmt::format("  video     {}", to_string(playback.video_codec));
    if (playback.video_config && playback.video_config->width > 0) {
      out += fmt::format(" {}x{}", playback.video_config->width, playback.video_config->height);
    }
    out += fmt::format(", {:.4g} frames a second, {} frames, {:.2f} % missing", video.rate_by_time,
                       video.frames, 100 * video.missing_ratio);
    if (playback.gop.complete > 0) {
      out += fmt::format(", GOP {} ({:.0f} frames)", format_duration(playback.gop.mean),
                         playback.gop.frames_mean);
    }
    out += "\n";
  }
  if (playback.audio.frames > 0) {
    out += fmt::format("  audio     {}", to_string(playback.audio_codec));
    if (playback.audio_config) {
      out += fmt::format(" {} Hz, {} channels", playback.audio_config->sample_rate,
                         playback.audio_config->channels);
    }
    out += fmt::format(", {} frames\n", playback.audio.frames);
  }
  out += fmt::format("  rate      {} steady", rate_text(playback.steady_rate));
  if (playback.burst_media > Duration(0)) {
    out += fmt::format(", {} of media in the opening burst", format_duration(playback.burst_media));
  }
  return out + "\n";
}

std::string players_text(const prober::PlaybackReport& playback) {
  TextTable table({{"  PLAYER"},
                   {"STALLS", TextTable::Align::right},
                   {"STALLED", TextTable::Align::right},
                   {"LONGEST", TextTable::Align::right},
                   {"PER 100 s", TextTable::Align::right}});
  for (const prober::PlayerReport& player : playback.players) {
    table.add({"  " + std::string(player.rule.name), std::to_string(player.stalls),
               format_duration(player.stalled), format_duration(player.longest),
               fmt::format("{:.0f} ms", player.stall_ms_per_100s())});
  }
  std::string out = table.to_string();
  if (playback.freezes > 0) {
    out += fmt::format("  content freezes: {}, {} in all, the longest {}\n", playback.freezes,
                       format_duration(playback.frozen), format_duration(playback.longest_freeze));
  }
  return out;
}

std::string curves_text(const prober::PlaybackReport& playback) {
  if (playback.windows.size() < 2) return {};
  std::vector<double> buffer;
  std::vector<double> rate;
  const double seconds = std::chrono::duration<double>(playback.window).count();
  for (const prober::PlaybackWindow& window : playback.windows) {
    buffer.push_back(window.buffered_ms[1]);
    rate.push_back(static_cast<double>(window.octets) * 8e-3 / seconds);
  }
  return fmt::format(
      "  buffer    {}  at most {:.2f} s (the 1 s player)\n"
      "  kbit/s    {}  at most {:.0f}\n",
      sparkline(buffer, kCurveColumns, Squeeze::least),
      *std::max_element(buffer.begin(), buffer.end()) / 1e3,
      sparkline(rate, kCurveColumns, Squeeze::mean), *std::max_element(rate.begin(), rate.end()));
}

std::string push_text(const prober::PushReport& push) {
  std::string out = fmt::format(
      "  pushed    {} tags, {} kB; own lateness at most {}, queue at most {}\n", push.tags,
      push.octets / 1000, format_duration(push.late_max), format_duration(push.queue_max));
  if (push.tags_left_out > 0) {
    out += fmt::format("  {} tags were left out because the server took too little\n",
                       push.tags_left_out);
  }
  return out;
}

std::string tcp_text(const DialReport& report) {
  std::string out;
  if (report.tcp) {
    out += fmt::format(
        "  tcp       rtt {} (least {}), {} retransmits of ours, {} segments out of order\n",
        format_duration(report.tcp->rtt), format_duration(report.tcp->rtt_min),
        report.tcp->retransmits, report.tcp->out_of_order_in);
  }
  out += fmt::format("  probe     sockets {}, own lag p99 {}{}\n",
                     report.socket_mode == prober::SocketMode::prompt ? "prompt" : "player-like",
                     format_duration(report.health.loop_lag_p99),
                     report.health.overloaded ? ": OVERLOADED, judge nothing by this" : "");
  return out;
}

}  // namespace

std::string sparkline(const std::vector<double>& values, std::size_t columns, Squeeze squeeze) {
  constexpr std::array<std::string_view, 8> kEighths{"▁", "▂", "▃", "▄", "▅", "▆", "▇", "█"};
  if (values.empty()) return {};
  std::vector<double> shown;
  const std::size_t count = std::min(columns, values.size());
  for (std::size_t i = 0; i < count; ++i) {
    const std::size_t begin = i * values.size() / count;
    const std::size_t end = std::max(begin + 1, (i + 1) * values.size() / count);
    double least = values[begin];
    double sum = 0;
    for (std::size_t j = begin; j < end; ++j) {
      least = std::min(least, values[j]);
      sum += values[j];
    }
    shown.push_back(squeeze == Squeeze::least ? least : sum / static_cast<double>(end - begin));
  }
  const double most = *std::max_element(shown.begin(), shown.end());
  std::string out;
  for (const double value : shown) {
    const double eighth = most > 0 ? value / most * 7.0 : 0;
    out += kEighths[static_cast<std::size_t>(std::clamp(eighth + 0.5, 0.0, 7.0))];
  }
  return out;
}

std::string waterfall_text(const DialReport& report) {
  const auto spans = prober::phase_spans(report);
  if (spans.empty()) return {};
  const double whole = std::max(to_ms(spans.back().to), 0.001);
  std::string out = fmt::format("  {:<14} {:>10} {:>10}\n", "PHASE", "AT ms", "TOOK ms");
  for (const prober::PhaseSpan& span : spans) {
    const auto column = [whole](Duration at) {
      const double place = to_ms(at) / whole * static_cast<double>(kBarColumns);
      return static_cast<std::size_t>(std::clamp(place, 0.0, static_cast<double>(kBarColumns)));
    };
    const std::size_t from = std::min(column(span.from), kBarColumns - 1);
    const std::size_t to = std::max(column(span.to), from + 1);
    std::string bar(from, ' ');
    for (std::size_t i = from; i < to; ++i) bar += "█";
    out += fmt::format("  {:<14} {:>10.2f} {:>10.2f}  {}\n", to_string(span.phase), to_ms(span.to),
                       to_ms(span.to - span.from), bar);
  }
  return out;
}

std::string report_text(const DialReport& report) {
  std::string out;
  for (const prober::DialHop& hop : report.hops) out += hop_line(hop);
  out += "\n" + waterfall_text(report) + "\n";
  if (report.push) out += push_text(*report.push);
  if (report.playback.marks.first_tag) {
    out += formats_text(report.playback) + curves_text(report.playback);
  }
  out += tcp_text(report);
  if (report.playback.marks.first_tag) out += "\n" + players_text(report.playback);
  for (const std::string& notice : report.notices) out += "  notice    " + notice + "\n";
  for (const DialReport& pull : report.read_back) out += "\nread back:\n" + report_text(pull);
  out += fmt::format("\n{}: {}\n", upper(to_string(report.verdict.kind)), report.verdict.sentence);
  for (const prober::Finding& finding : report.verdict.also) {
    out += fmt::format("also {}: {}\n", to_string(finding.kind), finding.sentence);
  }
  if (report.failure && !report.failure->code.empty()) {
    out += fmt::format("the server's or system's own word: {}\n", report.failure->code);
  }
  return out;
}

std::string summary_line(const DialReport& report) {
  const DialReport& pull = report.read_back.empty() ? report : report.read_back.front();
  const auto first = pull.since_start(DialPhase::key_frame);
  std::string line = fmt::format("{:<16}", to_string(report.verdict.kind));
  if (first) line += fmt::format(" first frame {:>8}", format_duration(*first));
  if (report.failure) {
    line +=
        fmt::format(" {} {}", to_string(report.failure->stage), to_string(report.failure->kind));
    if (!report.failure->code.empty()) line += " " + report.failure->code;
  }
  if (!report.hops.empty() && report.hops.back().server) {
    line += "  " + report.hops.back().server->to_string();
  }
  return line;
}

std::string server_text(const DialReport& report) {
  std::string out;
  for (const prober::DialHop& hop : report.hops) {
    if (report.hops.size() > 1) out += hop_line(hop);
    if (hop.http_status != 0) out += fmt::format("    HTTP {}\n", hop.http_status);
    for (const auto& [name, value] : hop.headers) out += fmt::format("    {}: {}\n", name, value);
    if (hop.headers.empty() && !hop.server_version.empty()) {
      out += fmt::format("    {}\n", hop.server_version);
    }
  }
  return out;
}

std::string progress_line(const prober::DialProgress& progress, Duration since_start,
                          double kbit_per_s) {
  return fmt::format("{:6.1f} s  {:<14} {:8.0f} kbit/s  buffer {:5.2f} s",
                     std::chrono::duration<double>(since_start).count(),
                     progress.newest ? to_string(*progress.newest) : std::string_view("dialling"),
                     kbit_per_s, std::chrono::duration<double>(progress.buffered[1]).count());
}

std::string several_text(const std::vector<DialReport>& reports) {
  std::map<DialPhase, std::vector<double>> phases;
  std::size_t fine = 0;
  for (const DialReport& report : reports) {
    fine += report.verdict.kind == prober::VerdictKind::fine ? 1U : 0U;
    for (const prober::PhaseMark& mark : report.phases) {
      phases[mark.phase].push_back(to_ms(mark.at - report.started));
    }
  }
  std::string out = fmt::format("\n{} of {} dials fine\n", fine, reports.size());
  if (phases.empty()) return out;
  TextTable table({{"PHASE"},
                   {"DIALS", TextTable::Align::right},
                   {"MIN ms", TextTable::Align::right},
                   {"MEDIAN ms", TextTable::Align::right},
                   {"MAX ms", TextTable::Align::right}});
  for (auto& [phase, values] : phases) {
    std::sort(values.begin(), values.end());
    table.add({std::string(to_string(phase)), std::to_string(values.size()),
               fmt::format("{:.2f}", values.front()),
               fmt::format("{:.2f}", values[values.size() / 2]),
               fmt::format("{:.2f}", values.back())});
  }
  return out + table.to_string();
}

}  // namespace linkpilot::cli
