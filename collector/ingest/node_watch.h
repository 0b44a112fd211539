// Whether a node is up, from what its peers and the collector itself hear of it. Pure.
//
// A node is believed dead when (a) it has said nothing to the collector for kQuietAfter and every
// peer that probes it fast, and is itself heard, calls all its links to it dead; or (b) at least
// two such peers do, and it has said nothing since: without that, routes would be moved onto its
// slowly probed links, of which nobody knows yet that they are dead, too; or (c) all peers that are
// heard, at least two, do so - whatever it says itself. It stays dead until it is heard again and
// one peer reaches it. The collector's silence alone kills nobody: it may be the collector that is
// cut off.
#pragma once

#include <functional>
#include <string>
#include <vector>

#include "base/ids.h"
#include "collector/ingest/agent_record.h"
#include "optimizer/weight/link_belief.h"

namespace linkpilot::collector {

// Agents ping each second, so a living one is hardly ever quiet for longer.
inline constexpr Duration kQuietAfter = std::chrono::milliseconds(1'200);

struct NodeVerdict {
  NodeId node;
  bool dead = false;
  std::string reason;  // when dead
};

// Verdicts that differ from what `agents` say now; keeps their `unreached_since`. `is_fast`:
// whether the plan probes the link fast.
[[nodiscard]] std::vector<NodeVerdict> judge_nodes(
    Agents& agents, const std::vector<optimizer::LinkBelief>& beliefs,
    const std::function<bool(LinkId)>& is_fast, Now now);

}  // namespace linkpilot::collector
