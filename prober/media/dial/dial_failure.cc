#include "prober/media/dial/dial_failure.h"

#include <fmt/format.h>

#include "base/url_text.h"
#include "prober/media/rtmp/printable.h"

namespace linkpilot::prober {
DialStage to_dial_stage(rtmp::Stage stage) {
  switch (stage) {
    case rtmp::Stage::handshake:
      return DialStage::handshake;
    case rtmp::Stage::connect:
      return DialStage::connect;
    case rtmp::Stage::create_stream:
      return DialStage::create_stream;
    case rtmp::Stage::start:
      return DialStage::start;
    case rtmp::Stage::media:
      return DialStage::media;
  }
  return DialStage::media;
}

namespace {

DialFault fault_of(rtmp::FailureKind kind) {
  switch (kind) {
    case rtmp::FailureKind::timeout:
      return DialFault::timeout;
    case rtmp::FailureKind::closed:
      return DialFault::closed;
    case rtmp::FailureKind::reset:
      return DialFault::reset;
    case rtmp::FailureKind::not_rtmp:
      return DialFault::not_rtmp;
    case rtmp::FailureKind::protocol:
      return DialFault::protocol;
    case rtmp::FailureKind::rejected:
      return DialFault::rejected;
    case rtmp::FailureKind::not_found:
      return DialFault::not_found;
    case rtmp::FailureKind::denied:
      return DialFault::denied;
    case rtmp::FailureKind::busy:
      return DialFault::busy;
    case rtmp::FailureKind::authentication:
      return DialFault::authentication;
    case rtmp::FailureKind::redirected:
      return DialFault::redirected;
    case rtmp::FailureKind::no_media:
      return DialFault::no_media;
    case rtmp::FailureKind::dropped:
      return DialFault::dropped;
  }
  return DialFault::protocol;
}

std::string_view doing(DialStage stage) {
  switch (stage) {
    case DialStage::url:
    case DialStage::policy:
      return "reading the URL";
    case DialStage::dns:
      return "asking for the name's addresses";
    case DialStage::tcp:
      return "connecting";
    case DialStage::tls:
      return "in the TLS handshake";
    case DialStage::handshake:
      return "in the RTMP handshake";
    case DialStage::connect:
      return "waiting for the answer to connect";
    case DialStage::create_stream:
      return "waiting for the answer to createStream";
    case DialStage::start:
      return "waiting for the answer to play or publish";
    case DialStage::request:
    case DialStage::response:
      return "waiting for the response";
    case DialStage::flv_header:
      return "waiting for the stream to begin";
    case DialStage::media:
      return "waiting for media";
    case DialStage::read_back:
      return "reading the stream back";
  }
  return "?";
}

}  // namespace

DialFailure cut_short(DialStage stage, CutBy by, Duration after) {
  const std::string took = format_duration(after);
  switch (by) {
    case CutBy::caller:
      return {.stage = stage,
              .kind = DialFault::stopped,
              .code = {},
              .sentence = fmt::format("stopped from outside after {}, {}", took, doing(stage))};
    case CutBy::opening:
      return {.stage = stage,
              .kind = DialFault::timeout,
              .code = {},
              .sentence = fmt::format("the opening as a whole took more than {}; it was still {}",
                                      took, doing(stage))};
    case CutBy::whole:
      break;
  }
  return {.stage = stage,
          .kind = DialFault::timeout,
          .code = {},
          .sentence = fmt::format("the time for the dial, {}, was over; it was still {}", took,
                                  doing(stage))};
}

DialFailure nothing_to_show(const DialReport& report, std::string words) {
  const PlaybackReport& playback = report.playback;
  const bool frames = playback.video.frames + playback.audio.frames > 0;
  DialFailure failure{.stage = DialStage::media,
                      .kind = frames ? DialFault::not_decodable : DialFault::no_media,
                      .code = report.end_code,
                      .sentence = std::move(words)};
  if (report.end == DialEnd::stream_ended && !frames) {
    failure.sentence = fmt::format(
        "the server took the request and said that the stream had ended{}, before any audio or "
        "video came; is it being published?",
        report.end_code.empty() ? "" : " (" + report.end_code + ")");
  }
  return failure;
}

DialFailure to_dial_failure(const rtmp::Failure& failure) {
  return {.stage = to_dial_stage(failure.stage),
          .kind = fault_of(failure.kind),
          .code = failure.code,
          .sentence = failure.sentence};
}

DialFailure forbidden(const Error& error) {
  return {.stage = DialStage::policy,
          .kind = DialFault::forbidden,
          .code = {},
          .sentence = error.message};
}

std::string mask_unreadable_url(std::string_view url) {
  const std::size_t scheme = url.find("://");
  if (scheme == std::string_view::npos || scheme > 16) return "?";
  std::string_view authority = authority_of(url);
  if (const std::size_t at = authority.rfind('@'); at != std::string_view::npos) {
    authority = authority.substr(at + 1);
  }
  return rtmp::printable(std::string(url.substr(0, scheme + 3)) +
                         std::string(authority.substr(0, 100)) + "/***");
}

}  // namespace linkpilot::prober
