// Cause: one explanation of what is wrong right now, in names that outlive the moment. Made of the
// localiser's diagnosis (collector/evidence), consumed by the judge of faults. Values.
#pragma once

#include <map>
#include <string>
#include <utility>
#include <vector>

#include "base/ids.h"
#include "base/time.h"
#include "collector/faults/fault.h"
#include "collector/faults/link_outlook.h"
#include "optimizer/localise/cause.h"

namespace linkpilot::collector {

// What must be known of a node.
struct NodeFacts {
  std::string name;
  std::string region;
  std::vector<std::string> isps;  // by port; "" is not known
  bool enrolled = true;
  bool heard = false;
  bool awaited = false;  // not heard since the collector started, or restarting: it may still come
  bool dead = false;
  std::string dead_reason;
  UnixNanos dead_since;
  UnixNanos heard_at;   // the last time; zero: never
  std::string trouble;  // of its agent, by what it says of itself; empty: none
  Now trouble_since{};
  std::uint8_t ports = 1;
  [[nodiscard]] bool speaks() const { return heard; }
};
using NodeTable = std::map<NodeId, NodeFacts>;

// "#7" for a node that is not in the table.
[[nodiscard]] std::string name_of(NodeId node, const NodeTable& nodes);

using NodePair = std::pair<NodeId, NodeId>;  // the smaller number first
[[nodiscard]] NodePair pair_of(LinkId link);

struct LookedLink {
  LinkId link;
  LinkOutlook outlook;
};

inline constexpr std::size_t kCauseLinksKept = 1'024;

struct CauseShare {
  std::string what;  // "node fra-2"
  double confidence = 0;
};

struct Cause {
  optimizer::CauseKind kind = optimizer::CauseKind::link;
  bool both_ways = true;
  bool inward = false;  // of a node or port, one way: into it, else out of it
  FaultScope scope = FaultScope::link;
  FaultGrade grade = FaultGrade::dead;
  std::vector<NodeId> nodes;
  PortIndex port;
  std::string region;              // of scope region
  std::vector<std::string> names;  // of what is not nodes: regions, ISPs, a stream, a vendor, a hop
  std::string isp;                 // the one that all its links go through; empty: several, unknown
  Now since{};                     // the trouble
  Now grade_since{};               // in this grade
  std::vector<LookedLink> links;   // the bad ones it explains, at most kCauseLinksKept ...
  std::size_t links_total = 0;     // ... of so many
  std::size_t peers = 0;           // of a node or port: that complain ...
  std::size_t peers_measured = 0;  // ... of those that could
  optimizer::CauseEffect effect;
  std::uint32_t shows = 0;     // observations that it accounts for ...
  std::uint32_t measured = 0;  // ... of those on which it would show
  double confidence = 1;
  std::vector<CauseShare> alternatives;  // what else it could be
  std::string why;                       // of an agent: what it suffers from
};
// By key, as Fault::key.
using Causes = std::map<std::string, Cause>;

[[nodiscard]] std::string node_key(const std::string& name);
[[nodiscard]] std::string port_key(const std::string& name, PortIndex port);
[[nodiscard]] std::string link_key(NodePair pair, const NodeTable& nodes);
[[nodiscard]] std::string region_key(const std::string& region);
[[nodiscard]] std::string key_of(const Cause& cause, const NodeTable& nodes);

// The kind that a fault of this scope was told with.
[[nodiscard]] optimizer::CauseKind kind_of(FaultScope scope);
[[nodiscard]] FaultScope scope_of(optimizer::CauseKind kind);

// Grade and times from the links it explains: dead if at least half of their pairs are.
void judge_links(Cause& cause);

// What a cause does to one fault that is open: it is its own, or part of a larger one's (a link of
// a node that is told already).
[[nodiscard]] bool covers(const Fault& fault, const Cause& cause, const NodeTable& nodes);
// The part `of` the larger cause that `fault` stands for.
void absorb_cause(Cause& into, const Fault& fault, const Cause& of);

}  // namespace linkpilot::collector
