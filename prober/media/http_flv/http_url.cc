#include "prober/media/http_flv/http_url.h"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <vector>

#include "prober/media/rtmp/printable.h"

namespace linkpilot::prober {
namespace {

constexpr std::string_view kHidden = "***";
constexpr std::size_t kHiddenOctetsMin = 4;  // shorter values would mask ordinary words

auto refuse_url(std::string words) { return fail(ErrorCode::invalid_argument, std::move(words)); }

std::string lower(std::string_view text) {
  std::string result(text);
  std::transform(result.begin(), result.end(), result.begin(), [](char c) {
    return c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c;
  });
  return result;
}

std::string decode_percent(std::string_view text) {
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

Status parse_port(std::string_view text, HttpUrl& url) {
  if (text.empty()) return {};
  const auto parsed = std::from_chars(text.data(), text.data() + text.size(), url.port);
  if (parsed.ec != std::errc() || parsed.ptr != text.data() + text.size() || url.port == 0) {
    return refuse_url("the port is not a number from 1 to 65535");
  }
  return {};
}

Status parse_authority(std::string_view text, HttpUrl& url) {
  if (const std::size_t at = text.rfind('@'); at != std::string_view::npos) {
    const std::string_view user_info = text.substr(0, at);
    const std::size_t colon = user_info.find(':');
    url.user = decode_percent(user_info.substr(0, colon));
    if (colon != std::string_view::npos) url.password = decode_percent(user_info.substr(colon + 1));
    text = text.substr(at + 1);
  }
  std::string_view port;
  if (text.starts_with('[')) {
    const std::size_t close = text.find(']');
    if (close == std::string_view::npos)
      return refuse_url("the IPv6 address has no closing bracket");
    url.host = lower(text.substr(1, close - 1));
    if (url.host.find_first_not_of("0123456789abcdef:.") != std::string::npos) {
      return refuse_url("what stands in brackets is not an IPv6 address");
    }
    const std::string_view rest = text.substr(close + 1);
    if (!rest.empty() && rest[0] != ':')
      return refuse_url("after ']' only ':' and a port may stand");
    port = rest.empty() ? rest : rest.substr(1);
  } else {
    const std::size_t colon = text.find(':');
    url.host = lower(text.substr(0, colon));
    if (colon != std::string_view::npos) port = text.substr(colon + 1);
    if (port.find(':') != std::string_view::npos) {
      return refuse_url("an IPv6 address must stand in brackets");
    }
    if (!std::all_of(url.host.begin(), url.host.end(), is_host_character)) {
      return refuse_url(
          "the host has a character that may not stand there; write a name of other "
          "alphabets in its ASCII form (xn--...)");
    }
  }
  if (url.host.empty() || url.host.size() > 255) {
    return refuse_url("the host is missing or too long");
  }
  return parse_port(port, url);
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

// Calls `see(key, value)` for each parameter of the target's query.
template <typename See>
void each_query_value(std::string_view target, See see) {
  std::size_t at = target.find('?');
  while (at != std::string_view::npos) {
    const std::size_t next = target.find('&', at + 1);
    const std::string_view pair =
        target.substr(at + 1, next == std::string_view::npos ? next : next - at - 1);
    const std::size_t equals = pair.find('=');
    if (equals == std::string_view::npos) {
      see(std::string_view(), pair);
    } else {
      see(pair.substr(0, equals), pair.substr(equals + 1));
    }
    at = next;
  }
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
  each_query_value(target, [&](std::string_view key, std::string_view) {
    path += separator;
    separator = '&';
    if (!key.empty()) path += rtmp::printable(key) + "=";
    path += kHidden;
  });
  return fmt::format("{}://{}{}", tls ? "https" : "http", authority(), path);
}

std::string HttpUrl::redact(std::string_view text) const {
  std::vector<std::string> secrets{password};
  each_query_value(target, [&secrets](std::string_view, std::string_view value) {
    secrets.emplace_back(value);
    secrets.push_back(decode_percent(value));
  });
  // The longest first: one secret may be part of another.
  std::sort(secrets.begin(), secrets.end(),
            [](const std::string& a, const std::string& b) { return a.size() > b.size(); });
  std::string redacted(text);
  for (const std::string& secret : secrets) {
    if (secret.size() < kHiddenOctetsMin) continue;
    for (std::size_t at = 0; (at = redacted.find(secret, at)) != std::string::npos;
         at += kHidden.size()) {
      redacted.replace(at, secret.size(), kHidden);
    }
  }
  return redacted;
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
  const std::string scheme = lower(text.substr(0, std::min<std::size_t>(mark, 16)));
  if (mark == std::string_view::npos || (scheme != "http" && scheme != "https")) {
    return refuse_url("a URL begins with http:// or https://");
  }
  HttpUrl url;
  url.tls = scheme == "https";
  url.port = url.tls ? 443 : 80;
  text = text.substr(mark + 3);
  text = text.substr(0, text.find('#'));
  const std::size_t slash = std::min(text.find_first_of("/?"), text.size());
  if (Status status = parse_authority(text.substr(0, slash), url); !status) {
    return tl::unexpected(status.error());
  }
  std::string target(text.substr(slash));
  if (!target.starts_with('/')) target.insert(0, "/");
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
