// One RTMP session as a client, pulling or pushing one stream, without sockets: received octets and
// their time go in; octets to send, events, media tags and one outcome come out.
//
//   RtmpClient client(options, sink);
//   client.start(now);                        once TCP, and TLS if any, stand
//   client.on_bytes(octets, now);             as they come
//   client.on_closed(how, now);               when the other side is gone
//   client.on_timer(now);                     at next_wakeup(), or at any time
//   send(client.output()); client.on_sent(n); after each of these
//   while (auto event = client.take_event())  what was reached, and when
//   client.outcome()                          set once; flush output and close
//
// A session follows no redirect by itself: its outcome names the next connection (Outcome::next),
// and `following` makes the options for it. Deadlines are absolute from the start of their stage:
// octets that trickle do not move them. After the start of media there is no deadline but the one
// for the first tag; stalls are for those who look at the tags to judge.
//
// Bounds: the output (publish_tag says `full`; replies are left out and counted beyond
// kReplyOctetsMax), commands (kCommandOctetsMax), events (each milestone comes once and is never
// lost; of what a server can repeat the newest kEventsMax, the rest counted), and those of the
// parts. Never blocks on acknowledgements of the peer. Single thread; the sink must outlive the
// client.
#pragma once

#include <deque>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "base/time.h"
#include "prober/media/rtmp/aggregate.h"
#include "prober/media/rtmp/amf0.h"
#include "prober/media/rtmp/chunk_reader.h"
#include "prober/media/rtmp/chunk_writer.h"
#include "prober/media/rtmp/commands.h"
#include "prober/media/rtmp/deinterleaver.h"
#include "prober/media/rtmp/handshake.h"
#include "prober/media/rtmp/outcome.h"

namespace linkpilot::rtmp {

constexpr std::size_t kCommandOctetsMax = 65536;    // of one command
constexpr std::size_t kGatheredOctetsMax = 262144;  // of all commands in progress
constexpr std::size_t kControlOctetsMax = 64;       // of a control message that is looked at
constexpr std::size_t kReplyOctetsMax = 65536;      // of output, past which pings go unanswered
constexpr std::size_t kEventsMax = 128;             // of what can be repeated, not yet taken

struct RtmpClientOptions {
  Direction direction = Direction::pull;
  RtmpUrl url;
  // The stream's name is a key, not to be shown; one that is pushed to always is.
  bool hide_stream_name = false;
  HandshakeForm handshake = HandshakeForm::simple;
  bool handshake_fallback = true;  // a handshake that fails offers the other form as the next
  std::string page_url;
  std::string swf_url;
  bool allow_clear_redirects = false;  // from rtmps to rtmp: the URL's secrets would be readable
  bool subscribe = false;              // FCSubscribe before play; some CDNs start the pull on it
  std::uint32_t buffer_ms = 3000;      // SetBufferLength; FMS meters its delivery by it
  std::uint32_t chunk_octets = 4096;   // of what we push
  std::size_t output_octets_max = std::size_t{4} << 20;

  Duration handshake_max = std::chrono::seconds(5);
  Duration connect_max = std::chrono::seconds(5);
  Duration create_stream_max = std::chrono::seconds(5);
  Duration start_max = std::chrono::seconds(5);         // play or publish
  Duration first_media_max = std::chrono::seconds(10);  // pull: to the first tag
  Duration hold = std::chrono::seconds(2);  // a close this soon after the start is a refusal

  // What earlier connections of the same dial have led to; see `following`.
  std::string authentication;
  int authentication_rounds = 0;
  std::vector<std::string> visited;
  std::uint64_t seed = 1;  // of the handshake and the client's challenges; no secret
};

// The options for the connection that an outcome asks for.
[[nodiscard]] RtmpClientOptions following(const RtmpClientOptions& options, const Reconnect& next);

enum class Phase : std::uint8_t {
  server_hello,  // S1 is whole
  handshake,     // S2 is whole; text: "digest" if the server has shown that it knows it
  connected,     // text: the server's version, if it said one
  stream_created,
  started,       // Play.Start or Publish.Start; no proof of a stream
  first_script,  // the first octets of the first such tag; pull only
  first_audio,
  first_video,
  held,          // push: still open `hold` after the start
  stream_ended,  // text: the code, or "StreamEOF"; the session goes on
  stream_resumed,
  reconnect_requested,  // text: the target, masked
  notice,               // text: a status that changes nothing, verbatim
};

[[nodiscard]] std::string_view to_string(Phase phase);

struct RtmpEvent {
  Phase phase = Phase::notice;
  Now at;
  std::string text;
};

struct RtmpCounters {
  std::uint64_t octets_in = 0;
  std::uint64_t messages_in = 0;
  std::uint64_t tags_in = 0;
  std::uint64_t tags_out = 0;
  std::uint64_t unknown_messages = 0;
  std::uint64_t unmatched_replies = 0;   // _result or _error for no call of ours
  std::uint64_t malformed_commands = 0;  // of kinds that may be ignored
  std::uint64_t aggregate_faults = 0;
  std::uint64_t aborted_messages = 0;
  std::uint64_t pings = 0;
  std::uint64_t replies_left_out = 0;
  std::uint64_t events_left_out = 0;
  std::uint64_t reconnect_requests = 0;
  std::uint64_t peer_acknowledged = 0;  // as the peer counts, modulo 2^32
};

enum class PeerClose : std::uint8_t { finished, reset };
enum class PublishResult : std::uint8_t { accepted, full, not_publishing };

class RtmpClient {
 public:
  RtmpClient(RtmpClientOptions options, prober::TagSink& sink);
  RtmpClient(const RtmpClient&) = delete;
  RtmpClient& operator=(const RtmpClient&) = delete;

  void start(Now now);
  void on_bytes(std::span<const std::uint8_t> bytes, Now now);
  void on_closed(PeerClose how, Now now);
  void on_timer(Now now);
  [[nodiscard]] std::optional<MonoTime> next_wakeup() const;

  // Push: queues one tag, whole; a script tag is marked as @setDataFrame if it is not yet. `octets`
  // of the header is not looked at.
  [[nodiscard]] PublishResult publish_tag(const prober::TagHeader& tag,
                                          std::span<const std::uint8_t> body);
  // Ends the session from our side in order: FCUnpublish and deleteStream, then the outcome.
  void end(Now now);

  // What is to be sent. Valid until the next call that is not const.
  [[nodiscard]] std::span<const std::uint8_t> output() const;
  void on_sent(std::size_t octets);
  [[nodiscard]] std::optional<RtmpEvent> take_event();
  [[nodiscard]] const std::optional<Outcome>& outcome() const { return outcome_; }
  [[nodiscard]] Stage stage() const { return stage_; }
  [[nodiscard]] bool is_publishing() const;
  [[nodiscard]] const RtmpCounters& counters() const { return counters_; }

 private:
  struct Gathered {
    std::uint8_t slot = 0;
    std::vector<std::uint8_t> body;
  };
  struct OpenAggregate {
    std::uint8_t slot = 0;
    AggregateReader reader;
  };

  // rtmp_client.cc: stages, time, output
  void enter(Stage stage, Duration limit, Now now);
  void tell(Phase phase, Now now, std::string text = {});
  void fail(FailureKind kind, std::string_view code, std::string sentence);
  void finish(Outcome outcome);
  void close_outcome(PeerClose how, Now now);
  void say_goodbye();
  void follow_request();
  void read_handshake(std::span<const std::uint8_t>& in, Now now);
  void read_chunks(std::span<const std::uint8_t> in, Now now);
  void send(MessageType type, std::uint32_t chunk_stream, std::uint32_t stream,
            std::span<const std::uint8_t> body);
  void send_command(std::uint32_t stream, const CommandBody& body);
  void send_control(MessageType type, std::uint64_t value, int octets);
  void send_user_control(UserControl event, std::uint64_t value, int octets);
  [[nodiscard]] bool may_reply();
  void acknowledge();
  [[nodiscard]] std::string target() const;

  // rtmp_client_messages.cc: what messages bring
  void route(const ChunkPart& part, Now now);
  void route_tag(const ChunkPart& part, prober::TagType type, Now now);
  void route_aggregate(const ChunkPart& part, Now now);
  void route_gathered(const ChunkPart& part, Now now);
  void drop(const ChunkPart& part);
  void note_media(prober::TagType type, Now now);
  void on_message(MessageType type, std::span<const std::uint8_t> body, Now now);
  void on_user_control(std::span<const std::uint8_t> body, Now now);
  void too_interleaved();

  // rtmp_client_commands.cc: what commands mean
  void on_command(std::span<const std::uint8_t> body, CommandForm form, Now now);
  void on_result(const Command& command, Now now);
  void on_error(const Command& command, Now now);
  void on_connected(const Command& command, Now now);
  void on_stream_created(const Command& command, Now now);
  void on_status(const AmfValue& info, Now now);
  void on_started(Now now);
  void on_rejected(const AmfValue& info, FailureKind kind);
  [[nodiscard]] bool follow_redirect(const AmfValue& info);
  [[nodiscard]] bool is_clear_redirect(const RtmpUrl& next) const;
  void on_reconnect_request(const AmfValue& info, Now now);
  [[nodiscard]] std::string shown(std::string_view text) const;
  [[nodiscard]] StreamName name_shown() const;

  RtmpClientOptions options_;
  Stage stage_ = Stage::handshake;
  std::optional<MonoTime> deadline_;
  std::optional<MonoTime> hold_until_;  // push
  MonoTime started_at_{};
  bool started_ = false;
  bool media_seen_ = false;
  std::uint8_t phases_told_ = 0;  // bits of first_script, first_audio, first_video
  std::string ended_by_;          // the code after which a close is no failure
  std::optional<Outcome> outcome_;
  std::optional<Reconnect> requested_;  // by a ReconnectRequest, until a tag is complete

  std::unique_ptr<Handshake> handshake_;  // until complete
  ChunkReader reader_;
  ChunkWriter writer_;
  Deinterleaver lanes_;
  std::vector<Gathered> gathered_;
  std::size_t gathered_octets_ = 0;
  std::vector<OpenAggregate> aggregates_;

  double next_transaction_ = 2;
  double create_transaction_ = 0;
  double start_transaction_ = 0;
  std::uint32_t stream_ = 0;
  std::uint64_t chunk_octets_in_ = 0;
  std::uint64_t acknowledged_ = 0;
  std::uint32_t window_ = 2'500'000;
  std::uint32_t told_window_ = 0;

  std::vector<std::uint8_t> out_;
  std::size_t out_begin_ = 0;
  std::deque<RtmpEvent> events_;
  std::size_t repeatable_events_ = 0;  // of events_
  RtmpCounters counters_;
};

}  // namespace linkpilot::rtmp
