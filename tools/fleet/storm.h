// `linkpilot-fleet storm`: agents that are connected, lose their collector and come back all at
// once with full spools, raising alarms before and after. Who runs it kills the collector and
// starts it anew when told so on stdout. What is lost or late is found from the store and the
// collector's events; the alarms raised are listed for that.
#pragma once

#include <string>

#include "tools/fleet/fleet_run.h"

namespace linkpilot::fleet {

struct StormOptions {
  std::uint64_t history = 16;               // reports of each agent before the outage
  std::uint64_t backlog = 100;              // reports in each spool when the collector is back
  Duration calm = std::chrono::seconds(5);  // alarms without a drain
  Duration drain_max = std::chrono::seconds(90);  // given up then
  double alarms_per_second = 20;                  // of the whole fleet
  std::string store;                              // as LoadOptions::store
  std::size_t reread = 1'000;
};

// A line {"phase": "calm"} on stdout when the collector may be killed; at the end one JSON object.
// The exit code.
int run_storm(const FleetOptions& fleet, const StormOptions& options);

}  // namespace linkpilot::fleet
