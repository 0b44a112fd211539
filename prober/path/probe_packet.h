// The packets a trace sends, whole, from the IP header on. Pure.
//
// What routers balance by stays the same for all probes of a flow, hop after hop and round after
// round: protocol, addresses, ports, DSCP and, in IPv6, the flow label; for ICMP also type, code,
// checksum, identifier and sequence. What tells probes apart is beside it:
//   - IPv4: the identification of the IP header. It stands in the shortest quote a router may send,
//     and NAT leaves it alone (DF is set, or a router might renumber).
//   - IPv6: the payload length, for there is no identification; of TCP the sequence number, for a
//     SYN carries nothing.
//   - all: eight octets of payload (UDP, ICMP) or the sequence number (TCP), made with a secret:
//     answers of the destination carry them, and so do long quotes. Who does not see our packets
//     cannot make them up.
// Two balancing octets behind these keep the checksum of UDP and ICMP at a value of the flow, so a
// quote with another one went through a NAT. Sources: RFC 791, 8200, 768, 9293, 792, 4443; B.
// Augustin et al., "Avoiding traceroute anomalies with Paris traceroute", IMC 2006 (flows).
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string_view>
#include <vector>

#include "base/address.h"

namespace linkpilot::prober {

enum class PathProtocol : std::uint8_t { udp, tcp, icmp };
[[nodiscard]] std::string_view to_string(PathProtocol protocol);

struct PathFlow {
  PathProtocol protocol = PathProtocol::udp;
  IpAddress source;
  IpAddress destination;
  std::uint16_t source_port = 0;       // of ICMP the identifier
  std::uint16_t destination_port = 0;  // of ICMP the sequence number
  std::uint8_t dscp = 0;

  [[nodiscard]] std::uint8_t ip_protocol() const;  // as on the wire
  [[nodiscard]] std::uint16_t checksum() const;    // of its UDP and ICMP probes; never zero
  [[nodiscard]] std::uint32_t flow_label() const;  // 20 bits, never zero
};

// Sequence numbers of a trace's probes as they stand on the wire, and back.
class ProbeIds {
 public:
  explicit ProbeIds(std::uint64_t secret) : secret_(secret) {}

  [[nodiscard]] std::uint16_t ip_id(std::uint32_t sequence) const;
  [[nodiscard]] std::uint32_t tag() const { return static_cast<std::uint32_t>(secret_ >> 32); }
  [[nodiscard]] std::uint32_t code(std::uint32_t sequence) const;
  [[nodiscard]] std::uint32_t sequence_of_code(std::uint32_t code) const;
  // The newest sequence below `next` with this identification. Zero is no identification: the
  // kernel would fill it in, so the caller leaves such sequences out.
  [[nodiscard]] std::optional<std::uint32_t> sequence_of_ip_id(std::uint16_t ip_id,
                                                               std::uint32_t next) const;

 private:
  std::uint64_t secret_;
};

inline constexpr std::size_t kTokenOctets = 8;          // tag and code
inline constexpr std::size_t kProbePayload = 16;        // of UDP and ICMP: token, balance, zeros
inline constexpr std::uint32_t kPayloadLengths = 1024;  // in IPv6: so many payload lengths
inline constexpr std::size_t kPacketOctetsMax = 9216;   // the largest probe, for MTU searches
inline constexpr std::uint8_t kIpProtocolIcmp = 1;
inline constexpr std::uint8_t kIpProtocolTcp = 6;
inline constexpr std::uint8_t kIpProtocolUdp = 17;
inline constexpr std::uint8_t kIpProtocolIcmp6 = 58;

struct ProbeSpec {
  PathFlow flow;
  std::uint32_t sequence = 0;
  std::uint8_t ttl = 0;
  // The whole packet's size; zero: the least. Not for TCP.
  std::size_t size = 0;
};

// The payload's size of an IPv6 probe (UDP, ICMP) behind its UDP or ICMP header.
[[nodiscard]] std::size_t v6_payload_size(std::uint32_t sequence);
// Likewise back: the newest sequence below `next` with this size of UDP or ICMP and payload.
[[nodiscard]] std::optional<std::uint32_t> sequence_of_v6_length(std::uint16_t ip_payload_length,
                                                                 std::uint32_t next);

// The least size of an IPv4 or IPv6 probe.
[[nodiscard]] std::size_t least_probe_size(const PathFlow& flow);

// Writes the packet into `out`, which is resized.
void build_probe(const ProbeSpec& spec, const ProbeIds& ids, std::vector<std::uint8_t>& out);

}  // namespace linkpilot::prober
