// An RTMP message as the chunk layer sees it: a header, and a body that is somebody else's
// business. Sources of all numbers in this folder, unless another is named: Adobe, "RTMP
// Specification 1.0" (2012), here "RTMP"; Veovera, "Enhanced RTMP v2", here "E-RTMP".
#pragma once

#include <cstdint>

namespace linkpilot::rtmp {

// RTMP 5.4 and 7.1. Any other number may arrive; a message of unknown type is skipped.
enum class MessageType : std::uint8_t {
  set_chunk_size = 1,
  abort = 2,
  acknowledgement = 3,
  user_control = 4,
  window_ack_size = 5,
  set_peer_bandwidth = 6,
  audio = 8,
  video = 9,
  data_amf3 = 15,
  command_amf3 = 17,
  data_amf0 = 18,
  command_amf0 = 20,
  aggregate = 22,
};

// RTMP 7.1.7, and 31/32 which FMS sends beyond the document.
enum class UserControl : std::uint16_t {
  stream_begin = 0,
  stream_eof = 1,
  stream_dry = 2,
  set_buffer_length = 3,
  stream_is_recorded = 4,
  ping_request = 6,
  ping_response = 7,
  buffer_empty = 31,
  buffer_ready = 32,
};

struct MessageHeader {
  MessageType type = MessageType::command_amf0;
  std::uint32_t octets = 0;        // of the body; at most 0xffffff on the wire
  std::uint32_t timestamp_ms = 0;  // modulo 2^32
  std::uint32_t stream = 0;        // the message stream, 0 is the connection itself
  std::uint32_t chunk_stream = 0;  // 2..65599

  friend bool operator==(const MessageHeader&, const MessageHeader&) = default;
};

constexpr std::uint32_t kChunkOctetsDefault = 128;      // RTMP 5.4.1
constexpr std::uint32_t kMessageOctetsMax = 0xffffff;   // a 24-bit length
constexpr std::uint32_t kExtendedTimestamp = 0xffffff;  // "the 32 bits follow", RTMP 5.3.1.3
constexpr std::uint32_t kChunkStreamMax = 65599;        // RTMP 5.3.1.1

}  // namespace linkpilot::rtmp
