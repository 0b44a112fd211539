#include "base/runtime/metrics_page.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <utility>

#include "base/assert.h"

namespace linkpilot {
namespace {

// HELP escapes backslash and newline; a label value the double quote as well.
std::string escaped(std::string_view text, bool quotes) {
  std::string out;
  for (const char c : text) {
    if (c == '\\') {
      out += "\\\\";
    } else if (c == '\n') {
      out += "\\n";
    } else if (c == '"' && quotes) {
      out += "\\\"";
    } else {
      out += c;
    }
  }
  return out;
}

std::string number(double value) {
  if (std::isnan(value)) return "NaN";
  if (std::isinf(value)) return value > 0 ? "+Inf" : "-Inf";
  return fmt::format("{}", value);
}

}  // namespace

std::string_view to_string(MetricType type) {
  switch (type) {
    case MetricType::counter:
      return "counter";
    case MetricType::gauge:
      return "gauge";
  }
  return "untyped";
}

std::string metrics_table(std::span<const Metric> metrics) {
  std::string out = "| metric | type | counts | reads |\n|---|---|---|---|\n";
  for (const Metric& metric : metrics) {
    out += fmt::format(
        "| `{}` | {} | {}{} | {} |\n", metric.name, to_string(metric.type), metric.help,
        metric.labels.empty() ? "" : fmt::format(" By {}.", metric.labels), metric.meaning);
  }
  return out;
}

void MetricsPage::family(std::string_view name) {
  const auto metric = std::ranges::find(metrics_, name, &Metric::name);
  LP_ASSERT(metric != metrics_.end());
  family_ = name;
  text_ += fmt::format("# HELP {} {}\n# TYPE {} {}\n", name, escaped(metric->help, false), name,
                       to_string(metric->type));
}

void MetricsPage::sample(double value, Labels labels) {
  LP_ASSERT(!family_.empty());
  text_ += family_;
  char separator = '{';
  for (const auto& [name, label] : labels) {
    text_ += fmt::format("{}{}=\"{}\"", separator, name, escaped(label, true));
    separator = ',';
  }
  if (labels.size() > 0) text_ += '}';
  text_ += fmt::format(" {}\n", number(value));
}

std::string MetricsPage::take() {
  family_.clear();
  return std::exchange(text_, {});
}

}  // namespace linkpilot
