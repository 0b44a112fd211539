// Reader of ICMP and ICMPv6 errors: who could not pass on which packet, and why. Pure.
//
// A quote is foreign twice: written by a router, about a packet that may not be ours. All of it is
// bounded: IPv4 options, at most eight IPv6 extension headers, no fragments but a first one, at
// most eight label stack entries. What a quote claims is compared with what was sent elsewhere
// (trace.cc). Sources: RFC 792, 4443 (errors), 1191 and 4443 s3.2 (next-hop MTU), 4884 (extension
// structure, s5.5 for routers that leave its length out), 4950 (MPLS label stack), 8200 s4
// (extension headers).
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>

#include "base/address.h"

namespace linkpilot::prober {

enum class IcmpErrorKind : std::uint8_t {
  time_exceeded,  // in transit; not of reassembly
  port_unreachable,
  host_unreachable,
  net_unreachable,
  prohibited,  // by a filter
  other_unreachable,
  too_big,  // `mtu` says what would pass; zero of routers before RFC 1191
};

struct MplsLabel {
  std::uint32_t label = 0;  // 20 bits
  std::uint8_t traffic_class = 0;
  std::uint8_t ttl = 0;
  friend bool operator==(const MplsLabel&, const MplsLabel&) = default;
};
inline constexpr std::size_t kMplsLabelsMax = 8;

struct LabelStack {
  std::array<MplsLabel, kMplsLabelsMax> entries{};
  std::uint8_t size = 0;
  [[nodiscard]] std::span<const MplsLabel> labels() const { return std::span(entries).first(size); }
  friend bool operator==(const LabelStack&, const LabelStack&) = default;
};

// The packet that could not be passed on, as far as it is quoted.
struct QuotedPacket {
  IpAddress source;
  IpAddress destination;
  std::uint8_t protocol = 0;
  std::uint8_t ttl = 0;                     // as it was when the packet died
  std::uint16_t ip_id = 0;                  // of IPv4
  std::uint16_t length = 0;                 // IPv4: of the whole packet; IPv6: of the payload
  std::span<const std::uint8_t> transport;  // from the transport header on; at least 8 octets
};

struct IcmpError {
  IcmpErrorKind kind = IcmpErrorKind::time_exceeded;
  std::uint32_t mtu = 0;
  QuotedPacket quote;
  LabelStack labels;
};

// From the ICMP header on; the IP header in front has been read. Nothing: not an error of these
// kinds, cut, a wrong checksum (ICMPv4; the kernel has checked ICMPv6), a fragment, or a quote
// without transport header.
[[nodiscard]] std::optional<IcmpError> read_icmp4_error(std::span<const std::uint8_t> icmp);
[[nodiscard]] std::optional<IcmpError> read_icmp6_error(std::span<const std::uint8_t> icmp);

}  // namespace linkpilot::prober
