#include "prober/path/answer.h"

#include "prober/path/checksum.h"
#include "prober/stamp/bytes.h"

namespace linkpilot::prober {
namespace {

using Octets = std::span<const std::uint8_t>;

constexpr std::size_t kEchoHeader = 8;
constexpr std::size_t kUdpHeaderSize = 8;
constexpr std::size_t kTcpHeaderMin = 20;
constexpr std::uint8_t kSyn = 0x02;
constexpr std::uint8_t kReset = 0x04;
constexpr std::uint8_t kAcknowledge = 0x10;

std::optional<PathAnswer> read_echo_reply(Octets icmp, PathAnswer answer, bool v4) {
  if (icmp.size() < kEchoHeader + kTokenOctets || icmp[0] != (v4 ? 0 : 129) || icmp[1] != 0) {
    return std::nullopt;
  }
  if (v4 && internet_checksum(icmp) != 0) return std::nullopt;
  answer.kind = AnswerKind::echo_reply;
  answer.source_port = load_big<std::uint16_t>(icmp, 4);
  answer.destination_port = load_big<std::uint16_t>(icmp, 6);
  answer.tag = load_big<std::uint32_t>(icmp, kEchoHeader);
  answer.code = load_big<std::uint32_t>(icmp, kEchoHeader + 4);
  return answer;
}

std::optional<PathAnswer> read_icmp(Octets icmp, PathAnswer answer, bool v4) {
  answer.error = v4 ? read_icmp4_error(icmp) : read_icmp6_error(icmp);
  if (answer.error) return answer;
  return read_echo_reply(icmp, answer, v4);
}

// A host that echoes what it is sent; any other answer says nothing about which probe it is to.
std::optional<PathAnswer> read_udp(Octets udp, PathAnswer answer) {
  if (udp.size() < kUdpHeaderSize + kTokenOctets) return std::nullopt;
  answer.kind = AnswerKind::udp_reply;
  answer.source_port = load_big<std::uint16_t>(udp, 2);
  answer.destination_port = load_big<std::uint16_t>(udp, 0);
  answer.tag = load_big<std::uint32_t>(udp, kUdpHeaderSize);
  answer.code = load_big<std::uint32_t>(udp, kUdpHeaderSize + 4);
  return answer;
}

// SYN and ACK, or a reset, which acknowledge our sequence number plus one.
std::optional<PathAnswer> read_tcp(Octets tcp, PathAnswer answer) {
  if (tcp.size() < kTcpHeaderMin) return std::nullopt;
  const std::uint8_t flags = tcp[13];
  if ((flags & kAcknowledge) == 0 || (flags & (kSyn | kReset)) == 0) return std::nullopt;
  answer.kind = AnswerKind::tcp_reply;
  answer.source_port = load_big<std::uint16_t>(tcp, 2);
  answer.destination_port = load_big<std::uint16_t>(tcp, 0);
  answer.code = load_big<std::uint32_t>(tcp, 8) - 1;
  return answer;
}

}  // namespace

std::optional<PathAnswer> read_answer(const ReceivedPacket& packet) {
  PathAnswer answer{.source = packet.source, .ttl = packet.ttl, .error = {}};
  Octets payload = packet.bytes;
  if (packet.is_v4) {
    if (payload.size() < 20 || payload[0] >> 4 != 4) return std::nullopt;
    const std::size_t header = std::size_t{payload[0] & 0x0fU} * 4;
    const auto length = load_big<std::uint16_t>(payload, 2);
    const bool fragment = (load_big<std::uint16_t>(payload, 6) & 0x3fff) != 0;
    if (header < 20 || length < header || payload.size() < length || fragment) return std::nullopt;
    answer.source = IpAddress::v4(payload[12], payload[13], payload[14], payload[15]);
    answer.ttl = payload[8];
    payload = payload.subspan(header, length - header);
  }
  switch (packet.protocol) {
    case PathProtocol::icmp:
      return read_icmp(payload, answer, packet.is_v4);
    case PathProtocol::udp:
      return read_udp(payload, answer);
    case PathProtocol::tcp:
      return read_tcp(payload, answer);
  }
  return std::nullopt;
}

}  // namespace linkpilot::prober
