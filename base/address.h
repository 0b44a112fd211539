// IP addresses and endpoints as values, IPv4 and IPv6 alike. No host names: resolving is DNS's
// work.
#pragma once

#include <array>
#include <bit>
#include <compare>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <string>
#include <string_view>

#include "base/result.h"

namespace linkpilot {

// Sixteen octets; IPv4 is held in its IPv6-mapped form (RFC 4291 s2.5.5.2), so equality and hashing
// need no cases.
struct IpAddress {
  std::array<std::uint8_t, 16> octets{};

  [[nodiscard]] static IpAddress v4(std::uint8_t a, std::uint8_t b, std::uint8_t c, std::uint8_t d);
  [[nodiscard]] static Result<IpAddress> parse(std::string_view text);
  [[nodiscard]] bool is_v4() const;
  [[nodiscard]] bool is_unspecified() const;
  [[nodiscard]] bool is_loopback() const;
  [[nodiscard]] std::string to_string() const;

  friend bool operator==(const IpAddress&, const IpAddress&) = default;
  friend auto operator<=>(const IpAddress&, const IpAddress&) = default;
};

struct Endpoint {
  IpAddress address;
  std::uint16_t port = 0;

  // "192.0.2.1:862" or "[2001:db8::1]:862".
  [[nodiscard]] static Result<Endpoint> parse(std::string_view text);
  [[nodiscard]] std::string to_string() const;

  friend bool operator==(const Endpoint&, const Endpoint&) = default;
  friend auto operator<=>(const Endpoint&, const Endpoint&) = default;
};

}  // namespace linkpilot

template <>
struct std::hash<linkpilot::IpAddress> {
  std::size_t operator()(const linkpilot::IpAddress& address) const noexcept {
    const auto halves = std::bit_cast<std::array<std::uint64_t, 2>>(address.octets);
    std::uint64_t h = (halves[0] ^ std::rotl(halves[1], 29)) * 0x9e3779b97f4a7c15ULL;
    h = (h ^ h >> 32) * 0x9e3779b97f4a7c15ULL;
    return static_cast<std::size_t>(h ^ h >> 29);
  }
};
template <>
struct std::hash<linkpilot::Endpoint> {
  std::size_t operator()(const linkpilot::Endpoint& endpoint) const noexcept {
    return std::hash<linkpilot::IpAddress>{}(endpoint.address) * 31 + endpoint.port;
  }
};
