#include "tools/lab/topology.h"

#include <algorithm>

namespace linkpilot::lab {
namespace {

std::uint8_t octet(std::size_t value) { return static_cast<std::uint8_t>(value); }

IpAddress v6_of(std::uint8_t group_high, std::uint8_t group_low, std::uint8_t node,
                std::uint8_t last) {
  // fd00:77:GGGG:NN::LL
  return {{0xfd, 0x00, 0x00, 0x77, group_high, group_low, 0, node, 0, 0, 0, 0, 0, 0, 0, last}};
}

}  // namespace

std::optional<NodeIndex> Topology::find_node(std::string_view wanted) const {
  const auto it = std::ranges::find(nodes, wanted, &LabNode::name);
  if (it == nodes.end()) return std::nullopt;
  return static_cast<NodeIndex>(it - nodes.begin());
}

bool Topology::has_region(std::string_view wanted) const {
  return std::ranges::find(regions, wanted, &Region::name) != regions.end();
}

IpAddress node_v4(NodeIndex node) { return IpAddress::v4(10, 77, octet(node + 1U), 1); }

IpAddress node_v6(NodeIndex node) { return v6_of(0, 0, 0, octet(node + 1U)); }

std::optional<NodeIndex> node_of_address(const IpAddress& address, std::size_t nodes) {
  const auto& o = address.octets;
  std::size_t place = 0;
  if (address.is_v4()) {
    if (o[12] != 10 || o[13] != 77 || o[15] != 1) return std::nullopt;
    place = o[14];
  } else {
    place = o[15];
    if (address != v6_of(0, 0, 0, octet(place))) return std::nullopt;
  }
  if (place == 0 || place > nodes) return std::nullopt;
  return static_cast<NodeIndex>(place - 1);
}

IpAddress hop_address(bool v6, NodeIndex from, NodeIndex to, std::uint8_t hop, std::uint8_t hops) {
  const bool near_sender = hop * 2 <= hops + 1;
  const std::uint8_t owner = octet((near_sender ? from : to) + 1U);
  // Counted from the owner, so that the router next to a node has the same address on every pair.
  const std::uint8_t place = near_sender ? hop : octet(hops + 1U - hop);
  if (v6) return v6_of(0xff, near_sender ? 1 : 2, owner, place);
  return IpAddress::v4(198, near_sender ? 18 : 19, owner, place);
}

}  // namespace linkpilot::lab
