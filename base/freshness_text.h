// Freshness in words: what the API, the metrics and the command line all call it.
#pragma once

#include <string_view>

#include "base/message.h"

namespace linkpilot {

// "none", "fresh", "stale", "expired"; unspecified: empty.
[[nodiscard]] std::string_view to_string(Freshness freshness);

}  // namespace linkpilot
