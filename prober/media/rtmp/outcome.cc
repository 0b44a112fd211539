#include "prober/media/rtmp/outcome.h"

#include <array>

namespace linkpilot::rtmp {
namespace {

struct StatusRow {
  std::string_view code;
  StatusReading reading;
};

constexpr StatusReading kFailed{StatusMeaning::failure, FailureKind::rejected};
constexpr StatusReading kMissing{StatusMeaning::failure, FailureKind::not_found};
constexpr StatusReading kForbidden{StatusMeaning::failure, FailureKind::denied};
constexpr StatusReading kTaken{StatusMeaning::failure, FailureKind::busy};

constexpr std::array kStatuses{
    StatusRow{"NetConnection.Connect.Success", {StatusMeaning::connected, {}}},
    StatusRow{"NetConnection.Connect.Rejected", kFailed},
    StatusRow{"NetConnection.Connect.Failed", kFailed},
    StatusRow{"NetConnection.Connect.Closed", kFailed},
    StatusRow{"NetConnection.Connect.AppShutdown", kFailed},
    StatusRow{"NetConnection.Connect.InvalidApp", kMissing},
    StatusRow{"NetConnection.Connect.ReconnectRequest", {StatusMeaning::reconnect_request, {}}},
    StatusRow{"NetStream.Play.Start", {StatusMeaning::play_started, {}}},
    StatusRow{"NetStream.Play.Reset", {StatusMeaning::notice, {}}},
    StatusRow{"NetStream.Play.StreamNotFound", kMissing},
    StatusRow{"NetStream.Play.FileNotFound", kMissing},
    StatusRow{"NetStream.Play.Failed", kFailed},
    StatusRow{"NetStream.Play.Stop", {StatusMeaning::stream_ended, {}}},
    StatusRow{"NetStream.Play.Complete", {StatusMeaning::stream_ended, {}}},
    StatusRow{"NetStream.Play.UnpublishNotify", {StatusMeaning::stream_ended, {}}},
    StatusRow{"NetStream.Play.PublishNotify", {StatusMeaning::stream_resumed, {}}},
    StatusRow{"NetStream.Play.InsufficientBW", {StatusMeaning::notice, {}}},
    StatusRow{"NetStream.Publish.Start", {StatusMeaning::publish_started, {}}},
    StatusRow{"NetStream.Publish.BadName", kTaken},
    StatusRow{"NetStream.Publish.Denied", kForbidden},
    StatusRow{"NetStream.Publish.Rejected", kForbidden},
    StatusRow{"NetStream.Publish.Idle", {StatusMeaning::notice, {}}},
    StatusRow{"NetStream.Data.Start", {StatusMeaning::notice, {}}},
    StatusRow{"NetStream.Unpublish.Success", {StatusMeaning::notice, {}}},
    StatusRow{"NetStream.Authenticate.UsherToken", kForbidden},
};

}  // namespace

StatusReading read_status(std::string_view code, std::string_view level) {
  // An orderly end has the level "status".
  if (code == "NetConnection.Connect.Closed" && level != "error") {
    return {StatusMeaning::stream_ended, {}};
  }
  for (const StatusRow& row : kStatuses) {
    if (row.code == code) return row.reading;
  }
  return level == "error" ? kFailed : StatusReading{};
}

std::string_view to_string(Stage stage) {
  switch (stage) {
    case Stage::handshake:
      return "handshake";
    case Stage::connect:
      return "connect";
    case Stage::create_stream:
      return "create_stream";
    case Stage::start:
      return "start";
    case Stage::media:
      return "media";
  }
  return "?";
}

std::string_view to_string(FailureKind kind) {
  switch (kind) {
    case FailureKind::timeout:
      return "timeout";
    case FailureKind::closed:
      return "closed";
    case FailureKind::reset:
      return "reset";
    case FailureKind::not_rtmp:
      return "not_rtmp";
    case FailureKind::protocol:
      return "protocol";
    case FailureKind::rejected:
      return "rejected";
    case FailureKind::not_found:
      return "not_found";
    case FailureKind::denied:
      return "denied";
    case FailureKind::busy:
      return "busy";
    case FailureKind::authentication:
      return "authentication";
    case FailureKind::redirected:
      return "redirected";
    case FailureKind::no_media:
      return "no_media";
    case FailureKind::dropped:
      return "dropped";
  }
  return "?";
}

}  // namespace linkpilot::rtmp
