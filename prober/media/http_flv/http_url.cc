#include "prober/media/http_flv/http_url.h"

#include <fmt/format.h>

#include <algorithm>
#include <vector>

#include "base/url_text.h"
#include "prober/media/rtmp/printable.h"

namespace linkpilot::prober {
namespace {

constexpr std::string_view kHidden = "***";

auto refuse_url(std::string words) { return fail(ErrorCode::invalid_argument, std::move(words)); }

// Blanks, controls and non-ASCII octets percent-encoded; all else as it is.
std::string encode_forbidden(std::string_view text) {
  std::string encoded;
  for (const char c : text) {
    if (c <= ' ' || c > '~') {
      encoded += fmt::format("%{:02X}", static_cast<std::uint8_t>(c));
    } else {
      encoded.push_back(c);
    }
  }
  return encoded;
}

bool is_host_character(char c) {
  return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '-' || c == '.' || c == '_';
}

Status read_authority(std::string_view text, HttpUrl& url) {
  Result<UrlAuthority> authority = parse_authority(text);
  if (!authority) return tl::unexpected(authority.error());
  if (authority->bracketed) {
    if (authority->host.find('%') != std::string::npos) {
      return refuse_url("what stands in brackets is not an IPv6 address");
    }
  } else if (!std::all_of(authority->host.begin(), authority->host.end(), is_host_character)) {
    return refuse_url(
        "the host has a character that may not stand there; write a name of other "
        "alphabets in its ASCII form (xn--...)");
  }
  url.user = std::move(authority->user);
  url.password = std::move(authority->password);
  url.host = std::move(authority->host);
  if (authority->port != 0) url.port = authority->port;
  return {};
}

// RFC 3986 s5.2.4.
std::string without_dots(std::string_view path) {
  std::vector<std::string_view> kept;
  std::size_t at = 0;
  bool folder = true;  // the path ends with '/'
  while (at < path.size()) {
    ++at;  // the '/'
    const std::size_t end = std::min(path.find('/', at), path.size());
    const std::string_view segment = path.substr(at, end - at);
    at = end;
    const bool last = at >= path.size();
    folder = last && (segment.empty() || segment == "." || segment == "..");
    if (segment == "..") {
      if (!kept.empty()) kept.pop_back();
    } else if (segment != "." && !(last && segment.empty())) {
      kept.push_back(segment);
    }
  }
  std::string joined;
  for (const std::string_view segment : kept) joined.append("/").append(segment);
  if (folder || joined.empty()) joined += '/';
  return joined;
}

std::string normal_target(std::string_view target) {
  const std::size_t query = target.find('?');
  std::string path = without_dots(target.substr(0, query));
  if (query != std::string_view::npos) path += target.substr(query);
  return path;
}

bool is_scheme(std::string_view text) {
  return !text.empty() && std::all_of(text.begin(), text.end(), [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '+' ||
           c == '-' || c == '.';
  });
}

}  // namespace

std::string HttpUrl::authority() const {
  const std::string name = host.find(':') == std::string::npos ? host : "[" + host + "]";
  return port == (tls ? 443 : 80) ? name : fmt::format("{}:{}", name, port);
}

std::string HttpUrl::text() const {
  return fmt::format("{}://{}{}", tls ? "https" : "http", authority(), target);
}

std::string HttpUrl::masked() const {
  std::string path = rtmp::printable(target.substr(0, target.find('?')));
  char separator = '?';
  each_parameter(target, "&", [&](std::string_view key, std::string_view) {
    path += separator;
    separator = '&';
    if (!key.empty()) path += rtmp::printable(key) + "=";
    path += kHidden;
  });
  return fmt::format("{}://{}{}", tls ? "https" : "http", authority(), path);
}

std::string HttpUrl::redact(std::string_view text) const {
  std::vector<std::string> secrets{password};
  each_parameter(target, "&", [&secrets](std::string_view, std::string_view value) {
    secrets.emplace_back(value);
    secrets.push_back(percent_decoded(value));
  });
  return mask_secrets(text, std::move(secrets));
}

bool HttpUrl::same_origin(const HttpUrl& other) const {
  return tls == other.tls && host == other.host && port == other.port;
}

Result<HttpUrl> parse_http_url(std::string_view text) {
  if (text.size() > kHttpUrlOctetsMax) {
    return refuse_url(
        fmt::format("the URL has {} octets, at most {} are taken", text.size(), kHttpUrlOctetsMax));
  }
  if (std::any_of(text.begin(), text.end(), [](char c) { return c <= ' ' || c > '~'; })) {
    return refuse_url("the URL contains a blank, a control character or one that is not ASCII");
  }
  const std::size_t mark = text.find("://");
  const std::string scheme = lower_case(text.substr(0, std::min<std::size_t>(mark, 16)));
  if (mark == std::string_view::npos || (scheme != "http" && scheme != "https")) {
    return refuse_url("a URL begins with http:// or https://");
  }
  HttpUrl url;
  url.tls = scheme == "https";
  url.port = url.tls ? 443 : 80;
  text = text.substr(mark + 3);
  text = text.substr(0, text.find('#'));
  const std::size_t slash = std::min(text.find_first_of("/?"), text.size());
  if (Status status = read_authority(text.substr(0, slash), url); !status) {
    return tl::unexpected(status.error());
  }
  std::string target(text.substr(slash));
  if (!target.starts_with('/')) target = "/" + target;
  url.target = normal_target(target);
  return url;
}

Result<HttpUrl> resolve_location(const HttpUrl& base, std::string_view location) {
  while (!location.empty() && location.front() == ' ') location.remove_prefix(1);
  while (!location.empty() && location.back() == ' ') location.remove_suffix(1);
  if (location.empty()) return refuse_url("the redirect names no place");
  if (location.size() > kHttpUrlOctetsMax) {
    return refuse_url(fmt::format("the redirect's URL has {} octets, at most {} are taken",
                                  location.size(), kHttpUrlOctetsMax));
  }
  const std::string clean = encode_forbidden(location.substr(0, location.find('#')));
  const std::size_t colon = clean.find_first_of(":/?");
  std::string absolute;
  if (clean.starts_with("//")) {
    absolute = (base.tls ? "https:" : "http:") + clean;
  } else if (colon != std::string::npos && clean[colon] == ':' &&
             is_scheme(clean.substr(0, colon))) {
    absolute = clean;
  }
  if (!absolute.empty()) {
    auto url = parse_http_url(absolute);
    if (url && url->user.empty() && url->same_origin(base)) {
      url->user = base.user;
      url->password = base.password;
    }
    return url;
  }
  HttpUrl url = base;
  const std::string path = base.target.substr(0, base.target.find('?'));
  if (clean.empty()) return url;
  if (clean.starts_with('/')) {
    url.target = clean;
  } else if (clean.starts_with('?')) {
    url.target = path + clean;
  } else {
    url.target = path.substr(0, path.rfind('/') + 1) + clean;
  }
  url.target = normal_target(url.target);
  if (url.text().size() > kHttpUrlOctetsMax) return refuse_url("the redirect's URL is too long");
  return url;
}

std::string mask_queries(std::string_view text) {
  constexpr std::string_view kEnds = " \t\"'<>;,";
  std::string masked;
  while (!text.empty()) {
    const std::size_t mark = std::min(text.find('?'), text.find("://"));
    masked += text.substr(0, mark);
    if (mark == std::string_view::npos) break;
    text = text.substr(mark);
    if (text[0] == '?') {
      const std::size_t end = std::min(text.find_first_of(kEnds), text.size());
      masked += end > 1 ? "?***" : "?";
      text = text.substr(end);
      continue;
    }
    masked += "://";
    text = text.substr(3);
    const std::string_view authority =
        text.substr(0, std::min(text.find_first_of(kEnds), text.find_first_of("/?#")));
    if (const std::size_t at = authority.rfind('@'); at != std::string_view::npos) {
      masked += "***";
      text = text.substr(at);
    }
  }
  return masked;
}

}  // namespace linkpilot::prober
