// Between values (base/) and bytes (Cap'n Proto): the only door. Encoding cannot fail for values
// within their stated limits; decoding bounds traversal, nesting and list sizes before it
// allocates, catches what the library throws, skips unknown union members and names what was wrong.
//
// `bytes` must be 8-byte aligned and a multiple of 8 long; message_socket.h delivers them so, and a
// misaligned span is an error, not undefined behaviour.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "base/message.h"
#include "base/result.h"

namespace linkpilot::schemas {

using Octets = std::vector<std::uint8_t>;

[[nodiscard]] Octets encode(const AgentMessage& message);
[[nodiscard]] Octets encode(const CollectorMessage& message);
[[nodiscard]] Result<AgentMessage> decode_agent_message(std::span<const std::uint8_t> bytes);
// The same into a message whose memory is used again, for who decodes a million samples a second.
// After a failure `message` is valid, and of no use.
[[nodiscard]] Status decode_agent_message_into(std::span<const std::uint8_t> bytes,
                                               AgentMessage& message);
// A Report, or a ReportsGone, which must stay in order among them. False for what is no message.
[[nodiscard]] bool is_report_word(std::span<const std::uint8_t> bytes);
[[nodiscard]] Result<CollectorMessage> decode_collector_message(
    std::span<const std::uint8_t> bytes);

}  // namespace linkpilot::schemas
