// A fault as the text that the store keeps: JSON with the struct's names. Unknown keys are skipped
// and missing ones keep their defaults, so that older and newer programs read each other's.
#pragma once

#include <string>
#include <string_view>

#include "base/result.h"
#include "collector/faults/fault.h"

namespace linkpilot::collector {

inline constexpr std::size_t kFaultTextMax = std::size_t{64} << 10;

[[nodiscard]] std::string encode_fault(const Fault& fault);
[[nodiscard]] Result<Fault> decode_fault(std::string_view text);

}  // namespace linkpilot::collector
