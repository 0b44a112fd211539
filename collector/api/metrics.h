// /metrics: the collector's counters and gauges in the Prometheus text format.
#pragma once

#include <cstdint>
#include <string>

#include "collector/api/collector_view.h"

namespace linkpilot::collector {

// Answers of the API so far, by class of status.
struct HttpFigures {
  std::uint64_t succeeded = 0;
  std::uint64_t refused = 0;
  std::uint64_t failed = 0;
};

[[nodiscard]] std::string metrics_page(const CollectorView& view, const HttpFigures& http);

}  // namespace linkpilot::collector
