// Big-endian reads and writes at an offset of a span. The caller has checked the size.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>

namespace linkpilot::prober {

template <typename T>
[[nodiscard]] constexpr T load_big(std::span<const std::uint8_t> bytes, std::size_t offset) {
  T value = 0;
  for (std::size_t i = 0; i < sizeof(T); ++i) {
    value = static_cast<T>(static_cast<std::uint64_t>(value) << 8 | bytes[offset + i]);
  }
  return value;
}

template <typename T>
constexpr void store_big(std::span<std::uint8_t> bytes, std::size_t offset, T value) {
  for (std::size_t i = 0; i < sizeof(T); ++i) {
    bytes[offset + i] = static_cast<std::uint8_t>(value >> (8 * (sizeof(T) - 1 - i)));
  }
}

}  // namespace linkpilot::prober
