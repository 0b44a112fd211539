// What a program measures of itself, declared once: the page that Prometheus reads, the table of
// playbooks/monitoring/METRICS.md and the tests that compare the two are all made of this.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <string_view>

namespace linkpilot {

enum class MetricType : std::uint8_t { counter, gauge };
[[nodiscard]] std::string_view to_string(MetricType type);

struct Metric {
  std::string_view name;  // counters end in _total, units are in the name
  MetricType type = MetricType::gauge;
  std::string_view help;         // what it counts: the page's HELP
  std::string_view meaning;      // what an operator reads from it
  std::string_view labels = {};  // "reason: queue_full, unroutable"; their values are a small set
};

// The rows of a Markdown table, heading included.
[[nodiscard]] std::string metrics_table(std::span<const Metric> metrics);

}  // namespace linkpilot
