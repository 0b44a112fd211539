#include <fmt/format.h>

#include <algorithm>
#include <unordered_map>
#include <vector>

#include "optimizer/guard/guard.h"

namespace linkpilot::optimizer {
namespace {

using Nodes = std::vector<NodeId>;

struct RouteKey {
  NodeId node;
  NodeId target;
  Direction direction = Direction::unspecified;
  friend bool operator==(const RouteKey&, const RouteKey&) = default;
};
struct RouteKeyHash {
  std::size_t operator()(const RouteKey& key) const noexcept {
    const std::uint64_t packed = std::uint64_t{key.node.value} << 24 |
                                 std::uint64_t{key.target.value} << 8 |
                                 static_cast<std::uint64_t>(key.direction);
    return static_cast<std::size_t>(packed * 0x9e3779b97f4a7c15ULL >> 8);
  }
};
// Relayed paths that a node may turn aside to; direct ones end at the target.
using Marks = std::unordered_map<RouteKey, std::vector<const CandidatePath*>, RouteKeyHash>;

// Follows every way a request can be turned aside from `path`, having visited `trail`. True if it
// can come to a node twice. Depth is bounded by the number of nodes: the trail has no repetition.
bool can_return(const Marks& marks, NodeId target, Direction direction, const CandidatePath& path,
                Nodes& trail) {
  const std::size_t length = trail.size();
  bool returns = false;
  for (std::size_t i = 0; i + 1 < path.hops.size() && !returns; ++i) {
    const NodeId relay = path.hops[i].node;
    returns = std::ranges::find(trail, relay) != trail.end();
    trail.push_back(relay);
    if (returns) break;
    const auto turns = marks.find({relay, target, direction});
    if (turns == marks.end()) continue;
    for (const CandidatePath* turn : turns->second) {
      returns = returns || can_return(marks, target, direction, *turn, trail);
    }
  }
  trail.resize(length);
  return returns;
}

}  // namespace

std::string find_loop(std::span<const RouteTable> tables) {
  Marks marks;
  for (const RouteTable& table : tables) {
    for (const Route& route : table.routes) {
      for (const CandidatePath& path : route.candidates) {
        if (path.loop_free && path.hops.size() > 1) {
          marks[{table.node, route.target, route.direction}].push_back(&path);
        }
      }
    }
  }
  for (const RouteTable& table : tables) {
    for (const Route& route : table.routes) {
      for (const CandidatePath& path : route.candidates) {
        Nodes trail{table.node};
        if (path.hops.size() > 1 && can_return(marks, route.target, route.direction, path, trail)) {
          return fmt::format("a request from node {} to node {} by node {} could come back",
                             table.node.value, route.target.value, path.hops.front().node.value);
        }
      }
    }
  }
  return {};
}

}  // namespace linkpilot::optimizer
