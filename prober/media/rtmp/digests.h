// The three digests RTMP asks for, as pure functions. This file alone speaks to OpenSSL.
#pragma once

#include <array>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>

namespace linkpilot::rtmp {

using Md5 = std::array<std::uint8_t, 16>;
using Sha256 = std::array<std::uint8_t, 32>;

[[nodiscard]] Md5 md5(std::string_view text);
[[nodiscard]] Sha256 hmac_sha256(std::span<const std::uint8_t> key,
                                 std::span<const std::uint8_t> message);
[[nodiscard]] std::string to_hex(std::span<const std::uint8_t> bytes);     // lower case
[[nodiscard]] std::string to_base64(std::span<const std::uint8_t> bytes);  // RFC 4648 4, padded

}  // namespace linkpilot::rtmp
