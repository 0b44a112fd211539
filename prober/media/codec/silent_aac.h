// Silence in AAC-LC (ISO/IEC 14496-3 s4.4.2): frames of 1024 samples with no spectrum, and fill
// elements for bandwidth.
#pragma once

#include <cstdint>
#include <vector>

namespace linkpilot::prober {

inline constexpr std::uint32_t kAacFrameSamples = 1024;

struct SilentAac {
  std::uint32_t sample_rate = 44'100;  // one of the standard's thirteen
  std::uint8_t channels = 2;           // 1 or 2

  // AudioSpecificConfig; empty for a rate or a count of channels that is not offered.
  [[nodiscard]] std::vector<std::uint8_t> config() const;
  // One frame of about `octets`, at least what silence takes.
  [[nodiscard]] std::vector<std::uint8_t> frame(std::uint32_t octets) const;
};

}  // namespace linkpilot::prober
