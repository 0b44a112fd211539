#include "tools/lab/packet.h"

#include <algorithm>

namespace linkpilot::lab {
namespace {

using Bytes8 = std::span<const std::uint8_t>;

constexpr std::size_t kV4Header = 20;
constexpr std::size_t kV6Header = 40;
constexpr int kExtensionHeadersMax = 8;

std::uint16_t read_u16(Bytes8 bytes, std::size_t at) {
  return static_cast<std::uint16_t>(bytes[at] << 8 | bytes[at + 1]);
}

void write_u16(std::span<std::uint8_t> bytes, std::size_t at, std::uint32_t value) {
  bytes[at] = static_cast<std::uint8_t>(value >> 8);
  bytes[at + 1] = static_cast<std::uint8_t>(value);
}

// Sum of 16-bit words in ones' complement (RFC 1071), not yet folded.
std::uint32_t sum_words(Bytes8 bytes, std::uint32_t sum = 0) {
  for (std::size_t i = 0; i + 1 < bytes.size(); i += 2) sum += read_u16(bytes, i);
  if (bytes.size() % 2 == 1) sum += std::uint32_t{bytes.back()} << 8;
  return sum;
}

std::uint16_t checksum(std::uint32_t sum) {
  while (sum >> 16 != 0) sum = (sum & 0xffff) + (sum >> 16);
  return static_cast<std::uint16_t>(~sum & 0xffff);
}

bool is_echo(const PacketFields& fields) {
  if (fields.protocol == kProtocolIcmp) return fields.icmp_type == 8 || fields.icmp_type == 0;
  return fields.icmp_type == 128 || fields.icmp_type == 129;
}

void read_transport(PacketFields& fields, Bytes8 rest) {
  std::size_t header = 0;
  switch (fields.protocol) {
    case kProtocolUdp:
    case kProtocolTcp:
      if (rest.size() < 8) return;
      fields.source_port = read_u16(rest, 0);
      fields.destination_port = read_u16(rest, 2);
      header = 8;
      if (fields.protocol == kProtocolTcp) {
        if (rest.size() < 20) return;
        header = std::size_t{rest[12]} / 16 * 4;  // RFC 9293 s3.1, data offset in 32-bit words
      }
      break;
    case kProtocolIcmp:
    case kProtocolIcmpV6:
      if (rest.size() < 8) return;
      fields.icmp_type = rest[0];
      if (is_echo(fields)) {
        fields.source_port = read_u16(rest, 4);
        fields.destination_port = read_u16(rest, 6);
      }
      header = 8;
      break;
  }
  if (header >= rest.size()) return;
  const Bytes8 payload = rest.subspan(header, std::min(kPayloadKept, rest.size() - header));
  std::ranges::copy(payload, fields.payload.begin());
}

std::optional<PacketFields> parse_v4(Bytes8 bytes) {
  if (bytes.size() < kV4Header) return std::nullopt;
  const std::size_t header = std::size_t{bytes[0]} % 16 * 4;
  const std::size_t total = read_u16(bytes, 2);
  if (header < kV4Header || total < header || total > bytes.size()) return std::nullopt;
  PacketFields fields;
  fields.version = 4;
  fields.length = static_cast<std::uint16_t>(total);
  fields.ttl = bytes[8];
  fields.protocol = bytes[9];
  fields.dont_fragment = (bytes[6] & 0x40) != 0;
  fields.source = IpAddress::v4(bytes[12], bytes[13], bytes[14], bytes[15]);
  fields.destination = IpAddress::v4(bytes[16], bytes[17], bytes[18], bytes[19]);
  const bool first_fragment = (read_u16(bytes, 6) & 0x1fff) == 0;
  if (first_fragment) read_transport(fields, bytes.subspan(header, total - header));
  return fields;
}

std::optional<PacketFields> parse_v6(Bytes8 bytes) {
  if (bytes.size() < kV6Header) return std::nullopt;
  const std::size_t total = kV6Header + read_u16(bytes, 4);
  if (total > bytes.size()) return std::nullopt;
  PacketFields fields;
  fields.version = 6;
  fields.length = static_cast<std::uint16_t>(total);
  fields.ttl = bytes[7];
  fields.dont_fragment = true;
  std::copy_n(bytes.begin() + 8, 16, fields.source.octets.begin());
  std::copy_n(bytes.begin() + 24, 16, fields.destination.octets.begin());
  std::uint8_t next = bytes[6];
  std::size_t at = kV6Header;
  bool first_fragment = true;
  // Hop-by-hop 0, routing 43, destination options 60: length in 8-octet units less one;
  // fragment 44.
  for (int i = 0; i < kExtensionHeadersMax; ++i) {
    if (next != 0 && next != 43 && next != 60 && next != 44) break;
    if (at + 8 > total) return fields;
    if (next == 44) first_fragment = (read_u16(bytes, at + 2) & 0xfff8) == 0;
    const std::size_t length = next == 44 ? 8 : (std::size_t{bytes[at + 1]} + 1) * 8;
    next = bytes[at];
    at += length;
    if (at > total) return fields;
  }
  fields.protocol = next;
  if (first_fragment) read_transport(fields, bytes.subspan(at, total - at));
  return fields;
}

}  // namespace

std::optional<PacketFields> parse_packet(std::span<const std::uint8_t> bytes) {
  if (bytes.empty()) return std::nullopt;
  switch (bytes[0] >> 4) {
    case 4:
      return parse_v4(bytes);
    case 6:
      return parse_v6(bytes);
  }
  return std::nullopt;
}

std::uint8_t choose_flow(const PacketFields& packet, std::uint8_t flows) {
  if (flows <= 1) return 0;
  std::uint64_t h = 0xcbf29ce484222325ULL;  // FNV-1a, 64 bit
  const auto mix = [&h](std::uint8_t octet) { h = (h ^ octet) * 0x100000001b3ULL; };
  std::ranges::for_each(packet.source.octets, mix);
  std::ranges::for_each(packet.destination.octets, mix);
  mix(packet.protocol);
  const bool icmp = packet.protocol == kProtocolIcmp || packet.protocol == kProtocolIcmpV6;
  const std::uint16_t second = icmp ? std::uint16_t{0} : packet.destination_port;
  for (const std::uint16_t port : {packet.source_port, second}) {
    mix(static_cast<std::uint8_t>(port >> 8));
    mix(static_cast<std::uint8_t>(port & 0xff));
  }
  h ^= h >> 32;  // FNV's low bits alone spread neighbouring ports badly over a power of two
  h *= 0x9e3779b97f4a7c15ULL;
  return static_cast<std::uint8_t>((h >> 32) % flows);
}

void lower_ttl(std::span<std::uint8_t> bytes, std::uint8_t hops) {
  if (bytes[0] >> 4 == 6) {
    bytes[7] = static_cast<std::uint8_t>(bytes[7] - hops);
    return;
  }
  bytes[8] = static_cast<std::uint8_t>(bytes[8] - hops);
  write_u16(bytes, 10, 0);
  write_u16(bytes, 10, checksum(sum_words(bytes.first(std::size_t{bytes[0]} % 16 * 4))));
}

namespace {

std::vector<std::uint8_t> icmp_v4(IcmpError error, const IpAddress& router, Bytes8 original,
                                  const PacketFields& fields, std::uint32_t mtu) {
  constexpr std::size_t kQuoteMax = 128;  // RFC 1812 s4.3.2.3 asks for as much as fits 576
  const std::size_t quote = std::min(kQuoteMax, original.size());
  std::vector<std::uint8_t> out(kV4Header + 8 + quote);
  out[0] = 0x45;
  write_u16(out, 2, static_cast<std::uint32_t>(out.size()));
  out[8] = 64;
  out[9] = kProtocolIcmp;
  std::copy_n(router.octets.begin() + 12, 4, out.begin() + 12);
  std::copy_n(fields.source.octets.begin() + 12, 4, out.begin() + 16);
  write_u16(out, 10, checksum(sum_words(Bytes8(out).first(kV4Header))));
  const std::span<std::uint8_t> icmp = std::span(out).subspan(kV4Header);
  if (error == IcmpError::time_exceeded) {
    icmp[0] = 11;
  } else {
    icmp[0] = 3;  // destination unreachable, code 4: fragmentation needed (RFC 1191 s4)
    icmp[1] = 4;
    write_u16(icmp, 6, mtu);
  }
  std::copy_n(original.begin(), quote, icmp.begin() + 8);
  write_u16(icmp, 2, checksum(sum_words(icmp)));
  return out;
}

std::vector<std::uint8_t> icmp_v6(IcmpError error, const IpAddress& router, Bytes8 original,
                                  const PacketFields& fields, std::uint32_t mtu) {
  constexpr std::size_t kQuoteMax = 1280 - kV6Header - 8;  // RFC 4443 s2.4(c)
  const std::size_t quote = std::min(kQuoteMax, original.size());
  std::vector<std::uint8_t> out(kV6Header + 8 + quote);
  out[0] = 0x60;
  write_u16(out, 4, static_cast<std::uint32_t>(8 + quote));
  out[6] = kProtocolIcmpV6;
  out[7] = 64;
  std::ranges::copy(router.octets, out.begin() + 8);
  std::ranges::copy(fields.source.octets, out.begin() + 24);
  const std::span<std::uint8_t> icmp = std::span(out).subspan(kV6Header);
  if (error == IcmpError::time_exceeded) {
    icmp[0] = 3;
  } else {
    icmp[0] = 2;
    write_u16(icmp, 6, mtu);
  }
  std::copy_n(original.begin(), quote, icmp.begin() + 8);
  // Pseudo-header of RFC 8200 s8.1: both addresses, upper-layer length, next header.
  const std::uint32_t pseudo = sum_words(Bytes8(out).subspan(8, 32),
                                         static_cast<std::uint32_t>(8 + quote) + kProtocolIcmpV6);
  write_u16(icmp, 2, checksum(sum_words(icmp, pseudo)));
  return out;
}

}  // namespace

std::optional<std::vector<std::uint8_t>> make_icmp_error(IcmpError error, const IpAddress& router,
                                                         std::span<const std::uint8_t> original,
                                                         const PacketFields& fields,
                                                         std::uint32_t mtu) {
  const bool icmp = fields.protocol == kProtocolIcmp || fields.protocol == kProtocolIcmpV6;
  if (icmp && !is_echo(fields)) return std::nullopt;
  const Bytes8 whole = original.first(std::min<std::size_t>(original.size(), fields.length));
  if (fields.version == 4) {
    if ((read_u16(whole, 6) & 0x1fff) != 0) return std::nullopt;
    return icmp_v4(error, router, whole, fields, mtu);
  }
  return icmp_v6(error, router, whole, fields, mtu);
}

}  // namespace linkpilot::lab
