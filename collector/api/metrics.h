// /metrics: the collector's counters and gauges in the Prometheus text format.
#pragma once

#include <string>

#include "collector/api/collector_view.h"

namespace linkpilot::collector {

[[nodiscard]] std::string metrics_page(const CollectorView& view);

}  // namespace linkpilot::collector
