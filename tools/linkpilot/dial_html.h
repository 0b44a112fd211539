// A dial's report, or several, as one self-contained HTML page: phase waterfall, buffer curves,
// bitrate a second, verdict. Inline SVG and CSS, no script, nothing loaded. Pure.
#pragma once

#include <string>
#include <vector>

#include "prober/media/dial/dial_report.h"

namespace linkpilot::cli {

[[nodiscard]] std::string dial_html(const std::vector<prober::DialReport>& reports);

}  // namespace linkpilot::cli
