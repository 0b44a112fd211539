#include "prober/path/icmp_error.h"

#include <algorithm>

#include "prober/path/checksum.h"
#include "prober/stamp/bytes.h"

namespace linkpilot::prober {
namespace {

using IcmpOctets = std::span<const std::uint8_t>;

constexpr std::size_t kIcmpHeader = 8;
constexpr std::size_t kQuotedTransportMin = 8;
constexpr std::size_t kQuoteOctetsBefore4884 = 128;  // where the extension of older routers begins
constexpr int kExtensionHeadersMax = 8;

std::optional<IcmpErrorKind> kind_of_icmp4(std::uint8_t type, std::uint8_t code) {
  if (type == 11) {
    if (code != 0) return std::nullopt;
    return IcmpErrorKind::time_exceeded;
  }
  if (type != 3) return std::nullopt;
  switch (code) {
    case 0:
    case 6:
    case 11:
      return IcmpErrorKind::net_unreachable;
    case 1:
    case 7:
    case 12:
      return IcmpErrorKind::host_unreachable;
    case 3:
      return IcmpErrorKind::port_unreachable;
    case 4:
      return IcmpErrorKind::too_big;
    case 9:
    case 10:
    case 13:
      return IcmpErrorKind::prohibited;
    default:
      return IcmpErrorKind::other_unreachable;
  }
}

std::optional<IcmpErrorKind> kind_of_icmp6(std::uint8_t type, std::uint8_t code) {
  if (type == 2) return IcmpErrorKind::too_big;
  if (type == 3) {
    if (code != 0) return std::nullopt;
    return IcmpErrorKind::time_exceeded;
  }
  if (type != 1) return std::nullopt;
  switch (code) {
    case 0:
      return IcmpErrorKind::net_unreachable;
    case 1:
    case 5:
    case 6:
      return IcmpErrorKind::prohibited;
    case 3:
      return IcmpErrorKind::host_unreachable;
    case 4:
      return IcmpErrorKind::port_unreachable;
    default:
      return IcmpErrorKind::other_unreachable;
  }
}

IpAddress quoted_address4(IcmpOctets packet, std::size_t at) {
  return IpAddress::v4(packet[at], packet[at + 1], packet[at + 2], packet[at + 3]);
}

IpAddress quoted_address6(IcmpOctets packet, std::size_t at) {
  IpAddress address;
  std::copy_n(packet.begin() + static_cast<std::ptrdiff_t>(at), 16, address.octets.begin());
  return address;
}

std::optional<QuotedPacket> read_quote4(IcmpOctets packet) {
  if (packet.size() < 20 || packet[0] >> 4 != 4) return std::nullopt;
  const std::size_t header = std::size_t{packet[0] & 0x0fU} * 4;
  if (header < 20 || packet.size() < header + kQuotedTransportMin) return std::nullopt;
  const bool later_fragment = (load_big<std::uint16_t>(packet, 6) & 0x1fff) != 0;
  const auto length = load_big<std::uint16_t>(packet, 2);
  if (later_fragment || length < header + kQuotedTransportMin) return std::nullopt;
  const std::size_t octets = std::min<std::size_t>(packet.size(), length) - header;
  return QuotedPacket{.source = quoted_address4(packet, 12),
                      .destination = quoted_address4(packet, 16),
                      .protocol = packet[9],
                      .ttl = packet[8],
                      .ip_id = load_big<std::uint16_t>(packet, 4),
                      .length = length,
                      .transport = packet.subspan(header, octets)};
}

// The transport header behind extension headers, if the quote reaches so far.
struct BehindExtensions {
  std::uint8_t protocol = 0;
  std::size_t offset = 0;
};

std::optional<BehindExtensions> skip_extensions(IcmpOctets packet) {
  BehindExtensions at{.protocol = packet[6], .offset = 40};
  for (int headers = 0; headers < kExtensionHeadersMax; ++headers) {
    const bool fragment = at.protocol == 44;
    // Hop-by-hop, routing, destination options: length in units of eight octets beyond the first.
    const bool options = at.protocol == 0 || at.protocol == 43 || at.protocol == 60;
    if (!fragment && !options) return at;
    if (packet.size() < at.offset + 8) return std::nullopt;
    if (fragment && (load_big<std::uint16_t>(packet, at.offset + 2) & 0xfff8) != 0) {
      return std::nullopt;
    }
    const std::size_t size = fragment ? 8 : (std::size_t{packet[at.offset + 1]} + 1) * 8;
    at = {.protocol = packet[at.offset], .offset = at.offset + size};
  }
  return std::nullopt;
}

std::optional<QuotedPacket> read_quote6(IcmpOctets packet) {
  if (packet.size() < 40 || packet[0] >> 4 != 6) return std::nullopt;
  const auto behind = skip_extensions(packet);
  if (!behind || packet.size() < behind->offset + kQuotedTransportMin) return std::nullopt;
  const auto length = load_big<std::uint16_t>(packet, 4);
  const std::size_t end = std::min<std::size_t>(packet.size(), std::size_t{40} + length);
  if (end < behind->offset + kQuotedTransportMin) return std::nullopt;
  return QuotedPacket{.source = quoted_address6(packet, 8),
                      .destination = quoted_address6(packet, 24),
                      .protocol = behind->protocol,
                      .ttl = packet[7],
                      .ip_id = 0,
                      .length = length,
                      .transport = packet.subspan(behind->offset, end - behind->offset)};
}

void read_label_stack(IcmpOctets object, LabelStack& stack) {
  for (std::size_t at = 0; at + 4 <= object.size() && stack.size < kMplsLabelsMax; at += 4) {
    const auto entry = load_big<std::uint32_t>(object, at);
    stack.entries[stack.size++] = {.label = entry >> 12,
                                   .traffic_class = static_cast<std::uint8_t>(entry >> 9 & 7),
                                   .ttl = static_cast<std::uint8_t>(entry)};
    if ((entry & 0x100) != 0) return;  // bottom of the stack
  }
}

// Version 2, a checksum (zero: none was made), then objects of length, class and type.
LabelStack read_extension(IcmpOctets structure) {
  LabelStack stack;
  if (structure.size() < 8 || structure[0] >> 4 != 2) return stack;
  const bool has_checksum = load_big<std::uint16_t>(structure, 2) != 0;
  if (has_checksum && internet_checksum(structure) != 0) return stack;
  for (std::size_t at = 4; at + 4 <= structure.size();) {
    const auto length = load_big<std::uint16_t>(structure, at);
    if (length < 4 || at + length > structure.size()) return stack;
    const bool is_label_stack = structure[at + 2] == 1 && structure[at + 3] == 1;
    if (is_label_stack) read_label_stack(structure.subspan(at + 4, length - std::size_t{4}), stack);
    at += length;
  }
  return stack;
}

struct Halves {
  IcmpOctets quote;
  IcmpOctets extension;
};

// Where the quoted packet ends and the extension structure begins; `stated` is the length attribute
// in octets, zero of those who know no RFC 4884.
Halves split(IcmpOctets body, std::size_t stated) {
  const std::size_t quote = stated == 0 ? kQuoteOctetsBefore4884 : stated;
  if (body.size() <= quote) return {.quote = body, .extension = {}};
  const IcmpOctets extension = body.subspan(quote);
  if (stated != 0) return {.quote = body.first(quote), .extension = extension};
  // An old quote of 128 octets with an extension, or simply a long quote: what looks like an
  // extension and has a right checksum is one.
  const bool extended = extension.size() >= 8 && extension[0] >> 4 == 2 &&
                        load_big<std::uint16_t>(extension, 2) != 0 &&
                        internet_checksum(extension) == 0;
  return extended ? Halves{.quote = body.first(quote), .extension = extension}
                  : Halves{.quote = body, .extension = {}};
}

}  // namespace

std::optional<IcmpError> read_icmp4_error(IcmpOctets icmp) {
  if (icmp.size() < kIcmpHeader || internet_checksum(icmp) != 0) return std::nullopt;
  const auto kind = kind_of_icmp4(icmp[0], icmp[1]);
  if (!kind) return std::nullopt;
  const std::size_t stated = std::size_t{icmp[5]} * 4;
  const Halves halves = split(icmp.subspan(kIcmpHeader), stated);
  const auto quote = read_quote4(halves.quote);
  if (!quote) return std::nullopt;
  const std::uint32_t mtu =
      *kind == IcmpErrorKind::too_big ? load_big<std::uint16_t>(icmp, 6) : std::uint32_t{0};
  return IcmpError{
      .kind = *kind, .mtu = mtu, .quote = *quote, .labels = read_extension(halves.extension)};
}

std::optional<IcmpError> read_icmp6_error(IcmpOctets icmp) {
  if (icmp.size() < kIcmpHeader) return std::nullopt;
  const auto kind = kind_of_icmp6(icmp[0], icmp[1]);
  if (!kind) return std::nullopt;
  // There is a length in all but Packet Too Big, whose MTU takes its place.
  const std::size_t stated = *kind == IcmpErrorKind::too_big ? 0 : std::size_t{icmp[4]} * 8;
  const Halves halves = split(icmp.subspan(kIcmpHeader), stated);
  const auto quote = read_quote6(halves.quote);
  if (!quote) return std::nullopt;
  const std::uint32_t mtu =
      *kind == IcmpErrorKind::too_big ? load_big<std::uint32_t>(icmp, 4) : std::uint32_t{0};
  return IcmpError{
      .kind = *kind, .mtu = mtu, .quote = *quote, .labels = read_extension(halves.extension)};
}

}  // namespace linkpilot::prober
