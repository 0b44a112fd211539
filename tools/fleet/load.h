// `linkpilot-fleet load`: reports at a set rate, their acknowledgements timed from the moment they
// were due (so that a collector which stalls is not spared, nor is a report that had to wait for
// the window), the collector's CPU time, and what its store holds afterwards.
#pragma once

#include <string>

#include "tools/fleet/fleet_run.h"

namespace linkpilot::fleet {

struct LoadOptions {
  double samples_per_second = 1e6;  // 0: as fast as windows allow
  Duration warm_up = std::chrono::seconds(3);
  Duration length = std::chrono::seconds(15);
  std::size_t window = 16;  // reports an agent may have unacknowledged
  int collector_pid = 0;    // 0: its CPU time is not measured
  std::string store;        // the collector's [store] path; empty: not read
  std::size_t reread = 1'000;
};

// One JSON object on stdout; progress on stderr. The exit code.
int run_load(FleetRun& fleet, const LoadOptions& options);

}  // namespace linkpilot::fleet
