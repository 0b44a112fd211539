// A trace for a terminal and as JSON. Pure.
#pragma once

#include <optional>
#include <string>

#include "prober/path/mtu_search.h"
#include "prober/path/trace_options.h"
#include "prober/path/trace_report.h"
#include "tools/linkpilot/api_client.h"

namespace linkpilot::cli {

struct PathTarget {
  std::string host;  // as asked for
  prober::TraceOptions options;
};

// The largest packet, and of a black hole the last hop that large packets still reach.
struct PathMtu {
  prober::MtuResult found;
  std::optional<prober::PathHop> last_hop;
};

// A row for each address at each distance, all flows together; then the paths, if there are
// several, and what is to be said of loss.
[[nodiscard]] std::string trace_text(const PathTarget& target, const prober::TraceReport& report);
[[nodiscard]] Json trace_json(const PathTarget& target, const prober::TraceReport& report);

[[nodiscard]] std::string mtu_text(const PathTarget& target, const PathMtu& mtu);
[[nodiscard]] Json mtu_json(const PathTarget& target, const PathMtu& mtu);

}  // namespace linkpilot::cli
