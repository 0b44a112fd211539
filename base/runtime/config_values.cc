#include "base/runtime/config_values.h"

#include <algorithm>
#include <array>
#include <charconv>
#include <cmath>
#include <limits>
#include <vector>

namespace linkpilot {
namespace {

struct Unit {
  std::string_view name;
  std::int64_t factor;
};

constexpr std::array<Unit, 7> kDurationUnits{{{"ns", 1},
                                              {"us", 1'000},
                                              {"ms", 1'000'000},
                                              {"s", 1'000'000'000},
                                              {"min", 60'000'000'000},
                                              {"h", 3'600'000'000'000},
                                              {"d", 86'400'000'000'000}}};
constexpr std::array<Unit, 7> kByteUnits{{{"B", 1},
                                          {"kB", 1'000},
                                          {"MB", 1'000'000},
                                          {"GB", 1'000'000'000},
                                          {"KiB", 1 << 10},
                                          {"MiB", 1 << 20},
                                          {"GiB", 1 << 30}}};
constexpr std::array<Unit, 4> kBitRateUnits{
    {{"bit/s", 1}, {"kbit/s", 1'000}, {"Mbit/s", 1'000'000}, {"Gbit/s", 1'000'000'000}}};
constexpr std::array<Unit, 2> kRateUnits{{{"pps", 1}, {"/s", 1}}};

std::string quoted(std::string_view text) { return "'" + std::string(text.substr(0, 80)) + "'"; }

struct NumberAndUnit {
  std::string_view number;
  std::int64_t factor = 0;
};

Result<NumberAndUnit> split(std::string_view text, std::span<const Unit> units,
                            std::string_view example) {
  const std::size_t end = std::min(text.find_first_not_of("0123456789.+-"), text.size());
  const std::string_view name = text.substr(text.find_first_not_of(' ', end) == std::string::npos
                                                ? text.size()
                                                : text.find_first_not_of(' ', end));
  for (const Unit& unit : units) {
    if (unit.name == name && end > 0) return NumberAndUnit{text.substr(0, end), unit.factor};
  }
  std::string names;
  for (const Unit& unit : units) names += (names.empty() ? "" : ", ") + std::string(unit.name);
  return fail(ErrorCode::invalid_argument, quoted(text) + " needs a number and a unit (" + names +
                                               "), e.g. \"" + std::string(example) + "\"");
}

// Whole numbers exactly; fractions as far as a double carries them.
Result<std::int64_t> scaled(std::string_view text, std::span<const Unit> units,
                            std::string_view example) {
  const Result<NumberAndUnit> parts = split(text, units, example);
  if (!parts) return fail(parts.error());
  const char* const begin = parts->number.data();
  const char* const end = begin + parts->number.size();
  std::int64_t whole = 0;
  std::int64_t value = 0;
  if (const auto [rest, error] = std::from_chars(begin, end, whole);
      error == std::errc{} && rest == end) {
    if (!__builtin_mul_overflow(whole, parts->factor, &value)) return value;
    return fail(ErrorCode::invalid_argument, quoted(text) + " is too large");
  }
  double number = 0;
  if (const auto [rest, error] = std::from_chars(begin, end, number, std::chars_format::fixed);
      error != std::errc{} || rest != end) {
    return fail(ErrorCode::invalid_argument, quoted(text) + " does not start with a number");
  }
  number *= static_cast<double>(parts->factor);
  if (!(std::abs(number) < 9.2e18)) {
    return fail(ErrorCode::invalid_argument, quoted(text) + " is too large");
  }
  return std::llround(number);
}

Result<std::uint64_t> scaled_unsigned(std::string_view text, std::span<const Unit> units,
                                      std::string_view example) {
  const Result<std::int64_t> value = scaled(text, units, example);
  if (!value) return fail(value.error());
  if (*value < 0) return fail(ErrorCode::invalid_argument, quoted(text) + " is negative");
  return static_cast<std::uint64_t>(*value);
}

// Levenshtein's distance, two rows.
std::size_t edit_distance(std::string_view a, std::string_view b) {
  std::vector<std::size_t> row(b.size() + 1);
  for (std::size_t j = 0; j <= b.size(); ++j) row[j] = j;
  for (std::size_t i = 1; i <= a.size(); ++i) {
    std::size_t diagonal = row[0];
    row[0] = i;
    for (std::size_t j = 1; j <= b.size(); ++j) {
      const std::size_t replaced = diagonal + (a[i - 1] == b[j - 1] ? 0 : 1);
      diagonal = row[j];
      row[j] = std::min({replaced, row[j] + 1, row[j - 1] + 1});
    }
  }
  return row[b.size()];
}

}  // namespace

Result<Duration> parse_duration(std::string_view text) {
  const Result<std::int64_t> ns = scaled(text, kDurationUnits, "250ms");
  if (!ns) return fail(ns.error());
  return Duration(*ns);
}

Result<double> parse_rate_per_second(std::string_view text) {
  const Result<NumberAndUnit> parts = split(text, kRateUnits, "20pps");
  if (!parts) return fail(parts.error());
  double rate = 0;
  const char* const end = parts->number.data() + parts->number.size();
  const auto [rest, error] =
      std::from_chars(parts->number.data(), end, rate, std::chars_format::fixed);
  if (error != std::errc{} || rest != end || !std::isfinite(rate)) {
    return fail(ErrorCode::invalid_argument, quoted(text) + " does not start with a number");
  }
  return rate;
}

Result<Bytes> parse_bytes(std::string_view text) {
  const Result<std::uint64_t> value = scaled_unsigned(text, kByteUnits, "64KiB");
  if (!value) return fail(value.error());
  return Bytes{*value};
}

Result<BitsPerSecond> parse_bits_per_second(std::string_view text) {
  const Result<std::uint64_t> value = scaled_unsigned(text, kBitRateUnits, "10Mbit/s");
  if (!value) return fail(value.error());
  return BitsPerSecond{*value};
}

std::optional<std::string> nearest_word(std::string_view word, std::span<const std::string> known) {
  constexpr std::size_t kWordLengthMax = 64;
  if (word.size() > kWordLengthMax) return std::nullopt;
  const std::string* nearest = nullptr;
  std::size_t best = std::max<std::size_t>(2, word.size() / 3) + 1;
  for (const std::string& candidate : known) {
    if (candidate.size() > kWordLengthMax) continue;
    const std::size_t distance = edit_distance(word, candidate);
    if (distance < best) {
      best = distance;
      nearest = &candidate;
    }
  }
  if (nearest == nullptr) return std::nullopt;
  return *nearest;
}

}  // namespace linkpilot
