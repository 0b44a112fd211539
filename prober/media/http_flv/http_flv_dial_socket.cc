#include "prober/media/http_flv/http_flv_dial_socket.h"

#include <fmt/format.h>

#include <algorithm>

#include "prober/media/dial/dial_failure.h"
#include "prober/media/dial/dial_verdict.h"
#include "prober/media/http_flv/http_judgement.h"
#include "prober/media/rtmp/printable.h"

namespace linkpilot::prober {
namespace {

constexpr std::size_t kNoticesMax = 16;
constexpr std::size_t kTargetsMax = 4;  // addresses tried of those a name has

}  // namespace

HttpFlvDial::HttpFlvDial(DialLoop& loop, DialRequest request)
    : loop_(loop),
      request_(std::move(request)),
      watch_(loop.now(), request_),
      demuxer_(watch_),
      resolver_(loop),
      deadline_(loop, [this] { on_deadline(); }),
      limit_(loop, [this] { on_limit(); }) {}

HttpFlvDial::~HttpFlvDial() = default;

void HttpFlvDial::start() {
  auto url = parse_http_url(request_.url);
  // Reading certificates takes milliseconds, which are none of the dial's.
  if (url && url->tls) (void)loop_.trust().find(request_.ca_file, loop_.now().mono);
  const Now now = loop_.now();
  lag_before_ = loop_.lag();
  report_.direction = request_.direction;
  report_.socket_mode = request_.socket_mode;
  report_.tls_mode = request_.tls_mode;
  report_.started = now.mono;
  report_.started_wall = now.wall;
  report_.hops.reserve(kHttpHopsMax);  // a connection holds on to its own
  watch_.restart(now);
  if (!url) {
    report_.url = mask_unreadable_url(request_.url);
    return conclude(DialEnd::failed, DialFailure{.stage = DialStage::url,
                                                 .kind = DialFault::bad_url,
                                                 .code = {},
                                                 .sentence = url.error().message});
  }
  report_.url = url->masked();
  report_.carrier = url->tls ? "https-flv" : "http-flv";
  if (request_.direction == DialDirection::push) {
    return conclude(DialEnd::failed,
                    DialFailure{.stage = DialStage::url,
                                .kind = DialFault::bad_url,
                                .code = {},
                                .sentence = "HTTP-FLV can be pulled only; push to an rtmp:// URL"});
  }
  const DialDeadlines& deadlines = request_.deadlines;
  limit_.set(now.mono + std::min(deadlines.opening, deadlines.whole.value_or(Duration::max() / 4)));
  begin_hop(std::move(*url));
}

TargetOrigin HttpFlvDial::origin() const {
  return report_.hops.size() <= 1 ? TargetOrigin::given : TargetOrigin::redirect;
}

// Before the clock of the hop starts: what takes a moment and is none of its phases.
void HttpFlvDial::begin_hop(HttpUrl url) {
  url_ = std::move(url);
  visited_.push_back(url_.text());
  head_ = {};
  body_start_.clear();
  TlsContext trusted;
  std::optional<DialFailure> untrusted;
  if (url_.tls) {
    Result<TlsContext> context = loop_.trust().find(request_.ca_file, loop_.now().mono);
    if (context) {
      trusted = std::move(*context);
    } else {
      untrusted = DialFailure{.stage = DialStage::tls,
                              .kind = DialFault::internal,
                              .code = {},
                              .sentence = context.error().message};
    }
  }
  prepare_transfer(std::move(trusted));
  report_.hops.emplace_back();
  hop().url = url_.masked();
  hop().began = loop_.now().mono;
  if (untrusted) return conclude(DialEnd::failed, std::move(untrusted));
  open_hop();
}

void HttpFlvDial::open_hop() {
  enter(DialStage::dns);
  hop().why = report_.hops.size() > 1 ? "redirect" : "";
  if (const Status status = check_host(request_.policy, url_.host, origin()); !status) {
    return conclude(DialEnd::failed, forbidden(status.error()));
  }
  if (request_.only_address && origin() == TargetOrigin::given) {
    hop().dns.answers = {{.address = *request_.only_address, .ttl_s = 0}};
    hop().dns.answers_total = 1;
    hop().dns.resolver = "chosen";
    return connect();
  }
  resolver_.resolve(url_.host, request_.resolver, request_.deadlines.dns,
                    [this](const Resolved& resolved) { on_resolved(resolved); });
}

void HttpFlvDial::on_resolved(const Resolved& resolved) {
  if (done()) return;
  hop().dns = resolved.report;
  if (resolved.failure) return conclude(DialEnd::failed, resolved.failure);
  if (resolved.asked) mark(DialPhase::dns, resolved.at);
  connect();
}

void HttpFlvDial::connect() {
  ConnectionOptions options;
  std::optional<DialFailure> refused;
  for (const DnsAnswer& answer : hop().dns.answers) {
    const Status status = check_address(request_.policy, answer.address, origin());
    if (!status && !refused) refused = forbidden(status.error());
    if (status && options.targets.size() < kTargetsMax) {
      options.targets.push_back({.address = answer.address, .port = url_.port});
    }
  }
  if (options.targets.empty()) return conclude(DialEnd::failed, std::move(refused));
  options.host = url_.host;
  options.socket_mode = request_.socket_mode;
  options.receive_octets = request_.receive_octets;
  options.tcp_limit = request_.deadlines.tcp;
  enter(DialStage::tcp);
  retired_connection_ = std::move(connection_);
  ConnectionUser& user = *this;
  connection_ = std::make_unique<Connection>(loop_, std::move(options), hop(), user);
  connection_->open();
}

void HttpFlvDial::on_connect_failed(DialFailure failure, Now) {
  conclude(DialEnd::failed, std::move(failure));
}

void HttpFlvDial::on_gone(rtmp::PeerClose, Now) {}  // the connection is not ours any more by then

void HttpFlvDial::prepare_transfer(TlsContext trusted) {
  TransferRequest request{.url = url_, .mode = request_.socket_mode, .trusted = std::move(trusted)};
  TransferHandlers handlers{
      .secured = [this](const TlsReport& tls, MonoTime at) { return on_secured(tls, at); },
      .head_line = [this](std::string_view line) { return on_head_line(line); },
      .body = [this](std::span<const std::uint8_t> part) { return on_body(part); },
      .done = [this](const TransferEnd& end) { on_transfer_done(end); },
      .closing = [this](int fd) { report_.tcp = read_tcp_figures(fd); }};
  retired_transfer_ = std::move(transfer_);
  transfer_ = std::make_unique<HttpTransfer>(loop_, std::move(request), std::move(handlers));
}

void HttpFlvDial::on_connected(Now) {
  if (done()) return;
  if (url_.tls) {
    limit(DialStage::tls, request_.deadlines.tls);
  } else {
    limit(DialStage::response, request_.deadlines.response);
  }
  transfer_->start(connection_->release(), *hop().server);
}

bool HttpFlvDial::on_secured(const TlsReport& tls, MonoTime at) {
  hop().tls = tls;
  mark(DialPhase::tls, at);
  limit(DialStage::response, request_.deadlines.response);
  if (!tls.certificate_fault || request_.tls_mode == TlsMode::record) return true;
  decided_ = DialEnd::failed;
  decided_failure_ = DialFailure{.stage = DialStage::tls,
                                 .kind = *tls.certificate_fault,
                                 .code = tls.certificate_code,
                                 .sentence = certificate_sentence(tls, url_.host)};
  return false;
}

bool HttpFlvDial::on_head_line(std::string_view line) {
  const MonoTime now = loop_.now().mono;
  watch_.on_octets(line.size(), now);
  if (head_.complete()) return true;  // trailers
  if (std::none_of(hop().phases.begin(), hop().phases.end(),
                   [](const PhaseMark& m) { return m.phase == DialPhase::first_octet; })) {
    mark(DialPhase::first_octet, now);
  }
  if (const Status status = head_.take(line); !status) {
    decided_ = DialEnd::failed;
    decided_failure_ =
        DialFailure{.stage = DialStage::response,
                    .kind = status.error().code == ErrorCode::limit_exceeded ? DialFault::limit
                                                                             : DialFault::not_http,
                    .code = {},
                    .sentence = url_.redact(status.error().message)};
    return false;
  }
  return !head_.complete() || on_head();
}

bool HttpFlvDial::on_head() {
  mark(DialPhase::response, loop_.now().mono);
  hop().http_status = head_.status();
  hop().headers = shown_fields(head_, url_);
  if (const std::string* server = head_.find("server")) {
    hop().server_version = rtmp::printable(*server);
  }
  HeadJudgement judgement = judge_head(
      head_, url_, visited_,
      request_.policy.allow_clear_redirects ? ClearRedirect::follow : ClearRedirect::refuse);
  for (std::string& notice : judgement.notices) note(std::move(notice));
  if (judgement.failure) {
    decided_ = DialEnd::failed;
    decided_failure_ = std::move(judgement.failure);
    return false;
  }
  if (judgement.next) {
    next_ = std::move(judgement.next);
    return false;
  }
  limit(DialStage::flv_header, request_.deadlines.flv_header);
  return true;
}

bool HttpFlvDial::on_body(std::span<const std::uint8_t> part) {
  const Now now = loop_.now();
  if (body_start_.size() < kBodyStartOctets) {
    const auto kept = part.first(std::min(part.size(), kBodyStartOctets - body_start_.size()));
    body_start_.insert(body_start_.end(), kept.begin(), kept.end());
  }
  const bool had_header = demuxer_.has_header();
  const bool had_media = watch_.ends_at().has_value();
  watch_.on_octets(part.size(), now.mono);
  const Status status = demuxer_.consume(part, now);
  if (!had_header && demuxer_.has_header()) {
    mark(DialPhase::flv_header, now.mono);
    limit(DialStage::media, request_.deadlines.first_media);
  }
  if (!status) {
    decided_ = DialEnd::failed;
    decided_failure_ =
        demuxer_.has_header()
            ? DialFailure{.stage = DialStage::media,
                          .kind = DialFault::protocol,
                          .code = {},
                          .sentence = "the stream broke FLV's rules: " + status.error().message}
            : not_flv(head_, body_start_, status.error().message);
    return false;
  }
  if (!had_media && watch_.ends_at()) deadline_.set(*watch_.ends_at());
  if (watch_.breach()) {
    decided_ = DialEnd::ceiling;
    decided_failure_ = watch_.breach();
    return false;
  }
  if (!watch_.seen_enough(now.mono)) return true;
  decided_ = DialEnd::watched;
  return false;
}

void HttpFlvDial::on_transfer_done(const TransferEnd& end) {
  if (decided_) return conclude(*decided_, std::move(decided_failure_));
  if (next_) {
    close_hop(loop_.now().mono);
    HttpUrl next = std::move(*next_);
    next_.reset();
    return begin_hop(std::move(next));
  }
  end_of_body(end);
}

void HttpFlvDial::end_of_body(const TransferEnd& end) {
  const bool has_media = watch_.ends_at().has_value();
  const ExchangeStage stage = head_.complete() ? ExchangeStage::body : transfer_->stage();
  std::optional<DialFailure> failure = judge_transfer(end, stage, demuxer_.has_header());
  if (!failure && !head_.complete()) {
    failure = DialFailure{.stage = DialStage::response,
                          .kind = DialFault::closed,
                          .code = {},
                          .sentence = "the server closed the connection within its header fields"};
  }
  if (failure) {
    if (!has_media && failure->stage == DialStage::media && failure->kind == DialFault::closed) {
      failure->kind = DialFault::dropped;
    }
    failure->code = url_.redact(failure->code);
    failure->sentence = url_.redact(failure->sentence);
    return conclude(DialEnd::failed, std::move(failure));
  }
  if (!demuxer_.has_header()) {
    return conclude(DialEnd::failed, not_flv(head_, body_start_, "it ends within the header"));
  }
  if (!has_media) {
    return conclude(
        DialEnd::failed,
        DialFailure{.stage = DialStage::media,
                    .kind = DialFault::no_media,
                    .code = {},
                    .sentence = "the response ended without a single audio or video tag; is the "
                                "stream published?"});
  }
  if (!demuxer_.at_boundary()) note("the stream ended within a tag");
  report_.end_code = head_.is_chunked()       ? "last chunk"
                     : head_.content_length() ? "content length reached"
                                              : "connection closed";
  conclude(DialEnd::stream_ended, std::nullopt);
}

// A stage whose deadline is kept by somebody else: the resolver, the connection.
void HttpFlvDial::enter(DialStage stage) {
  stage_ = stage;
  deadline_.cancel();
}

void HttpFlvDial::on_limit() {
  if (done()) return;
  const MonoTime now = loop_.now().mono;
  const auto& whole = request_.deadlines.whole;
  const bool whole_is_over = whole && now >= report_.started + *whole;
  const bool begun = watch_.ends_at().has_value();
  if (begun && !whole_is_over) {
    if (whole) limit_.set(report_.started + *whole);
    return;
  }
  if (begun) return conclude(DialEnd::watched, std::nullopt);
  conclude(DialEnd::failed,
           cut_short(stage_, whole_is_over ? CutBy::whole : CutBy::opening, now - report_.started));
}

void HttpFlvDial::limit(DialStage stage, Duration length) {
  stage_ = stage;
  deadline_.set(loop_.now().mono + length);
}

void HttpFlvDial::on_deadline() {
  if (watch_.ends_at()) return conclude(DialEnd::watched, std::nullopt);
  DialFailure failure{.stage = stage_, .kind = DialFault::timeout, .code = {}, .sentence = {}};
  const std::string server = hop().server ? hop().server->to_string() : url_.host;
  switch (stage_) {
    case DialStage::tls:
      failure.sentence = fmt::format(
          "{} took the connection but did not finish the TLS handshake in time", server);
      break;
    case DialStage::response:
      failure.sentence = fmt::format(
          "{} took the request and did not answer in time; servers that wait for a stream nobody "
          "publishes do so",
          server);
      break;
    case DialStage::flv_header:
      failure.sentence =
          fmt::format("{} answered {} and then sent no stream in time; is it published?", server,
                      head_.status());
      break;
    default:
      failure.kind = DialFault::no_media;
      failure.sentence = fmt::format(
          "{} began an FLV stream and sent no audio or video in time; is it published?", server);
      break;
  }
  conclude(DialEnd::failed, std::move(failure));
}

void HttpFlvDial::note(std::string text) {
  if (report_.notices.size() < kNoticesMax) report_.notices.push_back(std::move(text));
}

void HttpFlvDial::mark(DialPhase phase, MonoTime at) {
  hop().phases.push_back({.phase = phase, .at = at});
}

void HttpFlvDial::stop() {
  if (done()) return;
  std::optional<DialFailure> failure;
  if (!watch_.ends_at()) {
    failure = cut_short(stage_, CutBy::caller, loop_.now().mono - report_.started);
  }
  conclude(DialEnd::stopped, std::move(failure));
}

void HttpFlvDial::close_hop(MonoTime at) {
  if (report_.hops.empty()) return;
  hop().ended = at;
  if (transfer_) report_.octets_out += transfer_->octets_out();
}

// May be within a call of the transfer, which therefore stays; its connection does not.
void HttpFlvDial::conclude(DialEnd end, std::optional<DialFailure> failure) {
  if (done()) return;
  deadline_.cancel();
  limit_.cancel();
  resolver_.cancel();
  ended_ = loop_.now();
  close_hop(ended_.mono);
  report_.end = end;
  report_.failure = std::move(failure);
  lag_after_ = loop_.lag();
  if (connection_) connection_->close();
  if (transfer_) transfer_->close();
}

DialReport HttpFlvDial::report() const {
  const Now now = done() ? ended_ : loop_.now();
  DialReport report = report_;
  report.ended = now.mono;
  report.octets_in = watch_.octets();
  watch_.fill(report, now);
  report.health = health_between(lag_before_, done() ? lag_after_ : loop_.lag());
  judge_dial(report, request_);
  return report;
}

DialProgress HttpFlvDial::progress() const {
  DialProgress progress;
  progress.newest = watch_.newest_phase();
  if (!progress.newest && !report_.hops.empty() && !report_.hops.back().phases.empty()) {
    progress.newest = report_.hops.back().phases.back().phase;
  }
  progress.octets = watch_.octets();
  progress.buffered = watch_.analyzer().buffered(loop_.now().mono);
  return progress;
}

}  // namespace linkpilot::prober
