#include "prober/path/probe_match.h"

#include "prober/stamp/bytes.h"

namespace linkpilot::prober {
namespace {

// The token of a quoted datagram: right, wrong, or not quoted. Routers that fill short quotes up
// with zeros (RFC 4884 s4) quote none.
enum class QuotedToken : std::uint8_t { absent, right, wrong };

QuotedToken quoted_token(const QuotedPacket& quote, std::uint32_t sequence, const ProbeIds& ids) {
  if (quote.transport.size() < 8 + kTokenOctets) return QuotedToken::absent;
  const auto tag = load_big<std::uint32_t>(quote.transport, 8);
  const auto code = load_big<std::uint32_t>(quote.transport, 12);
  if (tag == 0 && code == 0) return QuotedToken::absent;
  return tag == ids.tag() && code == ids.code(sequence) ? QuotedToken::right : QuotedToken::wrong;
}

Fit fit_of_datagram(const QuotedPacket& quote, const PathFlow& flow, std::uint32_t sequence,
                    std::size_t octets, const ProbeIds& ids) {
  const bool v4 = flow.destination.is_v4();
  const bool udp = flow.protocol == PathProtocol::udp;
  const std::size_t sent = octets - (v4 ? 20 : 40);  // without the IP header
  const QuotedToken token = quoted_token(quote, sequence, ids);
  if (token == QuotedToken::wrong) return {};
  bool same_target = quote.destination == flow.destination;
  if (udp) {
    if (load_big<std::uint16_t>(quote.transport, 4) != sent) return {};
    same_target =
        same_target && load_big<std::uint16_t>(quote.transport, 2) == flow.destination_port;
  } else {
    if (quote.transport[0] != (v4 ? 8 : 128) || quote.transport[1] != 0) return {};
    if (load_big<std::uint16_t>(quote.transport, 6) != flow.destination_port) return {};
  }
  if (!same_target && token != QuotedToken::right) return {};
  const bool same_port = load_big<std::uint16_t>(quote.transport, udp ? 0 : 4) == flow.source_port;
  const bool same_checksum =
      load_big<std::uint16_t>(quote.transport, udp ? 6 : 2) == flow.checksum();
  return {.ours = true,
          .nat = !same_target || !same_port || !same_checksum || quote.source != flow.source};
}

Fit fit_of_syn(const QuotedPacket& quote, const PathFlow& flow, std::uint32_t sequence,
               const ProbeIds& ids) {
  if (load_big<std::uint32_t>(quote.transport, 4) != ids.code(sequence)) return {};
  const bool same_port = load_big<std::uint16_t>(quote.transport, 0) == flow.source_port;
  const bool same_target = quote.destination == flow.destination &&
                           load_big<std::uint16_t>(quote.transport, 2) == flow.destination_port;
  return {.ours = true, .nat = !same_port || !same_target || quote.source != flow.source};
}

bool is_reply_to(const PathAnswer& answer, PathProtocol protocol) {
  switch (answer.kind) {
    case AnswerKind::echo_reply:
      return protocol == PathProtocol::icmp;
    case AnswerKind::udp_reply:
      return protocol == PathProtocol::udp;
    case AnswerKind::tcp_reply:
      return protocol == PathProtocol::tcp;
    case AnswerKind::error:
      return false;
  }
  return false;
}

}  // namespace

std::optional<std::uint32_t> claimed_sequence(const PathAnswer& answer, const ProbeIds& ids,
                                              std::uint32_t next) {
  if (!answer.error) return ids.sequence_of_code(answer.code);
  const QuotedPacket& quote = answer.error->quote;
  if (quote.destination.is_v4()) return ids.sequence_of_ip_id(quote.ip_id, next);
  if (quote.protocol == kIpProtocolTcp) {
    return ids.sequence_of_code(load_big<std::uint32_t>(quote.transport, 4));
  }
  // The token says more than a length, and IPv6 routers quote it nearly always.
  if (quote.transport.size() >= 8 + kTokenOctets &&
      load_big<std::uint32_t>(quote.transport, 8) == ids.tag()) {
    return ids.sequence_of_code(load_big<std::uint32_t>(quote.transport, 12));
  }
  return sequence_of_v6_length(quote.length, next);
}

Fit fits(const PathAnswer& answer, const PathFlow& flow, std::uint32_t sequence, std::size_t octets,
         const ProbeIds& ids) {
  if (answer.error) {
    const QuotedPacket& quote = answer.error->quote;
    if (quote.protocol != flow.ip_protocol()) return {};
    if (quote.destination.is_v4() != flow.destination.is_v4()) return {};
    return flow.protocol == PathProtocol::tcp ? fit_of_syn(quote, flow, sequence, ids)
                                              : fit_of_datagram(quote, flow, sequence, octets, ids);
  }
  const bool tagged = answer.kind == AnswerKind::tcp_reply || answer.tag == ids.tag();
  return {.ours = tagged && is_reply_to(answer, flow.protocol) &&
                  answer.source == flow.destination && answer.source_port == flow.source_port &&
                  answer.destination_port == flow.destination_port &&
                  answer.code == ids.code(sequence),
          .nat = false};
}

}  // namespace linkpilot::prober
