// A DialReport as one JSON object: times in milliseconds since the dial's start, absent where
// something did not happen; names are those of to_string. Keys are only ever added.
#pragma once

#include <string>

#include "prober/media/dial/dial_report.h"

namespace linkpilot::prober {

[[nodiscard]] std::string dial_report_json(const DialReport& report);

}  // namespace linkpilot::prober
