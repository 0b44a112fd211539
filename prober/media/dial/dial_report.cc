#include "prober/media/dial/dial_report.h"

#include <algorithm>
#include <array>

namespace linkpilot::prober {

std::string_view to_string(DialPhase phase) {
  constexpr std::array<std::string_view, 20> names{
      "dns",         "tcp",          "tls",           "first_octet", "server_hello",
      "handshake",   "connect",      "create_stream", "start",       "response",
      "flv_header",  "held",         "first_tag",     "metadata",    "audio_config",
      "first_audio", "video_config", "first_video",   "key_frame",   "first_gop"};
  return names[static_cast<std::size_t>(phase)];
}

std::string_view to_string(DialStage stage) {
  constexpr std::array<std::string_view, 14> names{
      "url",           "policy", "dns",     "tcp",      "tls",        "handshake", "connect",
      "create_stream", "start",  "request", "response", "flv_header", "media",     "read_back"};
  return names[static_cast<std::size_t>(stage)];
}

std::string_view to_string(DialFault fault) {
  constexpr std::array<std::string_view, 36> names{"bad_url",
                                                   "forbidden",
                                                   "limit",
                                                   "no_such_name",
                                                   "no_address",
                                                   "dns_failed",
                                                   "timeout",
                                                   "refused",
                                                   "unreachable",
                                                   "reset",
                                                   "closed",
                                                   "not_tls",
                                                   "certificate_expired",
                                                   "certificate_not_yet_valid",
                                                   "certificate_name",
                                                   "certificate_chain",
                                                   "certificate_self_signed",
                                                   "certificate_other",
                                                   "tls_failed",
                                                   "not_rtmp",
                                                   "not_http",
                                                   "not_flv",
                                                   "http_status",
                                                   "protocol",
                                                   "rejected",
                                                   "not_found",
                                                   "denied",
                                                   "busy",
                                                   "authentication",
                                                   "redirected",
                                                   "no_media",
                                                   "dropped",
                                                   "stuck",
                                                   "internal",
                                                   "not_decodable",
                                                   "stopped"};
  return names[static_cast<std::size_t>(fault)];
}

std::string_view to_string(DialEnd end) {
  constexpr std::array<std::string_view, 6> names{"running",      "failed",  "watched",
                                                  "stream_ended", "stopped", "ceiling"};
  return names[static_cast<std::size_t>(end)];
}

std::optional<Duration> DialReport::since_start(DialPhase phase) const {
  const auto found = std::find_if(phases.begin(), phases.end(),
                                  [phase](const PhaseMark& mark) { return mark.phase == phase; });
  if (found == phases.end()) return std::nullopt;
  return found->at - started;
}

const DialHop* opening_hop(const DialReport& report) {
  if (report.hops.empty()) return nullptr;
  if (report.push) {
    const auto began = std::find_if(report.hops.begin(), report.hops.end(), [](const DialHop& hop) {
      return std::any_of(hop.phases.begin(), hop.phases.end(),
                         [](const PhaseMark& mark) { return mark.phase == DialPhase::started; });
    });
    return began == report.hops.end() ? &report.hops.back() : &*began;
  }
  const auto& first_tag = report.playback.marks.first_tag;
  const auto hop = std::find_if(
      report.hops.rbegin(), report.hops.rend(),
      [&first_tag](const DialHop& one) { return !first_tag || one.began <= *first_tag; });
  return hop == report.hops.rend() ? &report.hops.back() : &*hop;
}

std::vector<PhaseSpan> phase_spans(const DialReport& report) {
  std::vector<PhaseSpan> spans;
  // What earlier hops took belongs to no phase of this one.
  const DialHop* hop = opening_hop(report);
  MonoTime before = hop == nullptr ? report.started : hop->began;
  for (const PhaseMark& mark : report.phases) {
    spans.push_back(
        {.phase = mark.phase, .from = before - report.started, .to = mark.at - report.started});
    before = mark.at;
  }
  return spans;
}

}  // namespace linkpilot::prober
