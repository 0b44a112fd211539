// The metrics of the agent, declared: of itself (metrics.prom), of its exporter (/metrics there)
// and of a dial (/probe). METRICS.md lists them.
#pragma once

#include <span>

#include "base/runtime/metric.h"

namespace linkpilot::agent {

[[nodiscard]] std::span<const Metric> agent_metrics();
[[nodiscard]] std::span<const Metric> exporter_metrics();
[[nodiscard]] std::span<const Metric> dial_metrics();  // a page has those that apply

}  // namespace linkpilot::agent
