// What a node is: its name, its region and its ports. Values; the collector owns the registry.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "base/address.h"
#include "base/ids.h"
#include "base/units.h"

namespace linkpilot {

enum class NodeRole : std::uint8_t { unspecified, ingest, relay, edge, test_host };

inline constexpr std::size_t kFleetNodesMax = 4096;

// One address of a node: what peers send to, who carries it, what it may carry.
struct Port {
  PortIndex index;
  std::string isp;                 // empty: unknown, talks to everybody
  IpAddress listen;                // what the agent binds; may differ from `advertised` behind NAT
  IpAddress advertised;            // what peers send to
  std::uint16_t stamp_port = 862;  // UDP, reflector (RFC 8762 s3)
  BitsPerSecond capacity;          // zero: unknown
  std::string bill;                // name of the bill its traffic counts on; empty: free
  friend bool operator==(const Port&, const Port&) = default;
};

struct Node {
  NodeId id;
  std::string name;
  NodeRole role = NodeRole::unspecified;
  std::string region;
  std::vector<Port> ports;  // at most kPortsPerNodeMax
  std::string media_base;   // where media clients reach this node, e.g. "rtmp://192.0.2.1/live"
  friend bool operator==(const Node&, const Node&) = default;
};

}  // namespace linkpilot
