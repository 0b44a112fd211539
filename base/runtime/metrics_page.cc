#include "base/runtime/metrics_page.h"

#include <fmt/format.h>

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

void MetricsPage::counter(std::string_view name, std::string_view help) {
  family(name, help, "counter");
}

void MetricsPage::gauge(std::string_view name, std::string_view help) {
  family(name, help, "gauge");
}

void MetricsPage::family(std::string_view name, std::string_view help, std::string_view type) {
  family_ = name;
  text_ += fmt::format("# HELP {} {}\n# TYPE {} {}\n", name, escaped(help, false), name, type);
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
