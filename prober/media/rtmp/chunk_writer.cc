#include "prober/media/rtmp/chunk_writer.h"

#include <algorithm>

#include "base/assert.h"

namespace linkpilot::rtmp {
namespace {

void put_big(std::vector<std::uint8_t>& out, std::uint32_t value, int octets) {
  for (int shift = 8 * (octets - 1); shift >= 0; shift -= 8) {
    out.push_back(static_cast<std::uint8_t>(value >> shift));
  }
}

bool carries_media(MessageType type) {
  return type == MessageType::audio || type == MessageType::video || type == MessageType::data_amf0;
}

}  // namespace

void ChunkWriter::write(MessageHeader message, std::span<const std::uint8_t> body,
                        std::vector<std::uint8_t>& out) {
  LP_ASSERT(message.chunk_stream >= 2 && message.chunk_stream < last_.size());
  LP_ASSERT(body.size() <= kMessageOctetsMax);
  Last& last = last_[message.chunk_stream];
  const std::uint32_t delta = message.timestamp_ms - last.timestamp_ms;
  // A step of 2^31 or more, modulo 2^32, is a step back.
  const bool relative = carries_media(message.type) && last.known &&
                        last.stream == message.stream && delta < kExtendedTimestamp;
  const std::uint32_t time = relative ? delta : message.timestamp_ms;
  const bool extended = time >= kExtendedTimestamp;
  out.push_back(static_cast<std::uint8_t>((relative ? 0x40U : 0U) | message.chunk_stream));
  put_big(out, extended ? kExtendedTimestamp : time, 3);
  put_big(out, static_cast<std::uint32_t>(body.size()), 3);
  out.push_back(static_cast<std::uint8_t>(message.type));
  if (!relative) {
    for (int shift = 0; shift < 32; shift += 8) {  // little-endian, RTMP 5.3.1.2.1
      out.push_back(static_cast<std::uint8_t>(message.stream >> shift));
    }
  }
  if (extended) put_big(out, time, 4);
  while (true) {
    const std::size_t octets = std::min<std::size_t>(body.size(), chunk_octets_);
    out.insert(out.end(), body.begin(), body.begin() + static_cast<std::ptrdiff_t>(octets));
    body = body.subspan(octets);
    if (body.empty()) break;
    out.push_back(static_cast<std::uint8_t>(0xc0U | message.chunk_stream));
    if (extended) put_big(out, time, 4);
  }
  last = {.known = true, .timestamp_ms = message.timestamp_ms, .stream = message.stream};
}

}  // namespace linkpilot::rtmp
