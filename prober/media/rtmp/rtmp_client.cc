#include "prober/media/rtmp/rtmp_client.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>

#include "base/assert.h"
#include "prober/stamp/bytes.h"

namespace linkpilot::rtmp {
namespace {

constexpr std::uint32_t kOwnWindow = 2'500'000;  // what other clients say
// Acknowledging at a tenth of the window is what librtmp does; the bounds keep a window of 1 from
// making a storm and one of 2^32 from keeping us silent.
constexpr std::uint64_t kAcknowledgeMin = 16384;
constexpr std::uint64_t kAcknowledgeMax = 1 << 20;

constexpr std::uint32_t kControlStream = 2;  // chunk streams
constexpr std::uint32_t kCommandStream = 3;
constexpr std::uint32_t kAudioStream = 4;
constexpr std::uint32_t kScriptStream = 5;
constexpr std::uint32_t kVideoStream = 6;
constexpr std::uint32_t kStreamCommandStream = 8;

constexpr std::size_t kTagOverhead = 64;  // of chunk headers, for one chunk

double seconds(Duration duration) { return std::chrono::duration<double>(duration).count(); }

std::optional<HandshakeForm> other_handshake(HandshakeForm form) {
  switch (form) {
    case HandshakeForm::simple:
      return HandshakeForm::digest_schema_0;
    case HandshakeForm::digest_schema_0:
      return HandshakeForm::digest_schema_1;
    case HandshakeForm::digest_schema_1:
      return std::nullopt;
  }
  return std::nullopt;
}

// What a server can make happen any number of times; all else is a milestone.
bool is_repeatable(Phase phase) {
  return phase == Phase::stream_ended || phase == Phase::stream_resumed ||
         phase == Phase::reconnect_requested || phase == Phase::notice;
}

std::uint32_t chunk_stream_of(prober::TagType type) {
  switch (type) {
    case prober::TagType::audio:
      return kAudioStream;
    case prober::TagType::video:
      return kVideoStream;
    case prober::TagType::script:
      return kScriptStream;
  }
  return kScriptStream;
}

}  // namespace

RtmpClientOptions following(const RtmpClientOptions& options, const Reconnect& next) {
  RtmpClientOptions result = options;
  if (result.visited.empty()) result.visited.push_back(options.url.text());
  if (next.why == Reconnect::Why::redirect || next.why == Reconnect::Why::request) {
    result.visited.push_back(next.url.text());
  }
  result.url = next.url;
  result.handshake = next.handshake;
  result.authentication = next.authentication;
  result.authentication_rounds = next.authentication_rounds;
  ++result.seed;
  return result;
}

std::string_view to_string(Phase phase) {
  constexpr std::array<std::string_view, 13> names{
      "server_hello",   "handshake",           "connected",   "stream_created", "started",
      "first_script",   "first_audio",         "first_video", "held",           "stream_ended",
      "stream_resumed", "reconnect_requested", "notice"};
  return names[static_cast<std::size_t>(phase)];
}

RtmpClient::RtmpClient(RtmpClientOptions options, prober::TagSink& sink)
    : options_(std::move(options)), lanes_(sink) {
  if (options_.visited.empty()) options_.visited.push_back(options_.url.text());
}

StreamName RtmpClient::name_shown() const {
  return options_.hide_stream_name || options_.direction == Direction::push ? StreamName::hide
                                                                            : StreamName::show;
}

std::string RtmpClient::target() const { return options_.url.masked(name_shown()); }

void RtmpClient::start(Now now) {
  LP_ASSERT(!handshake_ && !outcome_);
  handshake_ = std::make_unique<Handshake>(options_.handshake, Rng(options_.seed));
  handshake_->write_hello(out_);
  enter(Stage::handshake, options_.handshake_max, now);
}

void RtmpClient::enter(Stage stage, Duration limit, Now now) {
  stage_ = stage;
  deadline_ = now.mono + limit;
}

void RtmpClient::tell(Phase phase, Now now, std::string text) {
  if (is_repeatable(phase) && ++repeatable_events_ > kEventsMax) {
    // The newest stay: whether the stream runs now counts for more than what was said before.
    events_.erase(std::find_if(events_.begin(), events_.end(),
                               [](const RtmpEvent& event) { return is_repeatable(event.phase); }));
    --repeatable_events_;
    ++counters_.events_left_out;
  }
  events_.push_back({.phase = phase, .at = now, .text = std::move(text)});
}

void RtmpClient::fail(FailureKind kind, std::string_view code, std::string sentence) {
  if (outcome_) return;
  finish({.failure = Failure{.stage = stage_,
                             .kind = kind,
                             .code = shown(code),
                             .sentence = target() + ": " + std::move(sentence)},
          .next = {}});
}

void RtmpClient::finish(Outcome outcome) {
  if (outcome_) return;
  outcome_ = std::move(outcome);
  deadline_.reset();
  hold_until_.reset();
}

void RtmpClient::on_bytes(std::span<const std::uint8_t> bytes, Now now) {
  on_timer(now);
  if (outcome_) return;
  counters_.octets_in += bytes.size();
  if (handshake_) read_handshake(bytes, now);
  if (!handshake_ && !outcome_) read_chunks(bytes, now);
}

void RtmpClient::read_handshake(std::span<const std::uint8_t>& in, Now now) {
  const Handshake::State before = handshake_->state();
  const Handshake::State state = handshake_->read(in, out_);
  if (state == Handshake::State::failed) {
    return fail(FailureKind::not_rtmp, {}, handshake_->failure());
  }
  if (before == Handshake::State::waiting_s1 && state != before) tell(Phase::server_hello, now);
  if (state != Handshake::State::complete) return;
  tell(Phase::handshake, now, handshake_->server_has_digest() ? "digest" : "");
  handshake_.reset();
  ConnectRequest request{.direction = options_.direction,
                         .app = options_.url.app,
                         .tc_url = options_.url.tc_url(),
                         .page_url = options_.page_url,
                         .swf_url = options_.swf_url};
  if (!options_.authentication.empty()) {
    const std::string query =
        (request.app.find('?') == std::string::npos ? "?" : "&") + options_.authentication;
    request.app += query;
    request.tc_url += query;
  }
  send_command(0, connect_command(request));
  enter(Stage::connect, options_.connect_max, now);
}

void RtmpClient::read_chunks(std::span<const std::uint8_t> in, Now now) {
  chunk_octets_in_ += in.size();
  while (!outcome_) {
    const auto part = reader_.next(in);
    if (!part) break;
    route(*part, now);
    if (requested_ && !outcome_ && lanes_.is_idle() && aggregates_.empty()) follow_request();
  }
  if (!reader_.failure().empty()) {
    fail(FailureKind::protocol, {},
         fmt::format("the server broke the RTMP chunk format: {}", reader_.failure()));
  }
  if (!outcome_) acknowledge();
}

// RTMP 5.4.3: the number of octets received so far, modulo 2^32.
void RtmpClient::acknowledge() {
  if (window_ == 0) return;
  const std::uint64_t interval =
      std::clamp<std::uint64_t>(window_ / 10, kAcknowledgeMin, kAcknowledgeMax);
  if (chunk_octets_in_ - acknowledged_ < interval || !may_reply()) return;
  acknowledged_ = chunk_octets_in_;
  send_control(MessageType::acknowledgement, static_cast<std::uint32_t>(chunk_octets_in_), 4);
}

void RtmpClient::on_timer(Now now) {
  if (outcome_) return;
  if (hold_until_ && now.mono >= *hold_until_) {
    hold_until_.reset();
    tell(Phase::held, now);
  }
  if (!deadline_ || now.mono < *deadline_) return;
  const bool push = options_.direction == Direction::push;
  switch (stage_) {
    case Stage::handshake:
      return fail(
          FailureKind::timeout, {},
          fmt::format("no complete RTMP handshake within {:.1f} s ({} octets came); is this "
                      "an RTMP port?",
                      seconds(options_.handshake_max), counters_.octets_in));
    case Stage::connect:
      return fail(FailureKind::timeout, {},
                  fmt::format("no answer to connect within {:.1f} s; the server or the application "
                              "behind it hangs",
                              seconds(options_.connect_max)));
    case Stage::create_stream:
      return fail(FailureKind::timeout, {},
                  fmt::format("no answer to createStream within {:.1f} s",
                              seconds(options_.create_stream_max)));
    case Stage::start:
      return fail(FailureKind::timeout, {},
                  fmt::format("no answer to {} within {:.1f} s; {}", push ? "publish" : "play",
                              seconds(options_.start_max),
                              push ? "the server may be asking a hook that hangs"
                                   : "the stream most likely is not there"));
    case Stage::media:
      return fail(FailureKind::no_media, {},
                  fmt::format("play was accepted, and no audio or video came for {:.1f} s; the "
                              "stream most likely is not being published",
                              seconds(options_.first_media_max)));
  }
}

std::optional<MonoTime> RtmpClient::next_wakeup() const {
  if (!deadline_) return hold_until_;
  return hold_until_ ? std::min(*hold_until_, *deadline_) : *deadline_;
}

void RtmpClient::on_closed(PeerClose how, Now now) {
  on_timer(now);
  if (outcome_) return;
  if (!ended_by_.empty() || requested_) {
    return finish({.failure = {}, .next = requested_});
  }
  close_outcome(how, now);
}

void RtmpClient::close_outcome(PeerClose how, Now now) {
  const bool push = options_.direction == Direction::push;
  const FailureKind kind = how == PeerClose::reset ? FailureKind::reset : FailureKind::closed;
  const std::string did =
      how == PeerClose::reset ? "the connection was reset" : "the server closed the connection";
  switch (stage_) {
    case Stage::handshake:
      fail(kind, {},
           fmt::format("{} during the RTMP handshake, after {} octets", did, counters_.octets_in));
      if (const auto form = other_handshake(options_.handshake);
          form && options_.handshake_fallback) {
        outcome_->next = Reconnect{.why = Reconnect::Why::handshake,
                                   .url = options_.url,
                                   .handshake = *form,
                                   .authentication = options_.authentication,
                                   .authentication_rounds = options_.authentication_rounds};
      }
      return;
    case Stage::connect:
      return fail(kind, {},
                  fmt::format("{} instead of answering connect; the application most likely does "
                              "not exist there, or this address may not use it",
                              did));
    case Stage::create_stream:
      return fail(kind, {}, fmt::format("{} instead of answering createStream", did));
    case Stage::start:
      return fail(kind, {},
                  fmt::format("{} instead of answering {}", did, push ? "publish" : "play"));
    case Stage::media:
      break;
  }
  const Duration open = now.mono - started_at_;
  if (open <= options_.hold && (push || !media_seen_)) {
    return fail(FailureKind::dropped, {},
                fmt::format("{} was accepted and {} {:.1f} ms later; {}", push ? "publish" : "play",
                            did, seconds(open) * 1e3,
                            push ? "publishing is denied, or the name is busy"
                                 : "playing is denied, or there is no such stream"));
  }
  fail(kind, {},
       fmt::format("{} {:.1f} s after the start, without saying why{}", did, seconds(open),
                   media_seen_ || push ? "" : "; no audio or video had come"));
}

bool RtmpClient::is_publishing() const {
  return options_.direction == Direction::push && started_ && !outcome_;
}

PublishResult RtmpClient::publish_tag(const prober::TagHeader& tag,
                                      std::span<const std::uint8_t> body) {
  if (!is_publishing()) return PublishResult::not_publishing;
  const std::size_t chunks = body.size() / options_.chunk_octets;
  const std::size_t needed = body.size() + kTagOverhead + chunks * 8;
  if (body.size() > kMessageOctetsMax - kTagOverhead ||
      output().size() + needed > options_.output_octets_max) {
    return PublishResult::full;
  }
  MessageHeader message{.type = static_cast<MessageType>(tag.type),
                        .timestamp_ms = tag.timestamp_ms,
                        .stream = stream_,
                        .chunk_stream = chunk_stream_of(tag.type)};
  ++counters_.tags_out;
  constexpr std::string_view mark("\x02\x00\x0d@setDataFrame", 16);
  const bool marked = body.size() >= mark.size() &&
                      std::equal(mark.begin(), mark.end(), body.begin(),
                                 [](char a, auto b) { return static_cast<std::uint8_t>(a) == b; });
  if (tag.type != prober::TagType::script || marked) {
    writer_.write(message, body, out_);
    return PublishResult::accepted;
  }
  std::vector<std::uint8_t> framed(mark.begin(), mark.end());
  framed.insert(framed.end(), body.begin(), body.end());
  writer_.write(message, framed, out_);
  return PublishResult::accepted;
}

void RtmpClient::end(Now now) {
  on_timer(now);
  if (outcome_) return;
  say_goodbye();
  finish({});
}

void RtmpClient::say_goodbye() {
  if (stage_ != Stage::start && stage_ != Stage::media) return;
  if (options_.direction == Direction::push) {
    send_command(0, call_command("FCUnpublish", next_transaction_++, options_.url.stream));
  }
  send_command(0, delete_stream_command(next_transaction_++, stream_));
}

// The server asked for it and every tag is complete.
void RtmpClient::follow_request() {
  say_goodbye();
  finish({.failure = {}, .next = std::move(requested_)});
}

std::span<const std::uint8_t> RtmpClient::output() const {
  return std::span(out_).subspan(out_begin_);
}

void RtmpClient::on_sent(std::size_t octets) {
  LP_ASSERT(octets <= out_.size() - out_begin_);
  out_begin_ += octets;
  if (out_begin_ < out_.size() / 2) return;
  out_.erase(out_.begin(), out_.begin() + static_cast<std::ptrdiff_t>(out_begin_));
  out_begin_ = 0;
}

std::optional<RtmpEvent> RtmpClient::take_event() {
  if (events_.empty()) return std::nullopt;
  std::optional<RtmpEvent> event = std::move(events_.front());
  events_.pop_front();
  if (is_repeatable(event->phase)) --repeatable_events_;
  return event;
}

// A puller has nothing else to send, so what piles up are replies to a peer that does not read.
bool RtmpClient::may_reply() {
  const std::size_t limit =
      options_.direction == Direction::push ? options_.output_octets_max : kReplyOctetsMax;
  if (output().size() <= limit) return true;
  ++counters_.replies_left_out;
  return false;
}

void RtmpClient::send(MessageType type, std::uint32_t chunk_stream, std::uint32_t stream,
                      std::span<const std::uint8_t> body) {
  writer_.write({.type = type, .stream = stream, .chunk_stream = chunk_stream}, body, out_);
}

void RtmpClient::send_command(std::uint32_t stream, const CommandBody& body) {
  send(MessageType::command_amf0, stream == 0 ? kCommandStream : kStreamCommandStream, stream,
       body);
}

void RtmpClient::send_control(MessageType type, std::uint64_t value, int octets) {
  std::array<std::uint8_t, 8> body{};
  prober::store_big<std::uint64_t>(body, 0, value << (64 - 8 * octets));
  send(type, kControlStream, 0, std::span(body).first(static_cast<std::size_t>(octets)));
}

void RtmpClient::send_user_control(UserControl event, std::uint64_t value, int octets) {
  std::array<std::uint8_t, 10> body{};
  prober::store_big<std::uint16_t>(body, 0, static_cast<std::uint16_t>(event));
  prober::store_big<std::uint64_t>(body, 2, value << (64 - 8 * octets));
  send(MessageType::user_control, kControlStream, 0,
       std::span(body).first(2 + static_cast<std::size_t>(octets)));
}

// Called by rtmp_client_commands.cc once connect has succeeded.
void RtmpClient::on_connected(const Command& command, Now now) {
  std::string version;
  for (const AmfValue& argument : command.arguments) {
    if (version.empty()) version = shown(argument.text_of("fmsVer"));
  }
  tell(Phase::connected, now, version);
  const std::string& name = options_.url.stream;
  if (options_.direction == Direction::push) {
    send_control(MessageType::set_chunk_size, options_.chunk_octets, 4);
    writer_.set_chunk_octets(options_.chunk_octets);
    // Neither may ever be answered; nothing waits for it.
    send_command(0, call_command("releaseStream", next_transaction_++, name));
    send_command(0, call_command("FCPublish", next_transaction_++, name));
  } else {
    send_control(MessageType::window_ack_size, kOwnWindow, 4);
    if (options_.subscribe) {
      send_command(0, call_command("FCSubscribe", next_transaction_++, name));
    }
  }
  create_transaction_ = next_transaction_++;
  send_command(0, call_command("createStream", create_transaction_));
  enter(Stage::create_stream, options_.create_stream_max, now);
}

}  // namespace linkpilot::rtmp
