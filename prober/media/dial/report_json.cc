#include "prober/media/dial/report_json.h"

#include <array>
#include <nlohmann/json.hpp>

namespace linkpilot::prober {
namespace {

using Object = nlohmann::ordered_json;

double to_ms(Duration duration) {
  return std::chrono::duration<double, std::milli>(duration).count();
}

Object address_json(const DnsAnswer& answer) {
  return {{"address", answer.address.to_string()}, {"ttl_s", answer.ttl_s}};
}

Object dns_json(const DnsReport& dns) {
  Object out = {{"resolver", dns.resolver}, {"answers_total", dns.answers_total}};
  out["answers"] = Object::array();
  for (const DnsAnswer& answer : dns.answers) out["answers"].push_back(address_json(answer));
  if (!dns.aliases.empty()) out["aliases"] = dns.aliases;
  if (!dns.client_subnet.empty()) out["client_subnet"] = dns.client_subnet;
  return out;
}

Object tls_json(const TlsReport& tls) {
  Object out = {{"version", tls.version},
                {"cipher", tls.cipher},
                {"subject", tls.subject},
                {"issuer", tls.issuer},
                {"not_after", format_utc(tls.not_after)},
                {"chain_length", tls.chain_length}};
  if (!tls.alpn.empty()) out["alpn"] = tls.alpn;
  if (tls.certificate_fault) {
    out["certificate_fault"] = to_string(*tls.certificate_fault);
    out["certificate_code"] = tls.certificate_code;
  }
  return out;
}

Object hop_json(const DialHop& hop, MonoTime started) {
  Object out = {{"url", hop.url},
                {"began_ms", to_ms(hop.began - started)},
                {"ended_ms", to_ms(hop.ended - started)}};
  if (!hop.why.empty()) out["why"] = hop.why;
  out["dns"] = dns_json(hop.dns);
  if (hop.server) out["server"] = hop.server->to_string();
  if (hop.local) out["local"] = hop.local->to_string();
  for (const ConnectAttempt& attempt : hop.attempts) {
    out["failed_attempts"].push_back({{"server", attempt.server.to_string()},
                                      {"took_ms", to_ms(attempt.took)},
                                      {"error", attempt.error}});
  }
  if (hop.tls) out["tls"] = tls_json(*hop.tls);
  if (!hop.server_version.empty()) out["server_version"] = hop.server_version;
  if (hop.http_status != 0) out["http_status"] = hop.http_status;
  for (const auto& [name, value] : hop.headers) out["headers"].push_back({name, value});
  out["phases"] = Object::array();
  for (const PhaseMark& mark : hop.phases) {
    out["phases"].push_back({{"name", to_string(mark.phase)}, {"at_ms", to_ms(mark.at - started)}});
  }
  return out;
}

Object phases_json(const DialReport& report) {
  Object out = Object::array();
  for (const PhaseSpan& span : phase_spans(report)) {
    out.push_back({{"name", to_string(span.phase)},
                   {"at_ms", to_ms(span.to)},
                   {"took_ms", to_ms(span.to - span.from)}});
  }
  return out;
}

Object player_json(const PlayerReport& player, MonoTime started) {
  Object out = {{"name", player.rule.name},
                {"start_ms", to_ms(player.rule.start)},
                {"resume_ms", to_ms(player.rule.resume)},
                {"threshold_ms", to_ms(player.rule.threshold)},
                {"margin_ms", to_ms(player.rule.margin)},
                {"stalls", player.stalls},
                {"stalled_ms", to_ms(player.stalled)},
                {"longest_ms", to_ms(player.longest)},
                {"short_ms", to_ms(player.short_total)},
                {"played_ms", to_ms(player.played)},
                {"stall_ratio", player.stall_ratio()},
                {"stalls_per_100s", player.stalls_per_100s()},
                {"stall_ms_per_100s", player.stall_ms_per_100s()}};
  out["list"] = Object::array();
  for (const Stall& stall : player.list) {
    out["list"].push_back({{"at_ms", to_ms(stall.start - started)},
                           {"length_ms", to_ms(stall.length)},
                           {"open", stall.open}});
  }
  return out;
}

Object track_json(const TrackReport& track) {
  return {{"frames", track.frames},
          {"octets", track.octets},
          {"empty_frames", track.empty_frames},
          {"undecodable_frames", track.undecodable_frames},
          {"config_changes", track.config_changes},
          {"timestamp_jumps", track.jumps},
          {"backward_steps", track.backward_steps},
          {"wraps", track.wraps},
          {"typical_step_ms", to_ms(track.typical_step)},
          {"media_ms", to_ms(track.media_span)},
          {"rate_by_time", track.rate_by_time},
          {"rate_by_arrival", track.rate_by_arrival},
          {"realtime_ratio", track.realtime_ratio},
          {"missing_ratio", track.missing_ratio},
          {"starvations", track.starvations},
          {"starved_ms", to_ms(track.starved)}};
}

Object formats_json(const PlaybackReport& playback) {
  Object video = track_json(playback.video);
  video["codec"] = to_string(playback.video_codec);
  if (playback.video_config) {
    video["width"] = playback.video_config->width;
    video["height"] = playback.video_config->height;
    video["profile"] = playback.video_config->profile;
    video["level"] = playback.video_config->level;
  }
  Object audio = track_json(playback.audio);
  audio["codec"] = to_string(playback.audio_codec);
  if (playback.audio_config) {
    audio["sample_rate"] = playback.audio_config->sample_rate;
    audio["channels"] = playback.audio_config->channels;
  }
  return {{"video", std::move(video)}, {"audio", std::move(audio)}};
}

Object windows_json(const PlaybackReport& playback) {
  Object out = {{"length_ms", to_ms(playback.window)}};
  for (const char* name : {"octets", "video_frames", "audio_frames"}) out[name] = Object::array();
  for (const PlayerReport& player : playback.players) {
    out["buffered_ms"][std::string(player.rule.name)] = Object::array();
  }
  for (const PlaybackWindow& window : playback.windows) {
    out["octets"].push_back(window.octets);
    out["video_frames"].push_back(window.video_frames);
    out["audio_frames"].push_back(window.audio_frames);
    for (std::size_t i = 0; i < playback.players.size(); ++i) {
      out["buffered_ms"][std::string(playback.players[i].rule.name)].push_back(
          window.buffered_ms[i]);
    }
  }
  return out;
}

Object playback_json(const PlaybackReport& playback, MonoTime started) {
  Object out = formats_json(playback);
  for (const PlayerReport& player : playback.players) {
    out["players"].push_back(player_json(player, started));
  }
  out["content_freezes"] = {{"count", playback.freezes},
                            {"frozen_ms", to_ms(playback.frozen)},
                            {"longest_ms", to_ms(playback.longest_freeze)},
                            {"list", Object::array()}};
  for (const Freeze& freeze : playback.freeze_list) {
    out["content_freezes"]["list"].push_back(
        {{"at_ms", to_ms(freeze.seen - started)}, {"length_ms", to_ms(freeze.length)}});
  }
  out["timestamp_jumps"] = Object::array();
  for (const TimestampJump& jump : playback.jump_list) {
    out["timestamp_jumps"].push_back({{"at_ms", to_ms(jump.seen - started)},
                                      {"track", jump.track == TrackKind::audio ? "audio" : "video"},
                                      {"step_ms", to_ms(jump.step)}});
  }
  out["burst_media_ms"] = to_ms(playback.burst_media);
  out["burst_bits_per_s"] = playback.burst_rate.value;
  out["steady_bits_per_s"] = playback.steady_rate.value;
  out["gop"] = {{"complete", playback.gop.complete},
                {"min_ms", to_ms(playback.gop.least)},
                {"mean_ms", to_ms(playback.gop.mean)},
                {"max_ms", to_ms(playback.gop.most)},
                {"frames_mean", playback.gop.frames_mean}};
  if (playback.start_offset) out["audio_start_offset_ms"] = to_ms(*playback.start_offset);
  out["interleave_p95_ms"] = to_ms(playback.interleave_p95);
  out["interleave_max_ms"] = to_ms(playback.interleave_max);
  out["audio_drift_ms"] = to_ms(playback.audio_drift);
  out["sound_early_ms"] = to_ms(playback.sound_early);
  out["lateness_end_ms"] = to_ms(playback.lateness_end);
  out["lateness_max_ms"] = to_ms(playback.lateness_max);
  out["picture"] = {{"broken_frames", playback.picture.broken_frames},
                    {"gaps_without_key", playback.picture.gaps_without_key},
                    {"collapsed_seconds", playback.picture.collapsed_seconds},
                    {"audio_minimal", playback.picture.audio_minimal}};
  if (!playback.config_fault.empty()) out["config_fault"] = playback.config_fault;
  if (playback.push_delay.samples > 0) {
    const PushDelay& delay = playback.push_delay;
    out["push_delay"] = {{"samples", delay.samples},     {"missed", delay.missed},
                         {"min_ms", to_ms(delay.least)}, {"median_ms", to_ms(delay.median)},
                         {"max_ms", to_ms(delay.most)},  {"last_ms", to_ms(delay.last)}};
  }
  out["windows"] = windows_json(playback);
  return out;
}

Object tcp_json(const TcpFigures& tcp) {
  return {{"rtt_ms", to_ms(tcp.rtt)},
          {"rtt_variance_ms", to_ms(tcp.rtt_variance)},
          {"rtt_min_ms", to_ms(tcp.rtt_min)},
          {"mss", tcp.mss},
          {"octets_received", tcp.octets_received},
          {"octets_acknowledged", tcp.octets_acknowledged},
          {"segments_in", tcp.segments_in},
          {"segments_out", tcp.segments_out},
          {"retransmits", tcp.retransmits},
          {"out_of_order_in", tcp.out_of_order_in},
          {"receive_space", tcp.receive_space},
          {"congestion_window", tcp.congestion_window},
          {"not_sent", tcp.not_sent},
          {"receiver_limited_ms", to_ms(tcp.receiver_limited)},
          {"send_buffer_limited_ms", to_ms(tcp.send_buffer_limited)},
          {"delivery_bits_per_s", tcp.delivery_rate.value}};
}

Object push_json(const PushReport& push) {
  Object out = {{"accepted", push.accepted},
                {"held", push.held},
                {"tags", push.tags},
                {"octets", push.octets},
                {"tags_left_out", push.tags_left_out},
                {"late_max_ms", to_ms(push.late_max)},
                {"queue_max_ms", to_ms(push.queue_max)},
                {"delay_error_ms", to_ms(push.delay_error)}};
  if (!push.stream_name.empty()) out["stream_name"] = push.stream_name;
  return out;
}

Object verdict_json(const Verdict& verdict) {
  Object out = {{"kind", to_string(verdict.kind)}, {"sentence", verdict.sentence}};
  out["also"] = Object::array();
  for (const Finding& finding : verdict.also) {
    out["also"].push_back({{"kind", to_string(finding.kind)}, {"sentence", finding.sentence}});
  }
  return out;
}

Object report_object(const DialReport& report) {
  Object out = {{"url", report.url},
                {"direction", report.direction == DialDirection::push ? "push" : "pull"},
                {"carrier", report.carrier},
                {"sockets", report.socket_mode == SocketMode::prompt ? "prompt" : "player_like"},
                {"certificates", report.tls_mode == TlsMode::enforce ? "enforce" : "record"},
                {"started", format_utc(report.started_wall)},
                {"started_unix_ns", report.started_wall.ns},
                {"took_ms", to_ms(report.ended - report.started)},
                {"success", report.success},
                {"end", to_string(report.end)}};
  if (!report.end_code.empty()) out["end_code"] = report.end_code;
  out["verdict"] = verdict_json(report.verdict);
  if (report.failure) {
    out["failure"] = {{"stage", to_string(report.failure->stage)},
                      {"kind", to_string(report.failure->kind)},
                      {"code", report.failure->code},
                      {"sentence", report.failure->sentence}};
  }
  out["phases"] = phases_json(report);
  out["hops"] = Object::array();
  for (const DialHop& hop : report.hops) out["hops"].push_back(hop_json(hop, report.started));
  if (!report.notices.empty()) out["notices"] = report.notices;
  out["octets_in"] = report.octets_in;
  out["octets_out"] = report.octets_out;
  if (report.direction == DialDirection::pull && report.playback.marks.first_tag) {
    out["playback"] = playback_json(report.playback, report.started);
  }
  if (report.push) out["push"] = push_json(*report.push);
  if (!report.read_back.empty()) out["read_back"] = report_object(report.read_back.front());
  if (report.tcp) out["tcp"] = tcp_json(*report.tcp);
  out["probe"] = {{"loop_lag_p99_ms", to_ms(report.health.loop_lag_p99)},
                  {"loop_lag_max_ms", to_ms(report.health.loop_lag_max)},
                  {"probe_overloaded", report.health.overloaded}};
  return out;
}

}  // namespace

std::string dial_report_json(const DialReport& report) {
  // Text of servers was made printable where it came in; what slipped through is replaced.
  return report_object(report).dump(-1, ' ', false, Object::error_handler_t::replace);
}

}  // namespace linkpilot::prober
