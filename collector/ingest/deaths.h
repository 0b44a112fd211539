// Links that flap stay damped over a restart of the collector: what they died of is told in the
// event log, and from there the estimates get their penalties back, decayed by the time that has
// passed.
#pragma once

#include <vector>

#include "base/time.h"
#include "collector/ingest/agent_record.h"
#include "collector/store/store.h"
#include "optimizer/estimate/fleet_estimates.h"

namespace linkpilot::collector {

// `events` oldest first. Links whose nodes are not known any more are left out, and so is what
// happened so long ago that no penalty is left of it. Afterwards no link is dead by this: agents
// say anew what is true now.
void replay_deaths(const std::vector<Event>& events, const Agents& agents,
                   optimizer::FleetEstimates& estimates, Now now);

}  // namespace linkpilot::collector
