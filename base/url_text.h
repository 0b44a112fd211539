// The text of URLs, which RTMP, HTTP and the exporter read alike (RFC 3986): authority, queries,
// percent-encoding, and the masking of secrets. What a scheme makes of it is rtmp_url.h's and
// http_url.h's business. Pure functions; errors name what is wrong and repeat no secret.
#pragma once

#include <cstdint>
#include <functional>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"

namespace linkpilot {

[[nodiscard]] std::string lower_case(std::string_view text);  // of ASCII

// Names of hosts are the same in any case, with or without the dot of the root (RFC 4343).
[[nodiscard]] bool same_host(std::string_view a, std::string_view b);

// "%2f" as '/'; what is no such sequence stays. In forms a '+' stands for a blank.
enum class PlusSign : std::uint8_t { plus, blank };
[[nodiscard]] std::string percent_decoded(std::string_view text, PlusSign sign = PlusSign::plus);

struct UrlAuthority {
  std::string user;      // percent-decoded
  std::string password;  // percent-decoded
  std::string host;      // lower case, without brackets
  bool bracketed = false;
  std::uint16_t port = 0;  // 0: none was given
};
// "user:password@host:port" or "[::1]:port".
[[nodiscard]] Result<UrlAuthority> parse_authority(std::string_view text);
// Of a URL of any scheme; empty if there is none.
[[nodiscard]] std::string_view authority_of(std::string_view url);

// Calls `see(key, value)` for each "key=value" or bare value (its key is empty) behind the first
// '?', separated by any of `separators`.
void each_parameter(std::string_view text, std::string_view separators,
                    const std::function<void(std::string_view key, std::string_view value)>& see);

// `text` with each of the secrets that it repeats as ***; those of fewer than four octets would
// mask ordinary words and are left.
[[nodiscard]] std::string mask_secrets(std::string_view text, std::vector<std::string> secrets);

}  // namespace linkpilot
