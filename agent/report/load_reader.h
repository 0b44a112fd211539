// The node's load and the agent's own footprint, from /proc and getrusage: counters are read each
// second and reported as rates over that second.
#pragma once

#include <cstdint>
#include <optional>
#include <string_view>

#include "base/report.h"
#include "base/time.h"

namespace linkpilot::agent {

// Cumulative counters of one moment.
struct LoadCounters {
  std::uint64_t cpu_busy_ticks = 0;
  std::uint64_t cpu_all_ticks = 0;
  std::uint64_t octets_in = 0;
  std::uint64_t octets_out = 0;
  std::uint32_t connections = 0;
  std::uint64_t own_rss_bytes = 0;
  Duration own_cpu{};
};

// Parsers of /proc texts, separate from reading them. A text of another shape changes nothing.
void parse_proc_stat(std::string_view text, LoadCounters& counters);
void parse_proc_net_dev(std::string_view text, LoadCounters& counters);  // without "lo"
void parse_proc_sockstat(std::string_view text, LoadCounters& counters);
void parse_proc_statm(std::string_view text, std::uint64_t page_bytes, LoadCounters& counters);

[[nodiscard]] NodeLoad load_between(const LoadCounters& before, const LoadCounters& after,
                                    Duration elapsed);

class LoadReader {
 public:
  // The load since the last call; the first call gives only what needs no rate.
  [[nodiscard]] NodeLoad read(MonoTime now);

 private:
  std::optional<LoadCounters> last_;
  MonoTime last_read_;
};

}  // namespace linkpilot::agent
