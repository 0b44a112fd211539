#include "prober/media/dial/dial_failure.h"

#include "prober/media/rtmp/printable.h"

namespace linkpilot::prober {
namespace {

DialStage stage_of(rtmp::Stage stage) {
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

}  // namespace

DialFailure to_dial_failure(const rtmp::Failure& failure) {
  return {.stage = stage_of(failure.stage),
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
  std::string_view authority = url.substr(scheme + 3);
  authority = authority.substr(0, authority.find_first_of("/?#"));
  if (const std::size_t at = authority.rfind('@'); at != std::string_view::npos) {
    authority = authority.substr(at + 1);
  }
  return rtmp::printable(std::string(url.substr(0, scheme + 3)) +
                         std::string(authority.substr(0, 100)) + "/***");
}

}  // namespace linkpilot::prober
