// Events, not prose: one line = time, level, event name, key=value words, on stderr (the service
// manager keeps it). Nothing per packet. The same event more than 10 times in 10 s is counted
// instead of printed; the count follows with the next line. Thread-safe.
#pragma once

#include <initializer_list>
#include <string>
#include <string_view>
#include <utility>

namespace linkpilot {

enum class LogLevel { debug, info, warn, error };

void set_log_level(LogLevel level);

using LogField = std::pair<std::string_view, std::string>;
// log_event(LogLevel::warn, "table_refused", {{"reason", error.message}});
void log_event(LogLevel level, std::string_view event, std::initializer_list<LogField> fields = {});

}  // namespace linkpilot
