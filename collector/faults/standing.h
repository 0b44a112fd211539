// How what a fault is about stands now: whether it is well again, bad still, or nothing is known of
// it. Pure. Missing data is never good news.
#pragma once

#include <cstdint>

#include "collector/evidence/link_book.h"
#include "collector/faults/causes.h"
#include "collector/ingest/link_history.h"

namespace linkpilot::collector {

// All that the judge of faults goes by, at one moment.
struct FleetFacts {
  const NodeTable& nodes;
  const LinkBook& links;
  const LinkHistories& histories;
  const Causes& causes;
};

enum class FaultStanding : std::uint8_t { good, bad, unknown, left };

// Of what is more than a link: bad if at least so much of what is measured of it is.
inline constexpr double kBadShare = 0.25;

[[nodiscard]] FaultStanding standing_of(const Fault& fault, const FleetFacts& facts, Now now);

// The causes of this moment, where those that are part of an open fault which is still bad are
// counted to it: a node of which half is well again is not told anew by its links.
[[nodiscard]] Causes attribute_causes(const std::vector<Fault>& open, const FleetFacts& facts,
                                      Now now);

}  // namespace linkpilot::collector
