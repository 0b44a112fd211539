// How an RTMP session ended, and what each status code of a server means for it.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "prober/media/rtmp/handshake.h"
#include "prober/media/rtmp/rtmp_url.h"

namespace linkpilot::rtmp {

// What the session was waiting for. `start` is play or publish; `media` is everything after it.
enum class Stage : std::uint8_t { handshake, connect, create_stream, start, media };

enum class FailureKind : std::uint8_t {
  timeout,         // the stage's deadline passed
  closed,          // the server closed the connection
  reset,           // the server, or something between, reset it
  not_rtmp,        // something else listens there
  protocol,        // the server broke the protocol, or a bound of ours
  rejected,        // refused without a better word
  not_found,       // no such application or stream
  denied,          // no right to it
  busy,            // somebody publishes under this name
  authentication,  // credentials are wanted, wrong, or being negotiated (see Outcome::next)
  redirected,      // the server names another (see Outcome::next), or names it wrongly
  no_media,        // play was accepted and nothing came
  dropped,         // play or publish was accepted and the connection closed at once
};

[[nodiscard]] std::string_view to_string(Stage stage);
[[nodiscard]] std::string_view to_string(FailureKind kind);

struct Failure {
  Stage stage = Stage::handshake;
  FailureKind kind = FailureKind::protocol;
  std::string code;  // of the server, verbatim (shortened, made printable); empty if it gave none
  std::string sentence;  // for an operator; holds no secrets
};

// A connection to make instead of the one that ended.
struct Reconnect {
  enum class Why : std::uint8_t { redirect, authentication, handshake, request };

  Why why = Why::redirect;
  RtmpUrl url;
  HandshakeForm handshake = HandshakeForm::simple;
  std::string authentication;  // the query for the app
  int authentication_rounds = 0;
};

// The end of a session: no failure if we ended it or the stream came to its end.
struct Outcome {
  std::optional<Failure> failure;
  std::optional<Reconnect> next;
};

// What a status code (onStatus, _error; RTMP 7.2, and the codes servers are seen to send) says.
enum class StatusMeaning : std::uint8_t {
  connected,
  play_started,
  publish_started,
  stream_ended,       // the publisher left, or a recording came to its end
  stream_resumed,     // a publisher is there again
  reconnect_request,  // E-RTMP
  notice,             // worth telling, changes nothing
  failure,
};

struct StatusReading {
  StatusMeaning meaning = StatusMeaning::notice;
  FailureKind kind = FailureKind::rejected;  // of a failure
};

// An unknown code is a failure if the level is "error", and else a notice.
[[nodiscard]] StatusReading read_status(std::string_view code, std::string_view level);

}  // namespace linkpilot::rtmp
