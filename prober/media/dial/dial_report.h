// What one dial found: every phase of its opening as a number of its own, where and why it failed,
// the playback it saw, and how far its own machine can be blamed. Values only; made by a Dial,
// rendered by report_json.h and by the command line. No field holds a secret of a URL. Lists are
// bounded by their makers.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/address.h"
#include "base/time.h"
#include "prober/media/dial/dial_request.h"
#include "prober/media/playback/playback_report.h"
#include "prober/media/playback/verdict.h"

namespace linkpilot::prober {

// Milestones in the order in which a dial that works passes them; each carrier has its own subset.
enum class DialPhase : std::uint8_t {
  dns,             // the name's addresses are known (0 for a literal address: never marked)
  tcp,             // connected
  tls,             // handshake complete
  first_octet,     // of the server, above TCP and TLS
  server_hello,    // RTMP: S1 whole
  handshake,       // RTMP: S2 whole
  connected,       // RTMP: _result of connect
  stream_created,  // RTMP: _result of createStream
  started,         // RTMP: Play.Start or Publish.Start
  response,        // HTTP: headers whole
  flv_header,      // HTTP: the nine octets
  held,            // push: still open after the hold time
  first_tag,       // from here on the last octet of the tag that made the mark
  metadata,
  audio_config,
  first_audio,
  video_config,
  first_video,
  key_frame,  // the first decodable one: the proof of success
  first_gop,
};

[[nodiscard]] std::string_view to_string(DialPhase phase);

struct PhaseMark {
  DialPhase phase = DialPhase::dns;
  MonoTime at;
};

enum class DialStage : std::uint8_t {
  url,
  policy,
  dns,
  tcp,
  tls,
  handshake,
  connect,
  create_stream,
  start,
  request,
  response,
  flv_header,
  media,
  read_back,
};

enum class DialFault : std::uint8_t {
  bad_url,
  forbidden,  // by our own policy
  limit,      // a ceiling of ours was passed
  no_such_name,
  no_address,  // the name exists, without an address of the wished family
  dns_failed,  // the resolver says it cannot, or talks nonsense
  timeout,
  refused,
  unreachable,
  reset,
  closed,
  not_tls,
  certificate_expired,
  certificate_not_yet_valid,
  certificate_name,
  certificate_chain,  // the issuer is not known or the chain is broken
  certificate_self_signed,
  certificate_other,
  tls_failed,
  not_rtmp,
  not_http,
  not_flv,
  http_status,
  protocol,
  rejected,
  not_found,
  denied,
  busy,
  authentication,
  redirected,  // in a circle, too far, or to nowhere
  no_media,
  dropped,        // accepted, and closed at once
  stuck,          // push: the server takes nothing any more
  internal,       // our own machine: no descriptor, no memory
  not_decodable,  // frames came, and none with which a decoder could begin
  stopped,        // from outside, before the dial had what it came for
};

[[nodiscard]] std::string_view to_string(DialStage stage);
[[nodiscard]] std::string_view to_string(DialFault fault);

struct DialFailure {
  DialStage stage = DialStage::url;
  DialFault kind = DialFault::internal;
  std::string code;      // of the server or system, verbatim; empty if it gave none
  std::string sentence;  // for an operator
};

struct DnsAnswer {
  IpAddress address;
  std::uint32_t ttl_s = 0;
};

struct DnsReport {
  std::vector<DnsAnswer> answers;  // the first 64
  std::uint32_t answers_total = 0;
  std::vector<std::string> aliases;  // CNAMEs, the first 16
  std::string resolver;              // "system", "override", or the servers asked
  std::string client_subnet;         // as sent; empty: none
};

struct ConnectAttempt {  // of an address that was given up
  Endpoint server;
  Duration took{};
  std::string error;
};

struct TlsReport {
  std::string version;  // "TLSv1.3"
  std::string cipher;
  std::string alpn;
  std::optional<DialFault> certificate_fault;  // also when only recorded
  std::string certificate_code;                // OpenSSL's words for it
  std::string subject;
  std::string issuer;
  UnixNanos not_after{};
  std::uint32_t chain_length = 0;
};

// One connection of a dial; redirects and authentication make more than one.
struct DialHop {
  std::string url;  // masked
  std::string why;  // "redirect", "authentication", ...; empty for the first
  MonoTime began;
  MonoTime ended;
  DnsReport dns;
  std::vector<ConnectAttempt> attempts;
  std::optional<Endpoint> server;
  std::optional<Endpoint> local;
  std::optional<TlsReport> tls;
  std::string server_version;  // as RTMP's fmsVer or HTTP's Server says it
  int http_status = 0;
  std::vector<std::pair<std::string, std::string>> headers;  // HTTP, shortened, the first 64
  std::vector<PhaseMark> phases;                             // in the order reached
};

// TCP_INFO of the connection that carried media, when it ended (linux/tcp.h has the meanings).
struct TcpFigures {
  Duration rtt{};
  Duration rtt_variance{};
  Duration rtt_min{};
  std::uint32_t mss = 0;
  std::uint64_t octets_received = 0;
  std::uint64_t octets_acknowledged = 0;
  std::uint32_t segments_in = 0;
  std::uint32_t segments_out = 0;
  std::uint32_t retransmits = 0;  // of ours, in all
  std::uint32_t out_of_order_in =
      0;  // segments that came out of order: loss or reordering before us
  std::uint32_t receive_space = 0;
  std::uint32_t congestion_window = 0;
  std::uint32_t not_sent = 0;   // octets in the kernel that never left
  Duration receiver_limited{};  // push: time the peer's window held us up
  Duration send_buffer_limited{};
  BitsPerSecond delivery_rate{};
};

// How far our own machine spoilt the figures.
struct ProbeHealth {
  Duration loop_lag_p99{};  // by which timers of the loop fired late while the dial ran
  Duration loop_lag_max{};
  bool overloaded = false;  // p99 above 20 ms: judge nothing by this dial
};

enum class DialEnd : std::uint8_t {
  running,
  failed,
  watched,       // to the length asked for
  stream_ended,  // the publisher left or the recording ended: no failure
  stopped,       // by the caller
  ceiling,       // of our own policy: rate or octets
};

[[nodiscard]] std::string_view to_string(DialEnd end);

struct PushReport {
  bool accepted = false;  // the server's word to publish
  bool held = false;      // still open after the hold time
  std::uint64_t tags = 0;
  std::uint64_t octets = 0;
  std::uint64_t tags_left_out = 0;  // because the server did not take what was queued
  Duration late_max{};              // of a tag behind its schedule, by our own clock
  Duration queue_max{};             // for how long on end something waited to be taken
  // Of the read-back's delay, whose ends are stamped by one clock of one machine: only its readers
  // are late, the loop by up to this in 99 of 100 cases. The delay reads too long, never too short,
  // unless the clock is set meanwhile; the frame's pacing is not in it, because a frame is stamped
  // when it is sent, in nanoseconds.
  Duration delay_error{};
  std::string stream_name;  // made up by us; empty if it was given
};

struct DialReport {
  std::string url;  // masked
  DialDirection direction = DialDirection::pull;
  std::string carrier;  // "rtmp", "rtmps", "http-flv", "https-flv"
  SocketMode socket_mode = SocketMode::prompt;
  TlsMode tls_mode = TlsMode::enforce;
  UnixNanos started_wall{};
  MonoTime started;
  MonoTime ended;
  DialEnd end = DialEnd::running;
  std::string end_code;  // what ended the stream, verbatim
  std::optional<DialFailure> failure;
  bool success = false;           // pull: a decodable key frame; push: held, and read back if asked
  std::vector<DialHop> hops;      // in their order; never empty once started
  std::vector<PhaseMark> phases;  // the opening hop's and the media's, in order of time
  std::vector<std::string> notices;  // of the server, verbatim; the first 16
  std::uint64_t octets_in = 0;
  std::uint64_t octets_out = 0;
  PlaybackReport playback;  // pull
  std::optional<PushReport> push;
  std::vector<DialReport> read_back;  // push: the pull that read the stream back; at most one
  std::optional<TcpFigures> tcp;
  ProbeHealth health;
  Verdict verdict;

  [[nodiscard]] std::optional<Duration> since_start(DialPhase phase) const;
};

// The connection on which the opening that `phases` tells ended: the last one begun before the
// first tag, of a push the first that had the word to publish. A server may ask to move on after
// that.
[[nodiscard]] const DialHop* opening_hop(const DialReport& report);

// How long a phase took by itself: from the mark before it, in order of time, to its own.
struct PhaseSpan {
  DialPhase phase = DialPhase::dns;
  Duration from{};  // since the start of the dial
  Duration to{};
};
[[nodiscard]] std::vector<PhaseSpan> phase_spans(const DialReport& report);

}  // namespace linkpilot::prober
