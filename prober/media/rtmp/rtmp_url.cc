#include "prober/media/rtmp/rtmp_url.h"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <vector>

#include "prober/media/rtmp/printable.h"

namespace linkpilot::rtmp {
namespace {

constexpr std::string_view kMask = "***";
constexpr std::size_t kSecretOctetsMin = 4;  // shorter values would mask ordinary words

auto bad_url(std::string words) {
  return linkpilot::fail(ErrorCode::invalid_argument, std::move(words));
}

char lowered(char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c; }

std::string lower_case(std::string_view text) {
  std::string lower(text);
  std::transform(lower.begin(), lower.end(), lower.begin(), lowered);
  return lower;
}

std::string percent_decoded(std::string_view text) {
  std::string decoded;
  for (std::size_t i = 0; i < text.size(); ++i) {
    std::uint8_t value = 0;
    if (text[i] == '%' && i + 2 < text.size() &&
        std::from_chars(text.data() + i + 1, text.data() + i + 3, value, 16).ptr ==
            text.data() + i + 3) {
      decoded.push_back(static_cast<char>(value));
      i += 2;
    } else {
      decoded.push_back(text[i]);
    }
  }
  return decoded;
}

// Calls `see(key, value)` for each "key=value" or bare value of the query behind the first '?'.
template <typename See>
void each_parameter(std::string_view text, See see) {
  std::size_t at = text.find('?');
  while (at != std::string_view::npos) {
    const std::size_t next = text.find_first_of("&?", at + 1);
    const std::string_view pair =
        text.substr(at + 1, next == std::string_view::npos ? next : next - at - 1);
    const std::size_t equals = pair.find('=');
    if (equals == std::string_view::npos) {
      see(std::string_view(), pair);
    } else {
      see(pair.substr(0, equals), pair.substr(equals + 1));
    }
    at = next;
  }
}

bool is_secret(std::string_view key) { return key != "vhost"; }

std::string mask_query(std::string_view text) {
  std::string masked(text.substr(0, text.find('?')));
  char separator = '?';
  each_parameter(text, [&](std::string_view key, std::string_view value) {
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

Status parse_host(std::string_view text, RtmpUrl& url) {
  std::string_view port;
  if (!text.empty() && text[0] == '[') {
    const std::size_t close = text.find(']');
    if (close == std::string_view::npos) return bad_url("the IPv6 address has no closing bracket");
    url.host = lower_case(text.substr(1, close - 1));
    if (url.host.find_first_not_of("0123456789abcdef:.%") != std::string::npos) {
      return bad_url("what stands in brackets is not an IPv6 address");
    }
    const std::string_view rest = text.substr(close + 1);
    if (!rest.empty() && rest[0] != ':') return bad_url("after ']' only ':' and a port may stand");
    port = rest.empty() ? rest : rest.substr(1);
  } else {
    const std::size_t colon = text.find(':');
    if (text.find(':', colon + 1) != std::string_view::npos && colon != std::string_view::npos) {
      return bad_url("an IPv6 address must stand in brackets");
    }
    url.host = lower_case(text.substr(0, colon));
    if (colon != std::string_view::npos) port = text.substr(colon + 1);
  }
  if (url.host.empty() || url.host.size() > 255) return bad_url("the host is missing or too long");
  if (port.empty()) return {};
  const auto parsed = std::from_chars(port.data(), port.data() + port.size(), url.port);
  if (parsed.ec != std::errc() || parsed.ptr != port.data() + port.size() || url.port == 0) {
    return bad_url("the port is not a number from 1 to 65535");
  }
  return {};
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
    return bad_url("a URL begins with rtmp:// or rtmps://");
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
  each_parameter(app, collect);
  each_parameter(stream, collect);
  if (name == StreamName::hide) secrets.push_back(stream.substr(0, stream.find('?')));
  // The longest first: one secret may be part of another.
  std::sort(secrets.begin(), secrets.end(),
            [](const std::string& a, const std::string& b) { return a.size() > b.size(); });
  std::string redacted(text);
  for (const std::string& secret : secrets) {
    if (secret.size() < kSecretOctetsMin) continue;
    for (std::size_t at = 0; (at = redacted.find(secret, at)) != std::string::npos;
         at += kMask.size()) {
      redacted.replace(at, secret.size(), kMask);
    }
  }
  return redacted;
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
  std::string_view authority = text.substr(0, slash);
  if (const std::size_t at = authority.rfind('@'); at != std::string_view::npos) {
    const std::string_view user_info = authority.substr(0, at);
    const std::size_t colon = user_info.find(':');
    url.user = percent_decoded(user_info.substr(0, colon));
    if (colon != std::string_view::npos) {
      url.password = percent_decoded(user_info.substr(colon + 1));
    }
    authority = authority.substr(at + 1);
  }
  if (Status status = parse_host(authority, url); !status) return tl::unexpected(status.error());
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
