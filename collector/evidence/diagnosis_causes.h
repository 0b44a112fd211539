// From the localiser's causes, which are indices into one record of evidence, to causes by name
// (collector/faults/causes.h), each with the links that it explains. Pure.
#pragma once

#include <string>
#include <vector>

#include "collector/evidence/evidence_maker.h"
#include "collector/evidence/link_book.h"
#include "collector/faults/causes.h"
#include "optimizer/localise/cause.h"

namespace linkpilot::collector {

// "node fra-2", "link paris - tokyo", "regions north - east"; of any index of the record.
[[nodiscard]] std::string cause_text(const optimizer::CauseId& id,
                                     const optimizer::Evidence& evidence, const FleetIndex& index,
                                     const NodeTable& nodes);

// Is the directed link from one end to the other of what the cause is about?
[[nodiscard]] bool touches(const optimizer::CauseId& id, const optimizer::Evidence& evidence,
                           std::uint16_t from, std::uint16_t to);

// Since when is left open (zero) where neither links nor nodes nor agents tell.
[[nodiscard]] Causes name_causes(const std::vector<optimizer::Cause>& causes,
                                 const optimizer::Evidence& evidence, const FleetIndex& index,
                                 const NodeTable& nodes, const LinkBook& links, Now now);

}  // namespace linkpilot::collector
