// A dial's report as a page for Prometheus, in the manner of blackbox_exporter: gauges of one dial,
// labels out of small fixed sets and never a URL, an address or a name. Pure.
#pragma once

#include <string>

#include "base/time.h"
#include "prober/media/dial/dial_report.h"

namespace linkpilot::agent {

[[nodiscard]] std::string dial_page(const prober::DialReport& report, Duration took);

}  // namespace linkpilot::agent
