// A page in the Prometheus text format (exposition format 0.0.4), built anew for every scrape from
// counters that live elsewhere. HELP and TYPE come once per family; label values are escaped.
#pragma once

#include <initializer_list>
#include <string>
#include <string_view>
#include <utility>

namespace linkpilot {

class MetricsPage {
 public:
  using Label = std::pair<std::string_view, std::string>;
  using Labels = std::initializer_list<Label>;

  // Call once per family, before its samples; names end in _total for counters.
  void counter(std::string_view name, std::string_view help);
  void gauge(std::string_view name, std::string_view help);
  void sample(double value, Labels labels = {});
  [[nodiscard]] std::string take();

 private:
  void family(std::string_view name, std::string_view help, std::string_view type);
  std::string family_;
  std::string text_;
};

}  // namespace linkpilot
