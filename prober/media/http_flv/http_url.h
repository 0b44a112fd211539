// http:// and https:// URLs of streams (RFC 3986, RFC 9110 s4.2), and what a redirect's Location
// makes of one. Path and query go to the server verbatim: tokens live there.
//
// Queries and passwords are secrets: `masked` is what people may see, and `redact` takes them out
// of what a server says.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "base/result.h"

namespace linkpilot::prober {

constexpr std::size_t kHttpUrlOctetsMax = 4096;

struct HttpUrl {
  bool tls = false;
  std::string host;  // lower case, without brackets
  std::uint16_t port = 80;
  std::string target = "/";  // path and query; no fragment
  std::string user;          // percent-decoded
  std::string password;

  // "host" or "host:port", as the Host field has it; an IPv6 address in brackets.
  [[nodiscard]] std::string authority() const;
  // Without user and password.
  [[nodiscard]] std::string text() const;
  // The same with the values of the query as ***.
  [[nodiscard]] std::string masked() const;
  // `text`, with each secret of this URL that it repeats as ***.
  [[nodiscard]] std::string redact(std::string_view text) const;
  [[nodiscard]] bool same_origin(const HttpUrl& other) const;

  friend bool operator==(const HttpUrl&, const HttpUrl&) = default;
};

// Errors name what is wrong without repeating secrets.
[[nodiscard]] Result<HttpUrl> parse_http_url(std::string_view text);

// Where a Location leads (RFC 3986 s5.2; octets that may not stand in a URL are percent-encoded, as
// browsers do). User and password stay only within the origin.
[[nodiscard]] Result<HttpUrl> resolve_location(const HttpUrl& base, std::string_view location);

// Text of a server with what may be secret of anything that looks like a URL as ***: the query, and
// user and password.
[[nodiscard]] std::string mask_queries(std::string_view text);

}  // namespace linkpilot::prober
