// The emulated network as a value: regions, nodes in them, and what each ordered pair does to
// packets.
//
// Addresses follow from a node's place n (from 0) in the list: 10.77.(n+1).1 and fd00:77::(n+1).
// The collector is a node of kind `collector`: it has the delays of its region plus a little, and
// link faults between other nodes do not touch it.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/address.h"
#include "base/result.h"
#include "tools/lab/impairment.h"

namespace linkpilot::lab {

using NodeIndex = std::uint16_t;

inline constexpr std::size_t kNodesMax = 64;
inline constexpr std::size_t kRegionsMax = 64;

enum class LabNodeKind : std::uint8_t { node, collector };

struct LabNode {
  std::string name;
  std::string region;
  LabNodeKind kind = LabNodeKind::node;
  IpAddress v4;
  IpAddress v6;
};

struct Region {
  std::string name;
  std::string title;
  double latitude_degrees = 0;
  double longitude_degrees = 0;
};

struct Topology {
  std::string name;
  std::string origin;  // where the figures come from; shown in status
  std::vector<Region> regions;
  std::vector<LabNode> nodes;
  std::vector<Impairment> pairs;  // nodes x nodes, row = from; the diagonal is unused

  [[nodiscard]] std::size_t pair_index(NodeIndex from, NodeIndex to) const {
    return std::size_t{from} * nodes.size() + to;
  }
  [[nodiscard]] const Impairment& pair(NodeIndex from, NodeIndex to) const {
    return pairs[pair_index(from, to)];
  }
  [[nodiscard]] std::optional<NodeIndex> find_node(std::string_view name) const;
  [[nodiscard]] bool has_region(std::string_view name) const;
};

[[nodiscard]] IpAddress node_v4(NodeIndex node);
[[nodiscard]] IpAddress node_v6(NodeIndex node);
// Which node an address belongs to, if it is one of ours.
[[nodiscard]] std::optional<NodeIndex> node_of_address(const IpAddress& address, std::size_t nodes);

// Address of virtual router `hop` (1 = nearest to the sender) on the way between two nodes. The
// first half of the routers is shared by all pairs that leave the sender, the second half by all
// that reach the receiver, as in real networks. 198.18/15 is set aside for benchmarks (RFC 2544).
[[nodiscard]] IpAddress hop_address(bool v6, NodeIndex from, NodeIndex to, std::uint8_t hop,
                                    std::uint8_t hops);

}  // namespace linkpilot::lab
