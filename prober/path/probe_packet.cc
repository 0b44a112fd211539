#include "prober/path/probe_packet.h"

#include <algorithm>
#include <cstring>

#include "base/assert.h"
#include "prober/path/checksum.h"
#include "prober/stamp/bytes.h"

namespace linkpilot::prober {
namespace {

constexpr std::size_t kIpv4Header = 20;
constexpr std::size_t kIpv6Header = 40;
constexpr std::size_t kUdpHeader = 8;   // and that of an ICMP echo
constexpr std::size_t kTcpHeader = 24;  // with the option of the segment size
constexpr std::uint16_t kDontFragment = 0x4000;
constexpr std::uint16_t kSynHeaderFlags = 6 << 12 | 0x002;  // data offset of six words, SYN
constexpr std::uint16_t kTcpWindow = 64240;
constexpr std::uint8_t kEchoRequest = 8;
constexpr std::uint8_t kEchoRequest6 = 128;
// Odd, so that multiplying is undone by the inverse modulo 2^32.
constexpr std::uint32_t kCodeFactor = 0x9e3779b1;

constexpr std::uint32_t inverse_of(std::uint32_t odd) {
  std::uint32_t inverse = odd;  // right in three bits; each step of Newton's doubles them
  for (int step = 0; step < 5; ++step) inverse *= 2 - odd * inverse;
  return inverse;
}
static_assert(inverse_of(kCodeFactor) * kCodeFactor == 1);

std::uint32_t pseudo_header_sum(const PathFlow& flow, std::size_t transport_octets) {
  const std::span<const std::uint8_t> source(flow.source.octets);
  const std::span<const std::uint8_t> destination(flow.destination.octets);
  const std::size_t skip = flow.destination.is_v4() ? 12 : 0;
  std::uint32_t sum = ones_sum(source.subspan(skip));
  sum = ones_sum(destination.subspan(skip), sum);
  const std::array<std::uint8_t, 4> rest = {0, flow.ip_protocol(),
                                            static_cast<std::uint8_t>(transport_octets >> 8),
                                            static_cast<std::uint8_t>(transport_octets)};
  return ones_sum(rest, sum);
}

bool has_pseudo_header(const PathFlow& flow) {
  return flow.protocol != PathProtocol::icmp || !flow.destination.is_v4();
}

void write_ipv4(const ProbeSpec& spec, const ProbeIds& ids, std::span<std::uint8_t> packet) {
  packet[0] = 0x45;
  packet[1] = static_cast<std::uint8_t>(spec.flow.dscp << 2);
  store_big(packet, 2, static_cast<std::uint16_t>(packet.size()));
  store_big(packet, 4, ids.ip_id(spec.sequence));
  store_big(packet, 6, kDontFragment);
  packet[8] = spec.ttl;
  packet[9] = spec.flow.ip_protocol();
  std::copy_n(spec.flow.source.octets.begin() + 12, 4, packet.begin() + 12);
  std::copy_n(spec.flow.destination.octets.begin() + 12, 4, packet.begin() + 16);
  store_big(packet, 10, internet_checksum(packet.first(kIpv4Header)));
}

void write_ipv6(const ProbeSpec& spec, std::span<std::uint8_t> packet) {
  const std::uint32_t traffic_class = std::uint32_t{spec.flow.dscp} << 2;
  store_big(packet, 0, 6U << 28 | traffic_class << 20 | spec.flow.flow_label());
  store_big(packet, 4, static_cast<std::uint16_t>(packet.size() - kIpv6Header));
  packet[6] = spec.flow.ip_protocol();
  packet[7] = spec.ttl;
  std::ranges::copy(spec.flow.source.octets, packet.begin() + 8);
  std::ranges::copy(spec.flow.destination.octets, packet.begin() + 24);
}

// UDP and ICMP echo alike: eight octets of header, the token, the balance. The balance makes the
// checksum what the flow wants: sum + balance = ~checksum, in ones' complement.
void write_datagram(const ProbeSpec& spec, const ProbeIds& ids, std::span<std::uint8_t> bytes) {
  const PathFlow& flow = spec.flow;
  const bool udp = flow.protocol == PathProtocol::udp;
  if (udp) {
    store_big(bytes, 0, flow.source_port);
    store_big(bytes, 2, flow.destination_port);
    store_big(bytes, 4, static_cast<std::uint16_t>(bytes.size()));
  } else {
    bytes[0] = flow.destination.is_v4() ? kEchoRequest : kEchoRequest6;
    store_big(bytes, 4, flow.source_port);
    store_big(bytes, 6, flow.destination_port);
  }
  store_big(bytes, kUdpHeader, ids.tag());
  store_big(bytes, kUdpHeader + 4, ids.code(spec.sequence));
  const std::uint32_t pseudo = has_pseudo_header(flow) ? pseudo_header_sum(flow, bytes.size()) : 0;
  const std::uint32_t sum = ones_sum(bytes, pseudo);
  const std::uint32_t wanted = ~std::uint32_t{flow.checksum()} & 0xffff;
  const std::uint32_t balance = wanted + (~sum & 0xffff);
  store_big(bytes, kUdpHeader + kTokenOctets,
            static_cast<std::uint16_t>((balance & 0xffff) + (balance >> 16)));
  store_big(bytes, udp ? 6 : 2, flow.checksum());
}

void write_syn(const ProbeSpec& spec, const ProbeIds& ids, std::span<std::uint8_t> bytes) {
  const PathFlow& flow = spec.flow;
  store_big(bytes, 0, flow.source_port);
  store_big(bytes, 2, flow.destination_port);
  store_big(bytes, 4, ids.code(spec.sequence));
  store_big(bytes, 12, kSynHeaderFlags);
  store_big(bytes, 14, kTcpWindow);
  const std::uint16_t segment = flow.destination.is_v4() ? 1460 : 1440;
  store_big(bytes, 20, 2U << 24 | 4U << 16 | segment);
  store_big(bytes, 16, internet_checksum(bytes, pseudo_header_sum(flow, bytes.size())));
}

}  // namespace

std::string_view to_string(PathProtocol protocol) {
  switch (protocol) {
    case PathProtocol::udp:
      return "udp";
    case PathProtocol::tcp:
      return "tcp";
    case PathProtocol::icmp:
      return "icmp";
  }
  return "udp";
}

std::uint8_t PathFlow::ip_protocol() const {
  if (protocol == PathProtocol::udp) return kIpProtocolUdp;
  if (protocol == PathProtocol::tcp) return kIpProtocolTcp;
  return destination.is_v4() ? kIpProtocolIcmp : kIpProtocolIcmp6;
}

// Some value that differs between neighbouring flows; zero would mean "none" to UDP, and ffff is
// another way to write it.
std::uint16_t PathFlow::checksum() const {
  const auto mixed = static_cast<std::uint16_t>(source_port * 31 ^ destination_port);
  return mixed == 0 || mixed == 0xffff ? 1 : mixed;
}

std::uint32_t PathFlow::flow_label() const {
  const std::uint32_t ports = std::uint32_t{source_port} << 16 | destination_port;
  const std::uint32_t label = (ports * kCodeFactor) >> 12;
  return label == 0 ? 1 : label;
}

std::uint16_t ProbeIds::ip_id(std::uint32_t sequence) const {
  return static_cast<std::uint16_t>(sequence + (secret_ & 0xffff));
}

std::uint32_t ProbeIds::code(std::uint32_t sequence) const {
  return static_cast<std::uint32_t>(secret_) + sequence * kCodeFactor;
}

std::uint32_t ProbeIds::sequence_of_code(std::uint32_t code) const {
  return (code - static_cast<std::uint32_t>(secret_)) * inverse_of(kCodeFactor);
}

std::optional<std::uint32_t> ProbeIds::sequence_of_ip_id(std::uint16_t id,
                                                         std::uint32_t next) const {
  const auto back = static_cast<std::uint16_t>(ip_id(next) - id);
  const std::uint32_t distance = back == 0 ? 0x10000 : back;
  if (distance > next) return std::nullopt;
  return next - distance;
}

std::size_t v6_payload_size(std::uint32_t sequence) {
  return kProbePayload + sequence % kPayloadLengths;
}

std::optional<std::uint32_t> sequence_of_v6_length(std::uint16_t ip_payload_length,
                                                   std::uint32_t next) {
  const std::size_t least = kUdpHeader + kProbePayload;
  if (ip_payload_length < least || ip_payload_length >= least + kPayloadLengths) {
    return std::nullopt;
  }
  const auto residue = static_cast<std::uint32_t>(ip_payload_length - least);
  std::uint32_t distance = (next - residue) % kPayloadLengths;
  if (distance == 0) distance = kPayloadLengths;
  if (distance > next) return std::nullopt;
  return next - distance;
}

std::size_t least_probe_size(const PathFlow& flow) {
  const std::size_t header = flow.destination.is_v4() ? kIpv4Header : kIpv6Header;
  return header + (flow.protocol == PathProtocol::tcp ? kTcpHeader : kUdpHeader + kProbePayload);
}

void build_probe(const ProbeSpec& spec, const ProbeIds& ids, std::vector<std::uint8_t>& out) {
  const PathFlow& flow = spec.flow;
  const bool v4 = flow.destination.is_v4();
  const std::size_t header = v4 ? kIpv4Header : kIpv6Header;
  const std::size_t least = least_probe_size(flow);
  std::size_t size = std::max(least, spec.size);
  if (flow.protocol == PathProtocol::tcp) {
    size = least;
  } else if (!v4 && spec.size == 0) {
    size = header + kUdpHeader + v6_payload_size(spec.sequence);
  }
  LP_ASSERT(size <= kPacketOctetsMax);
  out.assign(size, 0);
  const std::span<std::uint8_t> packet(out);
  if (v4) {
    write_ipv4(spec, ids, packet);
  } else {
    write_ipv6(spec, packet);
  }
  if (flow.protocol == PathProtocol::tcp) {
    write_syn(spec, ids, packet.subspan(header));
  } else {
    write_datagram(spec, ids, packet.subspan(header));
  }
}

}  // namespace linkpilot::prober
