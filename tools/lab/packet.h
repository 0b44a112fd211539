// Reading and changing IP packets as they come off a TUN device: just the fields the emulator
// decides by, every length checked against the bytes that are there. Writing: the ICMP errors of
// virtual routers.
//
// Offsets: RFC 791 s3.1 (IPv4), RFC 8200 s3-4 (IPv6), RFC 792 and RFC 4443 (ICMP).
#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <span>
#include <vector>

#include "base/address.h"

namespace linkpilot::lab {

inline constexpr std::size_t kPacketBytesMax = 2048;
inline constexpr std::size_t kPayloadKept = 16;

inline constexpr std::uint8_t kProtocolIcmp = 1;
inline constexpr std::uint8_t kProtocolTcp = 6;
inline constexpr std::uint8_t kProtocolUdp = 17;
inline constexpr std::uint8_t kProtocolIcmpV6 = 58;

struct PacketFields {
  std::uint8_t version = 0;   // 4 or 6
  std::uint8_t protocol = 0;  // after IPv6 extension headers
  std::uint8_t ttl = 0;
  bool dont_fragment = false;  // always for IPv6
  IpAddress source;
  IpAddress destination;
  // UDP and TCP ports; of an ICMP echo its identifier (as source) and sequence (as destination);
  // otherwise, and for later fragments, 0.
  std::uint16_t source_port = 0;
  std::uint16_t destination_port = 0;
  std::uint8_t icmp_type = 0;
  std::uint16_t length = 0;  // of the IP packet
  // First octets of what the transport carries, the rest zero.
  std::array<std::uint8_t, kPayloadKept> payload{};
};

// Nothing if the bytes are not one whole IPv4 or IPv6 packet.
[[nodiscard]] std::optional<PacketFields> parse_packet(std::span<const std::uint8_t> bytes);

// Which of `flows` equal paths a packet takes: a hash of addresses, protocol and ports, as routers
// do (RFC 2992). Echo requests of one ping keep one path.
[[nodiscard]] std::uint8_t choose_flow(const PacketFields& packet, std::uint8_t flows);

// Lowers the TTL and, for IPv4, redoes the header checksum. `bytes` was parsed before; ttl > hops.
void lower_ttl(std::span<std::uint8_t> bytes, std::uint8_t hops);

enum class IcmpError : std::uint8_t { time_exceeded, packet_too_big };

// The answer a router at `router` gives to the sender of `original`. Nothing for packets that must
// not be answered: ICMP errors (RFC 1122 s3.2.2) and later fragments.
[[nodiscard]] std::optional<std::vector<std::uint8_t>> make_icmp_error(
    IcmpError error, const IpAddress& router, std::span<const std::uint8_t> original,
    const PacketFields& fields, std::uint32_t mtu);

}  // namespace linkpilot::lab
