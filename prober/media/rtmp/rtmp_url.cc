#include "prober/media/rtmp/rtmp_url.h"

#include <fmt/format.h>

#include <algorithm>
#include <vector>

#include "base/url_text.h"
#include "prober/media/rtmp/printable.h"

namespace linkpilot::rtmp {
namespace {

constexpr std::string_view kMask = "***";
constexpr std::string_view kSeparators = "&?";

auto bad_url(std::string words) {
  return linkpilot::fail(ErrorCode::invalid_argument, std::move(words));
}

bool is_secret(std::string_view key) { return key != "vhost"; }

std::string mask_query(std::string_view text) {
  std::string masked(text.substr(0, text.find('?')));
  char separator = '?';
  each_parameter(text, kSeparators, [&](std::string_view key, std::string_view value) {
    masked += separator;
    separator = '&';
    if (!key.empty()) masked += std::string(key) + "=";
    masked += is_secret(key) ? kMask : value;
  });
  return masked;
}

struct Path {
  std::string_view app;
  std::string_view stream;
};

Path split_path(std::string_view path) {
  const std::size_t query = path.find('?');
  const std::string_view plain = path.substr(0, query);
  std::size_t slash = plain.rfind('/');
  if (slash == std::string_view::npos && query != std::string_view::npos) {
    slash = path.find('/', query);
  }
  if (slash == std::string_view::npos) return {.app = path, .stream = {}};
  return {.app = path.substr(0, slash), .stream = path.substr(slash + 1)};
}

std::string origin_of(const RtmpUrl& url) {
  const bool ipv6 = url.host.find(':') != std::string::npos;
  const std::string host = ipv6 ? "[" + url.host + "]" : url.host;
  std::string text = fmt::format("{}://{}", url.tls ? "rtmps" : "rtmp", host);
  if (url.port != (url.tls ? kRtmpsPort : kRtmpPort)) text += fmt::format(":{}", url.port);
  return text;
}

Status parse_scheme(std::string_view& text, RtmpUrl& url) {
  const std::size_t mark = text.find("://");
  if (mark == std::string_view::npos || mark > 16) {
    return bad_url(
        "a URL begins with rtmp:// or rtmps:// (or, of an FLV stream, with http:// or https://)");
  }
  const std::string scheme = lower_case(text.substr(0, mark));
  if (scheme != "rtmp" && scheme != "rtmps") {
    return bad_url(fmt::format("the scheme {} is not rtmp or rtmps", printable(scheme)));
  }
  url.tls = scheme == "rtmps";
  url.port = url.tls ? kRtmpsPort : kRtmpPort;
  text = text.substr(mark + 3);
  return {};
}

}  // namespace

std::string RtmpUrl::tc_url() const { return origin_of(*this) + "/" + app; }

std::string RtmpUrl::text() const { return stream.empty() ? tc_url() : tc_url() + "/" + stream; }

std::string RtmpUrl::masked(StreamName name) const {
  std::string text = origin_of(*this) + "/" + mask_query(app);
  if (stream.empty()) return text;
  return text + "/" + (name == StreamName::hide ? std::string(kMask) : mask_query(stream));
}

std::string RtmpUrl::redact(std::string_view text, StreamName name) const {
  std::vector<std::string> secrets{password};
  const auto collect = [&secrets](std::string_view key, std::string_view value) {
    if (is_secret(key)) secrets.emplace_back(value);
  };
  each_parameter(app, kSeparators, collect);
  each_parameter(stream, kSeparators, collect);
  if (name == StreamName::hide) secrets.push_back(stream.substr(0, stream.find('?')));
  return mask_secrets(text, std::move(secrets));
}

Result<RtmpUrl> parse_rtmp_url(std::string_view text, UrlExtent extent) {
  if (text.size() > kUrlOctetsMax) {
    return bad_url(
        fmt::format("the URL has {} octets, at most {} are taken", text.size(), kUrlOctetsMax));
  }
  if (std::any_of(text.begin(), text.end(), [](char c) { return c <= ' ' || c == '\x7f'; })) {
    return bad_url("the URL contains a blank or a control character");
  }
  RtmpUrl url;
  if (Status status = parse_scheme(text, url); !status) return tl::unexpected(status.error());
  const std::size_t slash = text.find_first_of("/?");
  Result<UrlAuthority> authority = parse_authority(text.substr(0, slash));
  if (!authority) return tl::unexpected(authority.error());
  url.user = std::move(authority->user);
  url.password = std::move(authority->password);
  url.host = std::move(authority->host);
  if (authority->port != 0) url.port = authority->port;
  if (slash == std::string_view::npos || text[slash] != '/' || slash + 1 == text.size()) {
    return bad_url("the URL names no application; it should be rtmp://host/app/stream");
  }
  const std::string_view path = text.substr(slash + 1);
  if (extent == UrlExtent::application) {
    url.app = path;
    return url;
  }
  const Path parts = split_path(path);
  if (parts.app.empty() || parts.stream.empty()) {
    return bad_url("the URL names no stream; it should be rtmp://host/app/stream");
  }
  url.app = parts.app;
  url.stream = parts.stream;
  return url;
}

}  // namespace linkpilot::rtmp
