#include "schemas/codec.h"

#include <capnp/message.h>
#include <capnp/serialize.h>
#include <kj/exception.h>

#include <algorithm>
#include <cstring>
#include <exception>
#include <type_traits>

#include "schemas/message_codec.h"
#include "schemas/wire_values.h"

namespace linkpilot::schemas {
namespace {

constexpr int kNestingMax = 16;  // ours nest 5 deep: message, plan, nodes, ports, text
// Each word is read once; the rest is for roots and empty lists, which cost a word each.
constexpr std::uint64_t kTraversalExtraWords = 64;

Octets to_octets(capnp::MallocMessageBuilder& builder) {
  const kj::Array<capnp::word> words = capnp::messageToFlatArray(builder);
  const kj::ArrayPtr<const kj::byte> bytes = words.asBytes();
  return {bytes.begin(), bytes.end()};
}

// Runs `read` on the message's root with every bound set, and names what went wrong.
template <typename Wire, typename Message, typename Read>
Result<Message> decode(std::span<const std::uint8_t> bytes, Read read_root) {
  if (reinterpret_cast<std::uintptr_t>(bytes.data()) % alignof(capnp::word) != 0) {
    return fail(ErrorCode::invalid_argument, "a message does not lie on an 8-byte boundary");
  }
  if (bytes.empty() || bytes.size() % sizeof(capnp::word) != 0) {
    return fail(ErrorCode::corrupt, "a message's length is not a multiple of 8 octets");
  }
  if (bytes.size() > kMessageBytesMax) {
    return fail(ErrorCode::limit_exceeded,
                "a message is larger than " + std::to_string(kMessageBytesMax) + " octets");
  }
  const kj::ArrayPtr<const capnp::word> words(reinterpret_cast<const capnp::word*>(bytes.data()),
                                              bytes.size() / sizeof(capnp::word));
  capnp::ReaderOptions options;
  options.traversalLimitInWords = words.size() + kTraversalExtraWords;
  options.nestingLimit = kNestingMax;
  try {
    capnp::FlatArrayMessageReader reader(words, options);
    if (reader.getEnd() != words.end()) refuse("a message is followed by other octets");
    const typename Wire::Reader root = reader.template getRoot<Wire>();
    if (root.getSchemaVersion() == 0) refuse("a message has no schema version");
    return read_root(root);
  } catch (const MessageError& refused) {
    return fail(refused.error);
  } catch (const kj::Exception& broken) {
    return fail(ErrorCode::corrupt, std::string("a message is broken: ") +
                                        std::string(broken.getDescription().cStr()).substr(0, 200));
  } catch (const std::exception& broken) {
    return fail(ErrorCode::corrupt, std::string("a message is broken: ") + broken.what());
  }
}

[[noreturn]] void refuse_kind(unsigned kind) {
  refuse(ErrorCode::invalid_argument, "unknown message kind " + std::to_string(kind));
}

void write_body(const Hello& value, wire::AgentMessage::Builder out) {
  write(value, out.initHello());
}
void write_body(const Report& value, wire::AgentMessage::Builder out) {
  write(value, out.initReport());
}
void write_body(const Alarm& value, wire::AgentMessage::Builder out) {
  write(value, out.initAlarm());
}
void write_body(const TableAck& value, wire::AgentMessage::Builder out) {
  write(value, out.initTableAck());
}
void write_body(const PlanAck& value, wire::AgentMessage::Builder out) {
  write(value, out.initPlanAck());
}
void write_body(const Ping& value, wire::AgentMessage::Builder out) {
  write(value, out.initPing());
}
void write_body(const ProbeResult& value, wire::AgentMessage::Builder out) {
  write(value, out.initProbeResult());
}
void write_body(const ReportsGone& value, wire::AgentMessage::Builder out) {
  write(value, out.initReportsGone());
}
void write_body(const AgentStatus& value, wire::AgentMessage::Builder out) {
  write(value, out.initStatus());
}
void write_body(const Bye& value, wire::AgentMessage::Builder out) { write(value, out.initBye()); }

void write_body(const Welcome& value, wire::CollectorMessage::Builder out) {
  write(value, out.initWelcome());
}
void write_body(const ReportAck& value, wire::CollectorMessage::Builder out) {
  write(value, out.initReportAck());
}
void write_body(const Plan& value, wire::CollectorMessage::Builder out) {
  write(value, out.initPlan());
}
void write_body(const SignedTable& value, wire::CollectorMessage::Builder out) {
  write(value, out.initSignedTable());
}
void write_body(const Pong& value, wire::CollectorMessage::Builder out) {
  write(value, out.initPong());
}
void write_body(const ProbeRequest& value, wire::CollectorMessage::Builder out) {
  write(value, out.initProbeRequest());
}
void write_body(const Refused& value, wire::CollectorMessage::Builder out) {
  write(value, out.initRefused());
}
void write_body(const ResendFrom& value, wire::CollectorMessage::Builder out) {
  write(value, out.initResendFrom());
}
void write_body(const ByeAck& value, wire::CollectorMessage::Builder out) {
  write(value, out.initByeAck());
}
void write_body(const PeerAway& value, wire::CollectorMessage::Builder out) {
  write(value, out.initPeerAway());
}

// About how many words a body takes: a first segment of that size makes the message one segment.
template <typename Body>
std::size_t words_hint(const Body& body) {
  if constexpr (std::is_same_v<Body, Report>) {
    return 64 + body.links.size() * 16 + body.streams.size() * 16 + body.events.size() * 32;
  } else if constexpr (std::is_same_v<Body, Plan>) {
    return 64 + body.nodes.size() * 64 + body.links.size() * 16;
  } else if constexpr (std::is_same_v<Body, SignedTable>) {
    return 64 + body.body.size() / sizeof(capnp::word);
  } else {
    return 128;
  }
}

template <typename Wire, typename Message>
Octets encode_message(const Message& message) {
  const std::size_t hint = std::visit([](const auto& body) { return words_hint(body); }, message);
  capnp::MallocMessageBuilder builder(static_cast<unsigned>(hint));
  auto root = builder.initRoot<Wire>();
  root.setSchemaVersion(kSchemaVersion);
  std::visit([&](const auto& body) { write_body(body, root); }, message);
  return to_octets(builder);
}

ReportId read_id(wire::ReportId::Reader in) { return {in.getEpoch(), in.getSequence()}; }

AgentMessage read_agent_message(wire::AgentMessage::Reader in) {
  switch (in.which()) {
    case wire::AgentMessage::HELLO:
      return read(in.getHello());
    case wire::AgentMessage::REPORT:
      return read(in.getReport());
    case wire::AgentMessage::ALARM:
      return read(in.getAlarm());
    case wire::AgentMessage::TABLE_ACK:
      return read(in.getTableAck());
    case wire::AgentMessage::PLAN_ACK:
      return read(in.getPlanAck());
    case wire::AgentMessage::PING:
      return read(in.getPing());
    case wire::AgentMessage::PROBE_RESULT:
      return read(in.getProbeResult());
    case wire::AgentMessage::REPORTS_GONE:
      return ReportsGone{read_id(in.getReportsGone())};
    case wire::AgentMessage::STATUS:
      return read(in.getStatus());
    case wire::AgentMessage::BYE:
      return read(in.getBye());
    case wire::AgentMessage::UNSPECIFIED:
      break;
  }
  refuse_kind(in.which());
}

CollectorMessage read_collector_message(wire::CollectorMessage::Reader in) {
  switch (in.which()) {
    case wire::CollectorMessage::WELCOME:
      return read(in.getWelcome());
    case wire::CollectorMessage::REPORT_ACK:
      return read(in.getReportAck());
    case wire::CollectorMessage::PLAN:
      return read(in.getPlan());
    case wire::CollectorMessage::SIGNED_TABLE:
      return read(in.getSignedTable());
    case wire::CollectorMessage::PONG:
      return read(in.getPong());
    case wire::CollectorMessage::PROBE_REQUEST:
      return read(in.getProbeRequest());
    case wire::CollectorMessage::REFUSED:
      return read(in.getRefused());
    case wire::CollectorMessage::RESEND_FROM:
      return ResendFrom{read_id(in.getResendFrom())};
    case wire::CollectorMessage::BYE_ACK:
      return read(in.getByeAck());
    case wire::CollectorMessage::PEER_AWAY:
      return read(in.getPeerAway());
    case wire::CollectorMessage::UNSPECIFIED:
      break;
  }
  refuse_kind(in.which());
}

}  // namespace

Octets encode(const AgentMessage& message) { return encode_message<wire::AgentMessage>(message); }

Octets encode(const CollectorMessage& message) {
  return encode_message<wire::CollectorMessage>(message);
}

Result<AgentMessage> decode_agent_message(std::span<const std::uint8_t> bytes) {
  return decode<wire::AgentMessage, AgentMessage>(bytes, read_agent_message);
}

Status decode_agent_message_into(std::span<const std::uint8_t> bytes, AgentMessage& message) {
  const Result<bool> read =
      decode<wire::AgentMessage, bool>(bytes, [&](wire::AgentMessage::Reader in) {
        if (in.which() != wire::AgentMessage::REPORT) {
          message = read_agent_message(in);
          return true;
        }
        if (!std::holds_alternative<Report>(message)) message = Report{};
        read_into(in.getReport(), std::get<Report>(message));
        return true;
      });
  return read ? Status{} : fail(read.error());
}

bool is_report_word(std::span<const std::uint8_t> bytes) {
  return decode<wire::AgentMessage, bool>(bytes,
                                          [](wire::AgentMessage::Reader in) {
                                            return in.which() == wire::AgentMessage::REPORT ||
                                                   in.which() == wire::AgentMessage::REPORTS_GONE;
                                          })
      .value_or(false);
}

Result<CollectorMessage> decode_collector_message(std::span<const std::uint8_t> bytes) {
  return decode<wire::CollectorMessage, CollectorMessage>(bytes, read_collector_message);
}

}  // namespace linkpilot::schemas
