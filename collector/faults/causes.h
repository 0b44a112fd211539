// From what is wrong right now to the fewest causes that explain it: a dead node explains its
// links, a region all of whose nodes are dead explains its nodes, a node most of whose peers
// complain explains theirs. A first, greedy judge. Pure.
#pragma once

#include <map>
#include <string>
#include <unordered_map>
#include <utility>
#include <vector>

#include "base/ids.h"
#include "base/time.h"
#include "collector/faults/fault.h"
#include "collector/faults/link_watch.h"

namespace linkpilot::collector {

// What the judge needs to know of a node.
struct NodeFacts {
  std::string name;
  std::string region;
  bool enrolled = true;
  bool heard = false;
  bool dead = false;
  std::string dead_reason;
  UnixNanos dead_since;
  std::uint8_t ports = 1;
};
using NodeTable = std::map<NodeId, NodeFacts>;

// "#7" for a node that is not in the table.
[[nodiscard]] std::string name_of(NodeId node, const NodeTable& nodes);

using NodePair = std::pair<NodeId, NodeId>;  // the smaller number first
[[nodiscard]] NodePair pair_of(LinkId link);

// A link whose ends are both up, and how it looked a moment ago.
struct LookedLink {
  LinkId link;
  const LinkWatch* watch = nullptr;
  [[nodiscard]] bool bad() const {
    return watch->health() == LinkHealth::dead || watch->health() == LinkHealth::degraded;
  }
};

// Trouble with one explanation, at this moment.
struct Cause {
  FaultScope scope = FaultScope::link;
  FaultGrade grade = FaultGrade::dead;
  std::vector<NodeId> nodes;
  PortIndex port;
  std::string region;
  Now since{};                     // the trouble
  Now grade_since{};               // in this grade
  std::vector<LookedLink> links;   // the bad ones it explains; none of a dead node
  std::size_t peers = 0;           // of a node or port: that complain ...
  std::size_t peers_measured = 0;  // ... of those that could
};
// By key, as Fault::key.
using Causes = std::map<std::string, Cause>;

// What is told already goes on explaining what it explained.
struct KnownFaults {
  std::map<std::string, const Fault*> by_key;
  [[nodiscard]] bool has(const std::string& key) const { return by_key.contains(key); }
};

[[nodiscard]] std::string node_key(const std::string& name);
[[nodiscard]] std::string port_key(const std::string& name, PortIndex port);
[[nodiscard]] std::string link_key(NodePair pair, const NodeTable& nodes);
[[nodiscard]] std::string region_key(const std::string& region);

// `dead_since`: since when each dead node was seen dead here. `links`: between nodes that are up.
[[nodiscard]] Causes find_causes(const NodeTable& nodes, const std::map<NodeId, Now>& dead_since,
                                 const std::vector<LookedLink>& links, const KnownFaults& known);

}  // namespace linkpilot::collector
