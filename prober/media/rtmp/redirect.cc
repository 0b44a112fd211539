#include "prober/media/rtmp/redirect.h"

#include <fmt/format.h>

#include <algorithm>

namespace linkpilot::rtmp {
namespace {

RtmpUrl with_stream_of(const RtmpUrl& from, RtmpUrl next) {
  next.stream = from.stream;
  const std::string tail = "/" + from.stream;
  if (!from.stream.empty() && next.app.size() > tail.size() && next.app.ends_with(tail)) {
    next.app.resize(next.app.size() - tail.size());
  }
  while (!next.app.empty() && next.app.back() == '/') next.app.pop_back();
  return next;
}

Result<RtmpUrl> without_credentials(Result<RtmpUrl> url) {
  if (!url) return tl::unexpected(url.error().in("redirect"));
  url->user.clear();
  url->password.clear();
  return url;
}

}  // namespace

Result<RtmpUrl> resolve_redirect(const RtmpUrl& from, std::string_view redirect,
                                 std::string_view redirect2) {
  if (!redirect2.empty()) {
    return without_credentials(parse_rtmp_url(redirect2));
  }
  if (redirect.empty()) {
    return linkpilot::fail(ErrorCode::invalid_argument, "the redirect names no target");
  }
  auto next = without_credentials(parse_rtmp_url(redirect, UrlExtent::application));
  if (!next) return next;
  return with_stream_of(from, std::move(*next));
}

Result<RtmpUrl> resolve_reconnect(const RtmpUrl& from, std::string_view tc_url) {
  if (tc_url.empty()) return from;
  if (tc_url.find("://") != std::string_view::npos) return resolve_redirect(from, tc_url, {});
  // RFC 3986 4.2, the forms that make sense here: //host/app, /app, app.
  if (tc_url.starts_with("//")) {
    return resolve_redirect(from, fmt::format("{}:{}", from.tls ? "rtmps" : "rtmp", tc_url), {});
  }
  if (tc_url.size() > kUrlOctetsMax) {
    return linkpilot::fail(ErrorCode::invalid_argument, "the reconnect target is too long");
  }
  const std::size_t slash = from.app.substr(0, from.app.find('?')).rfind('/');
  RtmpUrl next = from;
  next.app = tc_url.starts_with("/")      ? std::string(tc_url.substr(1))
             : slash == std::string::npos ? std::string(tc_url)
                                          : from.app.substr(0, slash + 1) + std::string(tc_url);
  return resolve_redirect(from, next.tc_url(), {});
}

Status check_hop(std::span<const std::string> visited, const RtmpUrl& next, std::size_t hops_max) {
  if (visited.size() > hops_max) {
    return linkpilot::fail(ErrorCode::limit_exceeded,
                           fmt::format("more than {} redirects", hops_max));
  }
  if (std::find(visited.begin(), visited.end(), next.text()) != visited.end()) {
    return linkpilot::fail(
        ErrorCode::invalid_argument,
        fmt::format("redirects lead in a circle, back to {}", next.masked(StreamName::hide)));
  }
  return {};
}

}  // namespace linkpilot::rtmp
