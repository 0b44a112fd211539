// Reading a TOML file so that every mistake is named: file, line, key, what was expected. Unknown
// keys are errors with the nearest known key. Values carry their unit: "250ms", "20pps", "64KiB",
// "10Mbit/s".
//
//   ConfigReader reader = ...;
//   options.interval = reader.duration("interval", default, {min, max});
//   ...
//   Status status = reader.finish();   // first mistake, or unknown keys
//
// Errors are collected, not thrown: after the first one every read returns its default.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/address.h"
#include "base/result.h"
#include "base/time.h"
#include "base/units.h"

namespace linkpilot {

template <typename T>
struct Range {
  T min;
  T max;
};

class ConfigReader {
 public:
  inline static constexpr std::size_t kFileBytesMax = std::size_t{4} << 20;

  [[nodiscard]] static Result<ConfigReader> from_file(const std::string& path);
  [[nodiscard]] static Result<ConfigReader> from_text(std::string_view text, std::string name);
  ConfigReader(ConfigReader&&) noexcept;
  ConfigReader& operator=(ConfigReader&&) noexcept;
  ~ConfigReader();

  [[nodiscard]] bool has(std::string_view key) const;
  std::string text(std::string_view key, std::string fallback);
  std::string required_text(std::string_view key);
  std::int64_t integer(std::string_view key, std::int64_t fallback, Range<std::int64_t> range);
  double number(std::string_view key, double fallback, Range<double> range);
  bool flag(std::string_view key, bool fallback);
  Duration duration(std::string_view key, Duration fallback, Range<Duration> range);
  double rate_per_second(std::string_view key, double fallback,
                         Range<double> range);  // "20pps", "5/s"
  Bytes bytes(std::string_view key, Bytes fallback, Range<Bytes> range);
  BitsPerSecond bits_per_second(std::string_view key, BitsPerSecond fallback);
  IpAddress address(std::string_view key, IpAddress fallback);
  std::vector<std::string> texts(std::string_view key, std::size_t count_max);
  std::vector<double> numbers(std::string_view key, std::size_t count_max);

  // Readers of a sub-table, or of each table of an array of tables; mistakes are reported through
  // the parent. The parent must outlive them. Missing: an empty reader / no readers.
  ConfigReader table(std::string_view key);
  std::vector<ConfigReader> tables(std::string_view key, std::size_t count_max);
  // Keys of this table that were not read yet, e.g. names chosen by the operator.
  [[nodiscard]] std::vector<std::string> unread_keys() const;

  // A mistake of meaning, e.g. "interval must be below timeout", placed at the key's line.
  void reject(std::string_view key, std::string reason);

  // Success only if nothing was wrong and every key was read.
  [[nodiscard]] Status finish();

 private:
  struct State;
  explicit ConfigReader(std::unique_ptr<State> state);
  std::unique_ptr<State> state_;
};

}  // namespace linkpilot
