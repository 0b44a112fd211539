// What the commands of a server mean for the session.
#include <fmt/format.h>

#include <array>
#include <cmath>

#include "prober/media/rtmp/authentication.h"
#include "prober/media/rtmp/printable.h"
#include "prober/media/rtmp/redirect.h"
#include "prober/media/rtmp/rtmp_client.h"

namespace linkpilot::rtmp {
namespace {

constexpr double kConnectTransaction = 1;

bool decides(std::string_view name) {
  return name == "_result" || name == "_error" || name == "onStatus";
}

// The name of a command whose rest cannot be read.
std::string name_of(std::span<const std::uint8_t> body, CommandForm form) {
  if (form == CommandForm::amf3_envelope && !body.empty()) body = body.subspan(1);
  const auto name = AmfReader(body).next();
  return name && name->type == AmfType::string ? name->text : std::string();
}

// The text of a member, or of its number without a fraction: 302 comes as either.
bool is_302(const AmfValue& value) {
  return (value.type == AmfType::number && value.number == 302) || value.text == "302";
}

std::string_view advice(FailureKind kind, Direction direction) {
  switch (kind) {
    case FailureKind::not_found:
      return "; check the name, and that it is being published";
    case FailureKind::denied:
      return "; check the key or token, and the server's list of allowed addresses";
    case FailureKind::busy:
      return direction == Direction::push
                 ? "; somebody publishes under this name, or the server has not yet dropped the "
                   "last one who did"
                 : "";
    default:
      return "";
  }
}

}  // namespace

std::string RtmpClient::shown(std::string_view text) const {
  return printable(options_.url.redact(text, name_shown()));
}

void RtmpClient::on_command(std::span<const std::uint8_t> body, CommandForm form, Now now) {
  const auto command = read_command(body, form);
  if (!command) {
    if (!decides(name_of(body, form))) {
      ++counters_.malformed_commands;
      return;
    }
    return fail(
        FailureKind::protocol, {},
        fmt::format("an answer of the server cannot be read: {}", shown(command.error().message)));
  }
  if (command->name == "_result") return on_result(*command, now);
  if (command->name == "_error") return on_error(*command, now);
  if (command->name == "onStatus") {
    static const AmfValue nothing;
    const AmfValue* info = command->info();
    for (const AmfValue& argument : command->arguments) {
      if (info == nullptr && !argument.members.empty()) info = &argument;
    }
    return on_status(info == nullptr ? nothing : *info, now);
  }
  // A bandwidth check of FMS that wants an answer; the others (onBWDone, onFCPublish, ...) want
  // none.
  if (command->name == "_onbwcheck" && may_reply() && std::isfinite(command->transaction)) {
    send_command(0, null_result(command->transaction));
  }
}

void RtmpClient::on_result(const Command& command, Now now) {
  const double transaction = command.transaction;
  if (stage_ == Stage::connect && transaction == kConnectTransaction) {
    const AmfValue* info = command.info();
    if (info != nullptr) {
      const StatusReading reading = read_status(info->text_of("code"), info->text_of("level"));
      if (reading.meaning == StatusMeaning::failure) return on_rejected(*info, reading.kind);
    }
    return on_connected(command, now);
  }
  if (stage_ == Stage::create_stream && transaction == create_transaction_) {
    return on_stream_created(command, now);
  }
  const bool ours = transaction >= kConnectTransaction && transaction < next_transaction_;
  if (!ours) ++counters_.unmatched_replies;
}

void RtmpClient::on_stream_created(const Command& command, Now now) {
  double id = std::nan("");
  for (const AmfValue& argument : command.arguments) {
    if (argument.type == AmfType::number) id = argument.number;
  }
  if (!(id >= 0 && id <= 0xffffffffU)) {
    return fail(FailureKind::protocol, {},
                fmt::format("createStream was answered with the stream number {}", id));
  }
  stream_ = static_cast<std::uint32_t>(id);
  tell(Phase::stream_created, now);
  start_transaction_ = next_transaction_++;
  if (options_.direction == Direction::push) {
    send_command(stream_, publish_command(start_transaction_, options_.url.stream));
  } else {
    send_command(stream_, play_command(start_transaction_, options_.url.stream));
    send_user_control(UserControl::set_buffer_length,
                      std::uint64_t{stream_} << 32 | options_.buffer_ms, 8);
  }
  enter(Stage::start, options_.start_max, now);
}

void RtmpClient::on_error(const Command& command, Now now) {
  static const AmfValue nothing;
  const AmfValue* found = command.info();
  const AmfValue& info = found == nullptr ? nothing : *found;
  const double transaction = command.transaction;
  const StatusReading reading = read_status(info.text_of("code"), "error");
  const FailureKind kind =
      reading.meaning == StatusMeaning::failure ? reading.kind : FailureKind::rejected;
  // Some servers answer connect with another number; its code gives it away.
  const bool of_connect = transaction == kConnectTransaction ||
                          info.text_of("code").starts_with("NetConnection.Connect.");
  if ((stage_ == Stage::connect && of_connect) ||
      (stage_ == Stage::create_stream && transaction == create_transaction_) ||
      (stage_ == Stage::start && transaction == start_transaction_)) {
    return on_rejected(info, kind);
  }
  const bool ours = transaction > kConnectTransaction && transaction < next_transaction_;
  if (!ours) ++counters_.unmatched_replies;
  // SRS redirects by a call after connect, whatever its name.
  if (info.find("ex") != nullptr && of_connect) on_status(info, now);
}

void RtmpClient::on_status(const AmfValue& info, Now now) {
  const std::string_view code = info.text_of("code");
  const StatusReading reading = read_status(code, info.text_of("level"));
  switch (reading.meaning) {
    case StatusMeaning::failure:
      return on_rejected(info, reading.kind);
    case StatusMeaning::play_started:
      if (options_.direction == Direction::pull) return on_started(now);
      break;
    case StatusMeaning::publish_started:
      if (options_.direction == Direction::push) return on_started(now);
      break;
    case StatusMeaning::stream_ended:
      ended_by_ = shown(code);
      return tell(Phase::stream_ended, now, ended_by_);
    case StatusMeaning::stream_resumed:
      ended_by_.clear();
      return tell(Phase::stream_resumed, now, shown(code));
    case StatusMeaning::reconnect_request:
      return on_reconnect_request(info, now);
    case StatusMeaning::connected:
    case StatusMeaning::notice:
      break;
  }
  tell(Phase::notice, now, code.empty() ? "a status without a code" : shown(code));
}

void RtmpClient::on_started(Now now) {
  if (started_ || (stage_ != Stage::start && stage_ != Stage::media)) return;
  started_ = true;
  started_at_ = now.mono;
  tell(Phase::started, now);
  if (options_.direction == Direction::push) {
    stage_ = Stage::media;
    deadline_.reset();
    hold_until_ = now.mono + options_.hold;
  } else if (stage_ == Stage::start) {
    enter(Stage::media, options_.first_media_max, now);
    if (media_seen_) deadline_.reset();
  }
}

void RtmpClient::on_rejected(const AmfValue& info, FailureKind kind) {
  if (follow_redirect(info)) return;
  const std::string_view code = info.text_of("code");
  const std::string_view description = info.text_of("description");
  if (stage_ == Stage::connect && asks_for_authentication(description)) {
    const auto query = next_authentication(
        {.description = description,
         .credentials = {.user = options_.url.user, .password = options_.url.password},
         .app = options_.url.app,
         .random = static_cast<std::uint32_t>(Rng(options_.seed).next()),
         .rounds_before = options_.authentication_rounds});
    fail(FailureKind::authentication, code,
         query ? "the server wants authentication" : query.error().message);
    if (query) {
      outcome_->next = Reconnect{.why = Reconnect::Why::authentication,
                                 .url = options_.url,
                                 .handshake = options_.handshake,
                                 .authentication = *query,
                                 .authentication_rounds = options_.authentication_rounds + 1};
    }
    return;
  }
  constexpr std::array<std::string_view, 5> asked{"handshake", "connect", "createStream", "",
                                                  "the stream"};
  std::string_view what = asked[static_cast<std::size_t>(stage_)];
  if (what.empty()) what = options_.direction == Direction::push ? "publish" : "play";
  std::string said = code.empty() ? std::string("no code") : shown(code);
  if (!description.empty()) said += fmt::format(" ({})", shown(description));
  fail(kind, code,
       fmt::format("the server refuses {}: {}{}", what, said, advice(kind, options_.direction)));
}

// FMS puts the target into the _error to connect, SRS into a status at the time of play or publish.
bool RtmpClient::follow_redirect(const AmfValue& info) {
  const AmfValue* ex = info.find("ex");
  if (ex == nullptr) return false;
  const std::string_view redirect = ex->text_of("redirect");
  const std::string_view redirect2 = ex->text_of("redirect2");
  const AmfValue* number = ex->find("code");
  if (redirect.empty() && redirect2.empty() && (number == nullptr || !is_302(*number))) {
    return false;
  }
  const std::string_view code = info.text_of("code");
  auto next = resolve_redirect(options_.url, redirect, redirect2);
  if (!next) {
    fail(FailureKind::redirected, code,
         fmt::format("the server redirects, and not to an RTMP stream: {}", next.error().message));
    return true;
  }
  if (const Status allowed = check_hop(options_.visited, *next); !allowed) {
    fail(FailureKind::redirected, code, allowed.error().message);
    return true;
  }
  if (is_clear_redirect(*next)) {
    fail(FailureKind::redirected, code,
         fmt::format("the server redirects from rtmps to rtmp, to {}; what the URL holds would be "
                     "readable on the way",
                     next->masked(name_shown())));
    return true;
  }
  fail(FailureKind::redirected, code,
       fmt::format("the server redirects to {}", next->masked(name_shown())));
  outcome_->next = Reconnect{.why = Reconnect::Why::redirect,
                             .url = std::move(*next),
                             .handshake = options_.handshake,
                             .authentication = {}};
  return true;
}

bool RtmpClient::is_clear_redirect(const RtmpUrl& next) const {
  return options_.url.tls && !next.tls && !options_.allow_clear_redirects;
}

// E-RTMP: the old server goes on serving until its client has gone, which it does once the tag
// that is coming is complete; a close before that is no failure. A target that leads in a circle,
// or from TLS to none, is only told.
void RtmpClient::on_reconnect_request(const AmfValue& info, Now now) {
  ++counters_.reconnect_requests;
  const auto next = resolve_reconnect(options_.url, info.text_of("tcUrl"));
  if (!next) {
    return tell(
        Phase::notice, now,
        fmt::format("a ReconnectRequest that cannot be followed: {}", shown(next.error().message)));
  }
  // The same URL again is a restart of the server, which is no circle; the hop limit still holds.
  const bool same = next->text() == options_.url.text();
  if (options_.visited.size() > kHopsMax || (!same && !check_hop(options_.visited, *next))) {
    return tell(Phase::notice, now, "a ReconnectRequest leads in a circle or too far");
  }
  if (is_clear_redirect(*next)) {
    return tell(Phase::notice, now, "a ReconnectRequest leads from rtmps to rtmp");
  }
  requested_ = Reconnect{.why = Reconnect::Why::request,
                         .url = *next,
                         .handshake = options_.handshake,
                         .authentication = {}};
  tell(Phase::reconnect_requested, now, next->masked(name_shown()));
}

}  // namespace linkpilot::rtmp
