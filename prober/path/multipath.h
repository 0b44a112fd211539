// When enough flows have been traced to know all paths: the stopping rule of the multipath
// detection algorithm. Pure.
//
// Behind a router that was seen to spread flows over k next hops, a further one of equal share
// would have shown itself among n flows, save with probability 1 - confidence. n is the least with
//   P(some of k+1 equally likely values is missing in n draws) <= 1 - confidence,
// so 6, 11, 16, 21, 27, 33 ... flows for k = 1, 2, 3, ... at 95 %. Each router of the path is
// judged for itself, by the flows that went through it. Source: B. Augustin, T. Friedman, R.
// Teixeira, "Multipath tracing with Paris traceroute", E2EMON 2007; D. Veitch et al., "Failure
// control in multipath route tracing", INFOCOM 2009.
#pragma once

#include <cstddef>
#include <span>

#include "prober/path/trace_report.h"

namespace linkpilot::prober {

// Flows needed to rule out more than `next_hops` (>= 1) of them. Confidence in (0, 1).
[[nodiscard]] std::size_t stopping_point(std::size_t next_hops, double confidence);

// How many more flows would satisfy the rule at every router, by what is known; zero: it holds.
[[nodiscard]] std::size_t missing_flows(std::span<const FlowPath> flows, double confidence);

// The most addresses at one distance.
[[nodiscard]] std::size_t path_width(std::span<const FlowPath> flows);

}  // namespace linkpilot::prober
