#include "base/runtime/log.h"

#include <unistd.h>

#include <algorithm>
#include <array>
#include <atomic>
#include <cstdio>
#include <mutex>

#include "base/runtime/log_line.h"

namespace linkpilot {
namespace {

std::string_view name_of(LogLevel level) {
  switch (level) {
    case LogLevel::debug:
      return "debug";
    case LogLevel::info:
      return "info";
    case LogLevel::warn:
      return "warn";
    case LogLevel::error:
      return "error";
  }
  return "unknown";
}

bool is_plain(std::string_view value) {
  return !value.empty() && std::ranges::all_of(value, [](char c) {
    return c > ' ' && c < '\x7f' && c != '"' && c != '\\' && c != '=';
  });
}

void append_quoted(std::string& line, std::string_view value) {
  line += '"';
  for (const char c : value) {
    if (c == '"' || c == '\\') {
      line += '\\';
      line += c;
    } else if (c == '\n') {
      line += "\\n";
    } else if (static_cast<unsigned char>(c) < 0x20 || c == '\x7f') {
      std::array<char, 8> escaped{};
      std::snprintf(escaped.data(), escaped.size(), "\\x%02x", static_cast<unsigned char>(c));
      line += escaped.data();
    } else {
      line += c;
    }
  }
  line += '"';
}

// The process's one log: stderr is one, too.
struct Log {
  std::atomic<LogLevel> level{LogLevel::info};
  std::mutex mutex;
  LogLimiter limiter;
};

Log& the_log() {
  static Log* const log = new Log;  // never destroyed: threads may log until the very end
  return *log;
}

}  // namespace

std::string format_log_line(UnixNanos time, LogLevel level, std::string_view event,
                            std::span<const LogField> fields, std::uint64_t suppressed) {
  std::string line = format_utc(time);
  line += ' ';
  line += name_of(level);
  line += ' ';
  line += event;
  for (const auto& [key, value] : fields) {
    line += ' ';
    line += key;
    line += '=';
    if (is_plain(value)) {
      line += value;
    } else {
      append_quoted(line, value);
    }
  }
  if (suppressed > 0) line += " suppressed=" + std::to_string(suppressed);
  line += '\n';
  return line;
}

std::optional<std::uint64_t> LogLimiter::admit(std::string_view event, MonoTime now) {
  std::string key(event);
  if (windows_.size() >= kEventsMax && !windows_.contains(key)) key = "other";
  Window& window = windows_[key];
  if (window.printed == 0 || now - window.start >= kWindow) {
    window.start = now;
    window.printed = 0;
  }
  if (window.printed >= kLinesMax) {
    ++window.suppressed;
    return std::nullopt;
  }
  ++window.printed;
  return std::exchange(window.suppressed, 0);
}

void set_log_level(LogLevel level) { the_log().level.store(level, std::memory_order_relaxed); }

void log_event(LogLevel level, std::string_view event, std::initializer_list<LogField> fields) {
  Log& log = the_log();
  if (level < log.level.load(std::memory_order_relaxed)) return;
  const Now now = SystemClock().now();
  const std::lock_guard lock(log.mutex);
  const std::optional<std::uint64_t> suppressed = log.limiter.admit(event, now.mono);
  if (!suppressed) return;
  const std::string line =
      format_log_line(now.wall, level, event, {fields.begin(), fields.size()}, *suppressed);
  // One write per line keeps lines of several processes apart; a full pipe loses the line, not us.
  [[maybe_unused]] const ssize_t written = ::write(STDERR_FILENO, line.data(), line.size());
}

}  // namespace linkpilot
