// What came back on a raw socket: an ICMP error about some packet, or an answer of some host. Pure;
// whether it is about us is decided in probe_match.h.
#pragma once

#include <cstdint>
#include <optional>
#include <span>

#include "base/address.h"
#include "base/time.h"
#include "prober/path/icmp_error.h"
#include "prober/path/probe_packet.h"

namespace linkpilot::prober {

// As a raw socket gives it: of IPv4 with the IP header, of IPv6 without.
struct ReceivedPacket {
  std::span<const std::uint8_t> bytes;
  PathProtocol protocol = PathProtocol::icmp;  // of the socket
  bool is_v4 = true;
  IpAddress source = {};  // told by the kernel
  std::uint8_t ttl = 0;   // likewise, of IPv6
  UnixNanos received{};   // kernel stamp; zero: none
};

enum class AnswerKind : std::uint8_t { error, echo_reply, udp_reply, tcp_reply };

struct PathAnswer {
  AnswerKind kind = AnswerKind::error;
  IpAddress source;
  std::uint8_t ttl = 0;  // of the answer itself, as it arrived
  std::optional<IcmpError> error;
  // Of replies: their ports (of an echo identifier and sequence, in the order of the request), and
  // our token: of TCP its code alone.
  std::uint16_t source_port = 0;
  std::uint16_t destination_port = 0;
  std::uint32_t tag = 0;
  std::uint32_t code = 0;
};

// Nothing: malformed, or no answer to anything a trace sends.
[[nodiscard]] std::optional<PathAnswer> read_answer(const ReceivedPacket& packet);

}  // namespace linkpilot::prober
