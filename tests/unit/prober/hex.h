// Octets written as text, for vectors from documents.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace linkpilot::prober {

// Blanks are skipped.
inline std::vector<std::uint8_t> from_hex(std::string_view text) {
  std::vector<std::uint8_t> bytes;
  std::string digits;
  for (const char c : text) {
    if (c == ' ' || c == '\n') continue;
    digits.push_back(c);
    if (digits.size() < 2) continue;
    bytes.push_back(static_cast<std::uint8_t>(std::stoul(digits, nullptr, 16)));
    digits.clear();
  }
  return bytes;
}

}  // namespace linkpilot::prober
