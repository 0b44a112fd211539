// One port of the agent as the kernel has it: whether it is bound, which interface has its address,
// and whether packets of that address get kernel timestamps.
#pragma once

#include "base/fleet.h"
#include "tools/linkpilot/doctor/host_facts.h"

namespace linkpilot::cli {

[[nodiscard]] PortFacts look_at_port(const Port& port);

}  // namespace linkpilot::cli
