// All routes of one node, as the optimizer decides them and the collector publishes them. The bytes
// a node loads are schemas/route_file.h; this is the value they are made from.
#pragma once

#include <array>
#include <cstdint>
#include <string>
#include <vector>

#include "base/ids.h"
#include "base/stage_times.h"
#include "base/time.h"

namespace linkpilot {

inline constexpr std::size_t kRelaysMax = 2;
inline constexpr std::size_t kPathNodesMax = kRelaysMax + 2;
inline constexpr std::size_t kCandidatesMax = 4;

// Which way the media travels. A push goes from this node to the target, a pull from the target to
// this node; costs are those of the links in that direction. A path is written from this node
// outwards in both cases, because that is the way the request travels.
enum class Direction : std::uint8_t { unspecified, push, pull };
inline constexpr std::array kDirections = {Direction::push, Direction::pull};

// One hop of a path: the node asked next, and the port pair (near side first) used to reach it.
struct Hop {
  NodeId node;
  PortIndex near_port;
  PortIndex far_port;
  friend bool operator==(const Hop&, const Hop&) = default;
};

struct CandidatePath {
  std::vector<Hop> hops;      // first = next hop, last = the target; 1..kRelaysMax+1
  Duration delay{};           // predicted one-way, in the media's direction
  std::uint64_t cost_us = 0;  // weight in microseconds; > 0
  // True if the next hop can be asked without the request coming back, even by nodes that hold
  // older tables: d(next, target) < d(next, me) + d(me, target) (RFC 5286 s3.1, inequality 1).
  bool loop_free = false;
  friend bool operator==(const CandidatePath&, const CandidatePath&) = default;
};

struct Route {
  NodeId target;
  Direction direction = Direction::unspecified;
  std::vector<CandidatePath> candidates;  // best first, 1..kCandidatesMax
  friend bool operator==(const Route&, const Route&) = default;
};

struct TableVersion {
  std::uint64_t epoch = 0;    // grows when a collector is replaced
  std::uint64_t version = 0;  // grows with every publication of an epoch
  friend constexpr bool operator==(TableVersion, TableVersion) = default;
  friend constexpr auto operator<=>(TableVersion, TableVersion) = default;
};

// A destination that the table leaves out, and why; a target may not be missing without a reason.
struct DroppedTarget {
  NodeId target;
  std::string reason;
  friend bool operator==(const DroppedTarget&, const DroppedTarget&) = default;
};

struct NodeName {
  NodeId id;
  std::string name;
  std::string region;
  std::string media_base;
  std::vector<std::string> port_addresses;  // by PortIndex; textual IP addresses
  friend bool operator==(const NodeName&, const NodeName&) = default;
};

struct RouteTable {
  NodeId node;
  TableVersion version;
  TableVersion previous;
  UnixNanos created;
  UnixNanos valid_until_soft;  // after this: still served, and a warning
  UnixNanos valid_until_hard;  // after this: direct paths only
  StageTimes stages;
  std::vector<NodeName> nodes;  // every node that a path names, and this node; sorted by id
  std::vector<Route> routes;    // sorted by (direction, target)
  std::vector<DroppedTarget> dropped;
  friend bool operator==(const RouteTable&, const RouteTable&) = default;
};

}  // namespace linkpilot
