// The metrics of the collector, declared: metrics.cc fills them, METRICS.md lists them.
#pragma once

#include <span>

#include "base/runtime/metric.h"

namespace linkpilot::collector {

[[nodiscard]] std::span<const Metric> collector_metrics();

}  // namespace linkpilot::collector
