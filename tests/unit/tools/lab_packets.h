// Packets built by hand for the lab's tests, field by field from RFC 791, 8200, 768 and 792.
#pragma once

#include <cstdint>
#include <string_view>
#include <vector>

#include "tools/lab/packet.h"
#include "tools/lab/topology.h"

namespace linkpilot::lab {

using Packet = std::vector<std::uint8_t>;

inline void put_u16(Packet& packet, std::size_t at, std::uint32_t value) {
  packet[at] = static_cast<std::uint8_t>(value >> 8);
  packet[at + 1] = static_cast<std::uint8_t>(value);
}

struct UdpPacket {
  NodeIndex from = 0;
  NodeIndex to = 1;
  std::uint16_t source_port = 40'000;
  std::uint16_t destination_port = 862;
  std::uint8_t ttl = 64;
  std::size_t payload_size = 44;
  bool dont_fragment = true;
};

// The payload counts up from 0. Checksums of UDP are left zero: the lab does not look.
inline Packet make_udp(const UdpPacket& options, IpAddress source, IpAddress destination) {
  const bool v4 = source.is_v4();
  const std::size_t header = v4 ? 20 : 40;
  Packet packet(header + 8 + options.payload_size);
  if (v4) {
    packet[0] = 0x45;
    put_u16(packet, 2, static_cast<std::uint32_t>(packet.size()));
    packet[6] = options.dont_fragment ? 0x40 : 0;
    packet[8] = options.ttl;
    packet[9] = kProtocolUdp;
    for (std::size_t i = 0; i < 4; ++i) {
      packet[12 + i] = source.octets[12 + i];
      packet[16 + i] = destination.octets[12 + i];
    }
  } else {
    packet[0] = 0x60;
    put_u16(packet, 4, static_cast<std::uint32_t>(8 + options.payload_size));
    packet[6] = kProtocolUdp;
    packet[7] = options.ttl;
    for (std::size_t i = 0; i < 16; ++i) {
      packet[8 + i] = source.octets[i];
      packet[24 + i] = destination.octets[i];
    }
  }
  put_u16(packet, header, options.source_port);
  put_u16(packet, header + 2, options.destination_port);
  put_u16(packet, header + 4, static_cast<std::uint32_t>(8 + options.payload_size));
  for (std::size_t i = 0; i < options.payload_size; ++i) {
    packet[header + 8 + i] = static_cast<std::uint8_t>(i);
  }
  return packet;
}

inline Packet make_udp(const UdpPacket& options = {}) {
  return make_udp(options, node_v4(options.from), node_v4(options.to));
}

inline Packet make_udp_v6(const UdpPacket& options = {}) {
  return make_udp(options, node_v6(options.from), node_v6(options.to));
}

// Ones' complement sum of 16-bit words (RFC 1071); 0xffff where a header's checksum is right.
inline std::uint32_t ones_sum(const std::uint8_t* bytes, std::size_t size) {
  std::uint32_t sum = 0;
  for (std::size_t i = 0; i < size; i += 2) {
    sum += static_cast<std::uint32_t>(bytes[i]) << 8;
    if (i + 1 < size) sum += bytes[i + 1];
  }
  while (sum >> 16 != 0) sum = (sum & 0xffff) + (sum >> 16);
  return sum;
}

}  // namespace linkpilot::lab
