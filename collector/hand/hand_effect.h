// What the overrides in force do at this moment, in words: whether a pin is followed, whether a
// drained node still relays for somebody. Pure functions of what the collector knows.
#pragma once

#include <functional>
#include <map>
#include <string>
#include <vector>

#include "base/ids.h"
#include "collector/hand/hand.h"
#include "collector/ingest/agent_record.h"
#include "collector/publish/publisher.h"
#include "optimizer/weight/link_belief.h"

namespace linkpilot::collector {

struct HandFacts {
  const Agents& agents;
  const std::vector<optimizer::LinkBelief>& beliefs;  // sorted by link
  const std::map<NodeId, PublishedTable>& tables;
};

// Why media cannot go from one node to the other directly; empty: it can.
[[nodiscard]] std::string pair_trouble(const Agents& agents,
                                       const std::vector<optimizer::LinkBelief>& beliefs,
                                       const std::string& from, const std::string& to);

// How far a drain has come.
struct DrainProgress {
  std::size_t relayed_routes = 0;        // in published tables
  std::vector<std::string> waiting_for;  // heard nodes that have not loaded their newest table
  [[nodiscard]] bool done() const { return relayed_routes == 0 && waiting_for.empty(); }
};
[[nodiscard]] DrainProgress drain_progress(const HandFacts& facts, const std::string& node);

// One sentence: "followed", "not followed: the link mumbai/0>paris/0 is dead", ...
[[nodiscard]] std::string effect_of(const Override& over, const std::vector<Override>& all,
                                    const HandFacts& facts);

// The overrides that bear on media from one node to another, as sentences with author and end.
[[nodiscard]] std::vector<std::string> hand_on_route(const std::vector<Override>& all,
                                                     const HandFacts& facts, NodeId media_from,
                                                     NodeId media_to);

}  // namespace linkpilot::collector
