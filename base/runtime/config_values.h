// Values with their unit, as configuration files write them. Pure functions; config_reader.cc
// places their mistakes in the file. Internal to base/runtime, apart for its tests.
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>

#include "base/result.h"
#include "base/time.h"
#include "base/units.h"

namespace linkpilot {

[[nodiscard]] Result<Duration> parse_duration(std::string_view text);       // "250ms", "1.5s"
[[nodiscard]] Result<double> parse_rate_per_second(std::string_view text);  // "20pps", "5/s"
[[nodiscard]] Result<Bytes> parse_bytes(std::string_view text);             // "64KiB", "10MB"
[[nodiscard]] Result<BitsPerSecond> parse_bits_per_second(std::string_view text);  // "10Mbit/s"

// The known word nearest to `word` by edit distance, if it is near enough to be what was meant.
[[nodiscard]] std::optional<std::string> nearest_word(std::string_view word,
                                                      std::span<const std::string> known);

}  // namespace linkpilot
