// The evidence of a fault in figures and sentences. Pure.
#pragma once

#include <string>

#include "collector/faults/causes.h"
#include "collector/faults/fault.h"
#include "collector/faults/standing.h"

namespace linkpilot::collector {

// Fills in who it is about, what is seen, from where, and how sure it is; figures of before stay
// when there are no newer ones.
void describe_fault(Fault& fault, const Cause& cause, const FleetFacts& facts, Now now);

// What is well again, with the figures of now; also writes them into the fault's links.
[[nodiscard]] std::string describe_recovery(Fault& fault, const FleetFacts& facts, Now now);

// "node fra-2 is down", "Telecom between north and east loses 4 %", without a time.
[[nodiscard]] std::string sentence_of(const Cause& cause, const NodeTable& nodes);

}  // namespace linkpilot::collector
