#include "prober/media/dial/rtmp_dial_socket.h"

#include <fmt/format.h>

#include <algorithm>
#include <tuple>

#include "prober/media/dial/dial_failure.h"
#include "prober/media/dial/dial_verdict.h"

namespace linkpilot::prober {
namespace {

constexpr std::size_t kConnectionsMax = 12;  // redirects, authentication, handshakes, together
constexpr std::size_t kAddressesTriedMax = 4;
constexpr std::size_t kNoticesMax = 16;
// How long a stream that ended may come back before the dial takes the end for final.
constexpr Duration kResumeWithin = std::chrono::seconds(2);
constexpr Duration kReaderTick = std::chrono::milliseconds(100);  // to see that it has ended
constexpr std::uint32_t kPushUnsentMax = 32768;
constexpr Duration kReadBackMin = std::chrono::seconds(5);

std::string_view why_text(rtmp::Reconnect::Why why) {
  switch (why) {
    case rtmp::Reconnect::Why::redirect:
      return "redirect";
    case rtmp::Reconnect::Why::authentication:
      return "authentication";
    case rtmp::Reconnect::Why::handshake:
      return "handshake";
    case rtmp::Reconnect::Why::request:
      return "reconnect request";
  }
  return "?";
}

std::optional<DialPhase> phase_of(rtmp::Phase phase) {
  switch (phase) {
    case rtmp::Phase::server_hello:
      return DialPhase::server_hello;
    case rtmp::Phase::handshake:
      return DialPhase::handshake;
    case rtmp::Phase::connected:
      return DialPhase::connected;
    case rtmp::Phase::stream_created:
      return DialPhase::stream_created;
    case rtmp::Phase::started:
      return DialPhase::started;
    case rtmp::Phase::held:
      return DialPhase::held;
    case rtmp::Phase::first_script:
    case rtmp::Phase::first_audio:
    case rtmp::Phase::first_video:
    case rtmp::Phase::stream_ended:
    case rtmp::Phase::stream_resumed:
    case rtmp::Phase::reconnect_requested:
    case rtmp::Phase::notice:
      return std::nullopt;
  }
  return std::nullopt;
}

std::string made_up_name(std::uint64_t seed, Now now) {
  Rng rng(seed ^ static_cast<std::uint64_t>(now.wall.ns));
  return fmt::format("linkpilot-{:012x}", rng.next() & 0xffffffffffffULL);
}

}  // namespace

RtmpDial::RtmpDial(DialLoop& loop, DialRequest request)
    : loop_(loop),
      request_(std::move(request)),
      started_(loop.now()),
      watch_(started_, request_),
      resolver_(loop),
      timer_(loop, [this] { on_timer(); }),
      limit_(loop, [this] { on_limit(); }) {
  request_.length = std::min(request_.length, request_.policy.ceilings.length);
}

std::string RtmpDial::masked(const rtmp::RtmpUrl& url) const {
  const bool own_name = push_ && !push_->pacer.report.stream_name.empty();
  const bool hide = (is_push() && !own_name) || request_.hide_stream_name;
  return url.masked(hide ? rtmp::StreamName::hide : rtmp::StreamName::show);
}

// What can be wrong with a request before anything is sent.
Status RtmpDial::prepare(rtmp::RtmpClientOptions& options) {
  std::string text = request_.url;
  std::string made_up;
  if (is_push()) {
    Result<PushFeeder> feeder = PushFeeder::create(request_.push);
    if (!feeder) return tl::unexpected(feeder.error());
    push_.emplace(std::move(*feeder));
    if (text.ends_with('/')) {
      made_up = made_up_name(request_.seed, started_);
      text += made_up;
    }
  }
  Result<rtmp::RtmpUrl> url = rtmp::parse_rtmp_url(text);
  if (!url) return tl::unexpected(url.error());
  if (push_) push_->pacer.report.stream_name = made_up;
  options.direction = is_push() ? rtmp::Direction::push : rtmp::Direction::pull;
  options.url = std::move(*url);
  options.hide_stream_name = request_.hide_stream_name;
  options.handshake = request_.handshake;
  options.subscribe = request_.subscribe;
  options.allow_clear_redirects = request_.policy.allow_clear_redirects;
  options.handshake_max = request_.deadlines.handshake;
  options.connect_max = request_.deadlines.connect;
  options.create_stream_max = request_.deadlines.create_stream;
  options.start_max = request_.deadlines.start;
  options.first_media_max = request_.deadlines.first_media;
  options.hold = request_.push.hold;
  options.seed = request_.seed ^ static_cast<std::uint64_t>(started_.wall.ns);
  return {};
}

// Before the clock of the hop starts: reading certificates takes milliseconds.
Status RtmpDial::trust(const rtmp::RtmpUrl& url) {
  if (!url.tls) return {};
  Result<TlsContext> context = loop_.trust().find(request_.ca_file, loop_.now().mono);
  if (!context) return tl::unexpected(context.error());
  trusted_ = std::move(*context);
  return {};
}

void RtmpDial::start() {
  rtmp::RtmpClientOptions options;
  const Status status = prepare(options);
  const Status trusted = status ? trust(options.url) : Status{};
  started_ = loop_.now();
  lag_before_ = loop_.lag();
  watch_.restart(started_);
  if (!status) {
    url_shown_ = mask_unreadable_url(request_.url);
    return finish(DialEnd::failed,
                  DialFailure{.stage = DialStage::url,
                              .kind = DialFault::bad_url,
                              .code = {},
                              .sentence = status.error().message},
                  started_);
  }
  url_shown_ = masked(options.url);
  if (!trusted) {
    return finish(DialEnd::failed,
                  DialFailure{.stage = DialStage::tls,
                              .kind = DialFault::internal,
                              .code = {},
                              .sentence = trusted.error().message},
                  started_);
  }
  const DialDeadlines& deadlines = request_.deadlines;
  limit_.set(started_.mono +
             std::min(deadlines.opening, deadlines.whole.value_or(Duration::max() / 4)));
  begin_hop(std::move(options), {});
}

void RtmpDial::begin_hop(rtmp::RtmpClientOptions options, std::string why) {
  const Now now = loop_.now();
  const bool clear = !hops_.empty() && hops_.back().url.tls && !options.url.tls;
  if (clear && notices_.size() < kNoticesMax) notices_.push_back("redirected from rtmps to rtmp");
  options_ = std::move(options);
  // What was said of the stream was said by the server before this one.
  stream_ended_.reset();
  end_code_.clear();
  // The session before this one has been read out; only its report is kept.
  if (!hops_.empty()) {
    octets_before_.first += hops_.back().connection->octets_in();
    octets_before_.second += hops_.back().connection->octets_out();
    hops_.back().connection.reset();
    hops_.back().client.reset();
  }
  Hop& hop = hops_.emplace_back();
  hop.url = options_.url;
  hop.report.url = masked(hop.url);
  hop.report.why = std::move(why);
  hop.report.began = now.mono;
  if (const Status status = check_host(request_.policy, hop.url.host, origin_); !status) {
    return finish(DialEnd::failed, forbidden(status.error()), now);
  }
  if (request_.only_address && origin_ == TargetOrigin::given) {
    Resolved only;
    only.at = now.mono;
    only.report.answers = {{.address = *request_.only_address}};
    only.report.answers_total = 1;
    only.report.resolver = "chosen";
    return on_resolved(std::move(only));
  }
  resolver_.resolve(hop.url.host, request_.resolver, request_.deadlines.dns,
                    [this](Resolved resolved) { on_resolved(std::move(resolved)); });
}

void RtmpDial::on_resolved(Resolved resolved) {
  if (done()) return;
  const Now now = loop_.now();
  Hop& hop = hops_.back();
  if (resolved.failure) {
    hop.report.dns = std::move(resolved.report);
    return finish(DialEnd::failed, std::move(resolved.failure), now);
  }
  if (resolved.asked) {
    hop.report.phases.push_back({.phase = DialPhase::dns, .at = resolved.at});
  }
  hop.report.dns = resolved.report;
  connect(resolved);
}

void RtmpDial::connect(const Resolved& resolved) {
  Hop& hop = hops_.back();
  ConnectionOptions options{.targets = {},
                            .host = hop.url.host,
                            .tls = hop.url.tls,
                            .tls_mode = request_.tls_mode,
                            .trusted = std::move(trusted_),
                            .socket_mode = request_.socket_mode,
                            .receive_octets = request_.receive_octets,
                            .unsent_octets_max = {},
                            .tcp_limit = request_.deadlines.tcp,
                            .tls_limit = request_.deadlines.tls};
  if (push_) options.unsent_octets_max = kPushUnsentMax;
  std::optional<DialFailure> refused;
  for (const DnsAnswer& answer : resolved.report.answers) {
    if (const Status status = check_address(request_.policy, answer.address, origin_); !status) {
      if (!refused) refused = forbidden(status.error());
      continue;
    }
    if (options.targets.size() < kAddressesTriedMax) {
      options.targets.push_back({.address = answer.address, .port = hop.url.port});
    }
  }
  if (options.targets.empty()) return finish(DialEnd::failed, std::move(refused), loop_.now());
  hop.connection = std::make_unique<Connection>(loop_, std::move(options), hop.report,
                                                static_cast<ConnectionUser&>(*this));
  hop.connection->open();
}

void RtmpDial::on_connect_failed(DialFailure failure, Now now) {
  finish(DialEnd::failed, std::move(failure), now);
}

void RtmpDial::on_connected(Now now) {
  if (done()) return;
  Hop& hop = hops_.back();
  hop.client = std::make_unique<rtmp::RtmpClient>(options_, watch_);
  hop.client->start(now);
  settle(now);
}

void RtmpDial::on_octets(std::span<const std::uint8_t> octets, Now now) {
  if (done() || next_) return;
  watch_.on_octets(octets.size(), now.mono);
  hops_.back().client->on_bytes(octets, now);
  settle(now);
}

void RtmpDial::on_room(Now now) { settle(now); }

void RtmpDial::on_gone(rtmp::PeerClose how, Now now) {
  if (done() || next_) return;
  hops_.back().client->on_closed(how, now);
  settle(now);
}

void RtmpDial::on_timer() {
  if (done()) return;
  if (next_) {
    const rtmp::Reconnect next = std::move(*next_);
    next_.reset();
    if (next.why == rtmp::Reconnect::Why::redirect || next.why == rtmp::Reconnect::Why::request) {
      origin_ = TargetOrigin::redirect;
    }
    rtmp::RtmpClientOptions options = following(options_, next);
    if (const Status status = trust(options.url); !status) {
      return finish(DialEnd::failed,
                    DialFailure{.stage = DialStage::tls,
                                .kind = DialFault::internal,
                                .code = {},
                                .sentence = status.error().message},
                    loop_.now());
    }
    return begin_hop(std::move(options), std::string(why_text(next.why)));
  }
  const Now now = loop_.now();
  if (hops_.back().client) hops_.back().client->on_timer(now);
  settle(now);
}

bool RtmpDial::has_begun() const {
  return push_ ? push_->pacer.began().has_value() : watch_.ends_at().has_value();
}

// Where the dial is. A push that is being read back has left its own stages behind.
DialStage RtmpDial::stage() const {
  if (hops_.empty()) return DialStage::url;
  const Hop& hop = hops_.back();
  if (push_ && push_->reader) return DialStage::read_back;
  if (hop.client) return to_dial_stage(hop.client->stage());
  return hop.connection ? hop.connection->stage() : DialStage::dns;
}

void RtmpDial::on_limit() {
  if (done()) return;
  const Now now = loop_.now();
  const auto& whole = request_.deadlines.whole;
  const bool whole_is_over = whole && now.mono >= started_.mono + *whole;
  const bool begun = has_begun();
  if (begun && !whole_is_over) {
    if (whole) limit_.set(started_.mono + *whole);
    return;
  }
  if (begun && (!push_ || push_->pacer.report.held)) {
    return finish_in_order(DialEnd::watched, std::nullopt, now);
  }
  finish_in_order(
      DialEnd::failed,
      cut_short(stage(), whole_is_over ? CutBy::whole : CutBy::opening, now.mono - started_.mono),
      now);
}

// After anything has happened: read the session out, send, see whether it is over.
void RtmpDial::settle(Now now) {
  Hop& hop = hops_.back();
  if (done() || !hop.client) return;
  take_events();
  if (watch_.breach()) return finish_in_order(DialEnd::ceiling, watch_.breach(), now);
  if (watch_.seen_enough(now.mono)) {
    return finish_in_order(DialEnd::watched, std::nullopt, now);
  }
  if (push_) feed(now);
  flush(now);
  if (push_ && push_->pacer.is_stuck(now.mono)) {
    return finish(DialEnd::failed,
                  DialFailure{.stage = DialStage::media,
                              .kind = DialFault::stuck,
                              .code = {},
                              .sentence = fmt::format(
                                  "the server accepted the stream and then took nothing for {}",
                                  format_duration(PushPacer::kStuckAfter))},
                  now);
  }
  if (hop.client->outcome()) return on_outcome(now);
  if (push_ && push_is_over(now)) return finish_in_order(DialEnd::watched, std::nullopt, now);
  if (stream_ended_ && now.mono >= stream_ended_->mono + kResumeWithin) {
    return finish_in_order(DialEnd::stream_ended, std::nullopt, *stream_ended_);
  }
  arm(now);
}

void RtmpDial::take_events() {
  Hop& hop = hops_.back();
  while (auto event = hop.client->take_event()) {
    if (const auto phase = phase_of(event->phase)) {
      hop.report.phases.push_back({.phase = *phase, .at = event->at.mono});
    }
    switch (event->phase) {
      case rtmp::Phase::connected:
        hop.report.server_version = event->text;
        break;
      case rtmp::Phase::first_audio:
      case rtmp::Phase::first_video:
        watch_.media_began(event->at.mono);
        break;
      case rtmp::Phase::stream_ended:
        if (!stream_ended_) stream_ended_ = event->at;
        // Servers may say it twice; a status says more than the control message.
        if (end_code_.empty() || end_code_ == "StreamEOF") end_code_ = event->text;
        break;
      case rtmp::Phase::stream_resumed:
        stream_ended_.reset();
        end_code_.clear();
        break;
      case rtmp::Phase::started:
        if (push_) {
          push_->pacer.report.accepted = true;
          push_->pacer.begin(event->at.mono);
        }
        break;
      case rtmp::Phase::held:
        if (push_) push_->pacer.report.held = true;
        break;
      default:
        break;
    }
    const bool is_word = event->phase == rtmp::Phase::notice ||
                         event->phase == rtmp::Phase::reconnect_requested ||
                         event->phase == rtmp::Phase::stream_ended;
    if (is_word && notices_.size() < kNoticesMax) notices_.push_back(event->text);
  }
}

void RtmpDial::flush(Now now) {
  Hop& hop = hops_.back();
  std::size_t taken = 0;
  while (!hop.client->output().empty()) {
    const std::size_t some = hop.connection->write(hop.client->output());
    if (some == 0) break;
    hop.client->on_sent(some);
    taken += some;
  }
  if (push_) push_->pacer.on_offered(taken, hop.client->output().size(), now.mono);
}

void RtmpDial::on_outcome(Now now) {
  const rtmp::Outcome& outcome = *hops_.back().client->outcome();
  if (outcome.next && hops_.size() < kConnectionsMax) {
    next_ = outcome.next;
    hops_.back().report.ended = now.mono;
    hops_.back().connection->close();
    // Not from within the connection's own call.
    return timer_.set(now.mono);
  }
  if (outcome.failure) return finish(DialEnd::failed, to_dial_failure(*outcome.failure), now);
  finish(DialEnd::stream_ended, std::nullopt, stream_ended_.value_or(now));
}

void RtmpDial::arm(Now now) {
  std::optional<MonoTime> at = hops_.back().client->next_wakeup();
  const auto sooner = [&at](std::optional<MonoTime> other) {
    if (other && (!at || *other < *at)) at = other;
  };
  sooner(watch_.ends_at());
  if (stream_ended_) sooner(stream_ended_->mono + kResumeWithin);
  if (push_) sooner(push_->pacer.next_wakeup());
  if (push_ && push_->reader) sooner(now.mono + kReaderTick);
  if (!at) return timer_.cancel();
  timer_.set(*at);
}

void RtmpDial::feed(Now now) {
  Push& push = *push_;
  rtmp::RtmpClient& client = *hops_.back().client;
  if (!client.is_publishing()) return;
  while (const auto tag = push.pacer.take_due(now)) {
    const TagHeader header{.type = tag->type,
                           .octets = static_cast<std::uint32_t>(tag->body.size()),
                           .timestamp_ms = tag->timestamp_ms};
    const bool queued = client.publish_tag(header, tag->body) == rtmp::PublishResult::accepted;
    push.pacer.note(queued ? std::optional(tag->body.size()) : std::nullopt);
  }
  if (push.pacer.report.held && request_.push.read_back && !push.reader) begin_read_back(now);
}

// A pull of what is being pushed, as a viewer would make it, on the same loop.
void RtmpDial::begin_read_back(Now) {
  DialRequest request = request_;
  request.direction = DialDirection::pull;
  const bool same_url = request_.push.read_back_url.empty();
  request.url = same_url ? hops_.back().url.text() : request_.push.read_back_url;
  request.hide_stream_name = same_url && push_->pacer.report.stream_name.empty();
  // A redirect's target was the server's word, and still is.
  if (same_url && origin_ != TargetOrigin::given) {
    request.policy.trust_given_target = false;
    request.only_address.reset();
  }
  if (request.url.ends_with('/')) request.url += push_->pacer.report.stream_name;
  request.length = std::max(kReadBackMin, request_.length - request_.push.hold);
  request.copy = nullptr;
  if (const auto& whole = request_.deadlines.whole) {
    request.deadlines.whole = started_.mono + *whole - loop_.now().mono;
  }
  if (!same_url) request.only_address.reset();
  push_->reader = make_dial(loop_, std::move(request));
  push_->reader->start();
}

bool RtmpDial::push_is_over(Now now) const {
  if (push_->reader) return push_->reader->done();
  if (!push_->pacer.report.held) return false;
  return !request_.push.read_back && now.mono >= *push_->pacer.began() + request_.length;
}

void RtmpDial::stop() {
  if (done()) return;
  const Now now = loop_.now();
  std::optional<DialFailure> failure;
  if (!has_begun() || (push_ && !push_->pacer.report.held)) {
    failure = cut_short(stage(), CutBy::caller, now.mono - started_.mono);
  }
  finish_in_order(DialEnd::stopped, std::move(failure), now);
}

void RtmpDial::finish_in_order(DialEnd end, std::optional<DialFailure> failure, Now now) {
  if (!hops_.empty() && hops_.back().client && hops_.back().connection->is_open()) {
    hops_.back().client->end(loop_.now());
    flush(loop_.now());
  }
  finish(end, std::move(failure), now);
}

void RtmpDial::finish(DialEnd end, std::optional<DialFailure> failure, Now now) {
  if (done()) return;
  end_ = end;
  ended_ = now;
  failure_ = std::move(failure);
  lag_after_ = loop_.lag();
  timer_.cancel();
  limit_.cancel();
  resolver_.cancel();
  if (push_ && push_->reader) push_->reader->stop();
  if (hops_.empty()) return;
  hops_.back().report.ended = now.mono;
  if (hops_.back().connection) hops_.back().connection->close();
}

DialReport RtmpDial::report() const {
  const Now now = done() ? ended_ : loop_.now();
  DialReport report;
  report.url = url_shown_;
  report.direction = request_.direction;
  report.carrier = !hops_.empty() && hops_.back().url.tls ? "rtmps" : "rtmp";
  report.socket_mode = request_.socket_mode;
  report.tls_mode = request_.tls_mode;
  report.started_wall = started_.wall;
  report.started = started_.mono;
  report.ended = now.mono;
  report.end = end_;
  report.end_code = end_code_;
  report.failure = failure_;
  report.notices = notices_;
  std::tie(report.octets_in, report.octets_out) = octets_before_;
  for (const Hop& hop : hops_) {
    report.hops.push_back(hop.report);
    if (!hop.connection) continue;
    report.octets_in += hop.connection->octets_in();
    report.octets_out += hop.connection->octets_out();
    report.tcp = hop.connection->figures();
  }
  watch_.fill(report, now);
  if (push_) {
    report.push = push_->pacer.report;
    if (push_->reader) {
      report.read_back.push_back(push_->reader->report());
      report.push->delay_error = report.read_back.back().health.loop_lag_p99;
    }
  }
  report.health = health_between(lag_before_, done() ? lag_after_ : loop_.lag());
  judge_dial(report, request_);
  return report;
}

DialProgress RtmpDial::progress() const {
  DialProgress progress;
  progress.newest = watch_.newest_phase();
  if (!progress.newest && !hops_.empty() && !hops_.back().report.phases.empty()) {
    progress.newest = hops_.back().report.phases.back().phase;
  }
  progress.octets = watch_.octets() + (push_ ? push_->pacer.report.octets : 0);
  if (push_ && push_->reader) return push_->reader->progress();
  progress.buffered = watch_.analyzer().buffered(loop_.now().mono);
  return progress;
}

}  // namespace linkpilot::prober
