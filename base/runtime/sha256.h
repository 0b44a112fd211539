// SHA-256 (FIPS 180-4) of what is too large to hold at once, as the text that sha256sum(1) prints.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <vector>

namespace linkpilot {

class Sha256 {
 public:
  inline static constexpr std::size_t kHexDigits = 64;

  Sha256();
  void add(std::span<const std::uint8_t> octets);
  // 64 lower-case hex digits. Call once, last.
  [[nodiscard]] std::string hex();

 private:
  std::vector<std::uint8_t> state_;  // libsodium's own
};

}  // namespace linkpilot
