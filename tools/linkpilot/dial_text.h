// A dial's report for a terminal: the waterfall of its phases, curves of a character a second, the
// verdict. Pure; UTF-8, no colours.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "prober/media/dial/dial.h"
#include "prober/media/dial/dial_report.h"

namespace linkpilot::cli {

inline double to_ms(Duration duration) {
  return std::chrono::duration<double, std::milli>(duration).count();
}

// "▁▃█": values as eighths of the largest; a longer series is cut into `columns` and each shows its
// least (for a buffer) or mean.
enum class Squeeze : std::uint8_t { least, mean };
[[nodiscard]] std::string sparkline(const std::vector<double>& values, std::size_t columns,
                                    Squeeze squeeze);

[[nodiscard]] std::string waterfall_text(const prober::DialReport& report);
[[nodiscard]] std::string report_text(const prober::DialReport& report);
// One line: "fine  first frame 85.2ms  192.0.2.1:1935".
[[nodiscard]] std::string summary_line(const prober::DialReport& report);
// What the server that was reached said of itself: version, status and header fields.
[[nodiscard]] std::string server_text(const prober::DialReport& report);
[[nodiscard]] std::string progress_line(const prober::DialProgress& progress, Duration since_start,
                                        double kbit_per_s);
// Of several dials of one URL: how many were fine, and the spread of each phase.
[[nodiscard]] std::string several_text(const std::vector<prober::DialReport>& reports);

}  // namespace linkpilot::cli
