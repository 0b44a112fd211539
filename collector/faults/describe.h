// The evidence of a fault in figures and sentences. Pure.
#pragma once

#include <string>
#include <unordered_map>
#include <vector>

#include "collector/faults/causes.h"
#include "collector/faults/fault.h"
#include "collector/ingest/link_history.h"
#include "optimizer/weight/link_belief.h"

namespace linkpilot::collector {

using LinkWatches = std::unordered_map<LinkId, LinkWatch>;

// Fills in who it is about, what is seen, and from where; figures of before stay when there are no
// newer ones.
void describe_fault(Fault& fault, const Cause& cause, const NodeTable& nodes,
                    const std::vector<optimizer::LinkBelief>& beliefs, const LinkWatches& watches,
                    const LinkHistories& histories);

// What is well again, with the figures of now; also writes them into the fault's links.
[[nodiscard]] std::string describe_recovery(Fault& fault, const std::vector<LookedLink>& links,
                                            const std::vector<optimizer::LinkBelief>& beliefs);

}  // namespace linkpilot::collector
