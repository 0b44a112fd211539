// The Internet checksum (RFC 1071): the ones' complement sum of 16-bit words. Pure.
#pragma once

#include <cstdint>
#include <span>

namespace linkpilot::prober {

// Folded to 16 bits; an odd last octet is padded with zero. Sums of parts of even size add up.
[[nodiscard]] constexpr std::uint32_t ones_sum(std::span<const std::uint8_t> bytes,
                                               std::uint32_t sum = 0) {
  for (std::size_t i = 0; i < bytes.size(); ++i) {
    sum += i % 2 == 0 ? std::uint32_t{bytes[i]} << 8 : std::uint32_t{bytes[i]};
    sum = (sum & 0xffff) + (sum >> 16);
  }
  return sum;
}

[[nodiscard]] constexpr std::uint16_t internet_checksum(std::span<const std::uint8_t> bytes,
                                                        std::uint32_t sum = 0) {
  return static_cast<std::uint16_t>(~ones_sum(bytes, sum) & 0xffff);
}

}  // namespace linkpilot::prober
