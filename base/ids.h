// The names of things, as values. A node has a name (operators write it) and a number (wire and
// tables use it); the collector assigns the number at enrolment and never reuses it.
#pragma once

#include <compare>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <string_view>

#include "base/strong_id.h"

namespace linkpilot {

// 1..65535; it is also the SSID of the node's STAMP sessions (RFC 8972 s3, 16 bits, zero reserved).
using NodeId = StrongId<struct NodeTag, std::uint16_t>;

// Position of a port in its node's list, 0..kPortsPerNodeMax-1.
using PortIndex = StrongId<struct PortIndexTag, std::uint8_t>;
inline constexpr std::size_t kPortsPerNodeMax = 8;

inline constexpr std::size_t kNodeNameLengthMax = 63;
// Lower-case letters, digits and '-', not starting or ending with '-': safe in file names, URLs,
// mail headers and DNS labels (RFC 1123 s2.1).
[[nodiscard]] bool is_valid_node_name(std::string_view name);

// One address of one node.
struct PortId {
  NodeId node;
  PortIndex port;
  friend constexpr bool operator==(PortId, PortId) = default;
  friend constexpr auto operator<=>(PortId, PortId) = default;
};

// An ordered pair of ports: the direction in which packets travel.
struct LinkId {
  PortId from;
  PortId to;
  friend constexpr bool operator==(LinkId, LinkId) = default;
  friend constexpr auto operator<=>(LinkId, LinkId) = default;
  [[nodiscard]] constexpr LinkId reversed() const { return {to, from}; }
};

}  // namespace linkpilot

template <>
struct std::hash<linkpilot::PortId> {
  std::size_t operator()(linkpilot::PortId id) const noexcept {
    return static_cast<std::size_t>(id.node.value) << 8 | id.port.value;
  }
};
template <>
struct std::hash<linkpilot::LinkId> {
  std::size_t operator()(linkpilot::LinkId id) const noexcept {
    const std::uint64_t packed = std::uint64_t{std::hash<linkpilot::PortId>{}(id.from)} << 24 |
                                 std::hash<linkpilot::PortId>{}(id.to);
    return static_cast<std::size_t>(packed * 0x9e3779b97f4a7c15ULL >> 8);
  }
};
