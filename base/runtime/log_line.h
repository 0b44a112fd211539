// The parts of log.h that need neither a clock nor stderr: how a line looks, and which lines are
// held back. Not thread-safe; log.cc holds the lock.
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <unordered_map>

#include "base/runtime/log.h"
#include "base/time.h"

namespace linkpilot {

// "2026-11-21T09:30:00.123Z warn table_refused reason="bad signature" suppressed=3\n". Values with
// anything but plain visible ASCII are quoted and escaped, so that one event is always one line.
[[nodiscard]] std::string format_log_line(UnixNanos time, LogLevel level, std::string_view event,
                                          std::span<const LogField> fields,
                                          std::uint64_t suppressed);

// At most kLinesMax lines of one event in kWindow; what is held back is counted.
class LogLimiter {
 public:
  inline static constexpr std::uint32_t kLinesMax = 10;
  inline static constexpr Duration kWindow = std::chrono::seconds(10);
  // Event names are literals of the code; should one ever be made from input, memory stays bounded.
  inline static constexpr std::size_t kEventsMax = 1024;

  // How many lines of `event` were held back before this one, or nothing: hold this one back too.
  [[nodiscard]] std::optional<std::uint64_t> admit(std::string_view event, MonoTime now);

 private:
  struct Window {
    MonoTime start;
    std::uint32_t printed = 0;
    std::uint64_t suppressed = 0;
  };
  std::unordered_map<std::string, Window> windows_;
};

}  // namespace linkpilot
