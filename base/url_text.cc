#include "base/url_text.h"

#include <algorithm>
#include <charconv>

namespace linkpilot {
namespace {

constexpr std::string_view kMask = "***";
constexpr std::size_t kSecretOctetsMin = 4;
constexpr std::size_t kHostOctetsMax = 255;

char lowered(char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c; }

std::string_view without_root(std::string_view host) {
  return host.size() > 1 && host.back() == '.' ? host.substr(0, host.size() - 1) : host;
}

auto refuse(const char* words) { return fail(ErrorCode::invalid_argument, words); }

}  // namespace

std::string lower_case(std::string_view text) {
  std::string lower(text);
  std::transform(lower.begin(), lower.end(), lower.begin(), lowered);
  return lower;
}

bool same_host(std::string_view a, std::string_view b) {
  a = without_root(a);
  b = without_root(b);
  return std::equal(a.begin(), a.end(), b.begin(), b.end(),
                    [](char x, char y) { return lowered(x) == lowered(y); });
}

std::string percent_decoded(std::string_view text, PlusSign sign) {
  std::string decoded;
  for (std::size_t i = 0; i < text.size(); ++i) {
    std::uint8_t value = 0;
    if (text[i] == '%' && i + 2 < text.size() &&
        std::from_chars(text.data() + i + 1, text.data() + i + 3, value, 16).ptr ==
            text.data() + i + 3) {
      decoded.push_back(static_cast<char>(value));
      i += 2;
    } else {
      decoded.push_back(text[i] == '+' && sign == PlusSign::blank ? ' ' : text[i]);
    }
  }
  return decoded;
}

Result<UrlAuthority> parse_authority(std::string_view text) {
  UrlAuthority authority;
  if (const std::size_t at = text.rfind('@'); at != std::string_view::npos) {
    const std::string_view user_info = text.substr(0, at);
    const std::size_t colon = user_info.find(':');
    authority.user = percent_decoded(user_info.substr(0, colon));
    if (colon != std::string_view::npos) {
      authority.password = percent_decoded(user_info.substr(colon + 1));
    }
    text = text.substr(at + 1);
  }
  std::string_view port;
  if (text.starts_with('[')) {
    const std::size_t close = text.find(']');
    if (close == std::string_view::npos) return refuse("the IPv6 address has no closing bracket");
    authority.bracketed = true;
    authority.host = lower_case(text.substr(1, close - 1));
    if (authority.host.find_first_not_of("0123456789abcdef:.%") != std::string::npos) {
      return refuse("what stands in brackets is not an IPv6 address");
    }
    const std::string_view rest = text.substr(close + 1);
    if (!rest.empty() && rest[0] != ':') {
      return refuse("after ']' only ':' and a port may stand");
    }
    port = rest.empty() ? rest : rest.substr(1);
  } else {
    const std::size_t colon = text.find(':');
    authority.host = lower_case(text.substr(0, colon));
    if (colon != std::string_view::npos) port = text.substr(colon + 1);
    if (port.find(':') != std::string_view::npos) {
      return refuse("an IPv6 address must stand in brackets");
    }
  }
  if (authority.host.empty() || authority.host.size() > kHostOctetsMax) {
    return refuse("the host is missing or too long");
  }
  if (port.empty()) return authority;
  const auto parsed = std::from_chars(port.data(), port.data() + port.size(), authority.port);
  if (parsed.ec != std::errc() || parsed.ptr != port.data() + port.size() || authority.port == 0) {
    return refuse("the port is not a number from 1 to 65535");
  }
  return authority;
}

std::string_view authority_of(std::string_view url) {
  const std::size_t scheme = url.find("://");
  if (scheme == std::string_view::npos) return {};
  url = url.substr(scheme + 3);
  return url.substr(0, url.find_first_of("/?#"));
}

void each_parameter(std::string_view text, std::string_view separators,
                    const std::function<void(std::string_view, std::string_view)>& see) {
  std::size_t at = text.find('?');
  while (at != std::string_view::npos) {
    const std::size_t next = text.find_first_of(separators, at + 1);
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

std::string mask_secrets(std::string_view text, std::vector<std::string> secrets) {
  // The longest first: one secret may be part of another.
  std::sort(secrets.begin(), secrets.end(),
            [](const std::string& a, const std::string& b) { return a.size() > b.size(); });
  std::string masked(text);
  for (const std::string& secret : secrets) {
    if (secret.size() < kSecretOctetsMin) continue;
    for (std::size_t at = 0; (at = masked.find(secret, at)) != std::string::npos;
         at += kMask.size()) {
      masked.replace(at, secret.size(), kMask);
    }
  }
  return masked;
}

}  // namespace linkpilot
