#include "base/time.h"

#include <ctime>

#include <array>
#include <cstdio>
#include <cstdlib>

namespace linkpilot {
namespace {

std::int64_t read_clock(clockid_t id) {
  timespec ts{};
  clock_gettime(id, &ts);
  return std::int64_t{ts.tv_sec} * 1'000'000'000 + ts.tv_nsec;
}

}  // namespace

Now SystemClock::now() { return {{read_clock(CLOCK_MONOTONIC)}, {read_clock(CLOCK_REALTIME)}}; }

std::string format_utc(UnixNanos time) {
  std::int64_t seconds = time.ns / 1'000'000'000;
  std::int64_t rest = time.ns % 1'000'000'000;
  if (rest < 0) {
    rest += 1'000'000'000;
    --seconds;
  }
  const std::time_t t = seconds;
  std::tm utc{};
  gmtime_r(&t, &utc);
  std::array<char, 32> date{};
  std::strftime(date.data(), date.size(), "%Y-%m-%dT%H:%M:%S", &utc);
  std::array<char, 48> out{};
  std::snprintf(out.data(), out.size(), "%s.%03dZ", date.data(),
                static_cast<int>(rest / 1'000'000));
  return out.data();
}

std::string format_duration(Duration duration) {
  struct Unit {
    std::int64_t ns;
    const char* name;
  };
  static constexpr std::array<Unit, 4> kUnits{
      {{1'000'000'000, "s"}, {1'000'000, "ms"}, {1'000, "us"}, {1, "ns"}}};
  const std::int64_t ns = duration.count();
  if (ns == 0) return "0s";
  for (const Unit& unit : kUnits) {
    if (std::llabs(ns) < unit.ns) continue;
    std::array<char, 48> out{};
    std::snprintf(out.data(), out.size(), "%.4g%s",
                  static_cast<double>(ns) / static_cast<double>(unit.ns), unit.name);
    return out.data();
  }
  return "0s";
}

}  // namespace linkpilot
