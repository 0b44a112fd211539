// A page in the Prometheus text format (exposition format 0.0.4), built anew for every scrape from
// counters that live elsewhere, of families that a table declares (metric.h). HELP and TYPE come
// once per family; label values are escaped.
#pragma once

#include <initializer_list>
#include <span>
#include <string>
#include <string_view>
#include <utility>

#include "base/runtime/metric.h"

namespace linkpilot {

class MetricsPage {
 public:
  using Label = std::pair<std::string_view, std::string>;
  using Labels = std::initializer_list<Label>;

  // `metrics` outlives the page.
  explicit MetricsPage(std::span<const Metric> metrics) : metrics_(metrics) {}

  // Call once per family, before its samples. A name that is not declared is a mistake of ours.
  void family(std::string_view name);
  void sample(double value, Labels labels = {});
  // A family of one sample.
  void one(std::string_view name, double value, Labels labels = {}) {
    family(name);
    sample(value, labels);
  }
  [[nodiscard]] std::string take();

 private:
  std::span<const Metric> metrics_;
  std::string family_;
  std::string text_;
};

}  // namespace linkpilot
