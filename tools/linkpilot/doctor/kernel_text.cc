// Texts of the kernel and of exporters, as numbers. Pure.
#include <charconv>
#include <cmath>
#include <cstdlib>
#include <string>

#include "tools/linkpilot/doctor/host_facts.h"

namespace linkpilot::cli {

namespace {

std::string_view next_line(std::string_view& text) {
  const std::size_t end = std::min(text.find('\n'), text.size());
  const std::string_view line = text.substr(0, end);
  text.remove_prefix(std::min(end + 1, text.size()));
  return line;
}

std::vector<std::string_view> words(std::string_view line) {
  constexpr std::size_t kWordsMax = 256;
  std::vector<std::string_view> out;
  while (out.size() < kWordsMax) {
    const std::size_t from = line.find_first_not_of(" \t");
    if (from == std::string_view::npos) break;
    line.remove_prefix(from);
    const std::size_t end = std::min(line.find_first_of(" \t"), line.size());
    out.push_back(line.substr(0, end));
    line.remove_prefix(end);
  }
  return out;
}

}  // namespace

std::optional<std::uint64_t> whole_number(std::string_view text) {
  while (!text.empty() && (text.back() == '\n' || text.back() == ' ')) text.remove_suffix(1);
  std::uint64_t value = 0;
  const auto [stop, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error != std::errc() || stop != text.data() + text.size() || text.empty()) {
    return std::nullopt;
  }
  return value;
}

MetricValues parse_metrics(std::string_view page) {
  MetricValues values;
  while (!page.empty() && values.size() < kMetricValuesMax) {
    const std::string_view line = next_line(page);
    const std::size_t space = line.rfind(' ');
    if (line.empty() || line.front() == '#' || space == std::string_view::npos || space == 0) {
      continue;
    }
    double value = 0;
    const std::string_view number = line.substr(space + 1);
    const auto [stop, error] = std::from_chars(number.data(), number.data() + number.size(), value);
    if (error != std::errc() || stop != number.data() + number.size()) continue;
    values.emplace(std::string(line.substr(0, space)), value);
  }
  return values;
}

// Two lines for each protocol: names, then values (net/ipv4/proc.c).
std::optional<std::uint64_t> snmp_counter(std::string_view text, std::string_view protocol,
                                          std::string_view name) {
  std::vector<std::string_view> names;
  while (!text.empty()) {
    const std::vector<std::string_view> line = words(next_line(text));
    const bool ours = !line.empty() && line.front().ends_with(':') &&
                      line.front().substr(0, line.front().size() - 1) == protocol;
    if (!ours) continue;
    if (names.empty()) {
      names = line;
      continue;
    }
    for (std::size_t i = 1; i < std::min(names.size(), line.size()); ++i) {
      if (names[i] == name) return whole_number(line[i]);
    }
    return std::nullopt;
  }
  return std::nullopt;
}

}  // namespace linkpilot::cli
