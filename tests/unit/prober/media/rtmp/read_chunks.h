// Reads octets with a ChunkReader in steps of a given size and gathers the messages that come out.
#pragma once

#include <map>
#include <string>
#include <vector>

#include "prober/media/rtmp/chunk_reader.h"
#include "tests/support/rtmp_wire.h"

namespace linkpilot::rtmp {

struct ReadMessage {
  MessageHeader header;
  Bytes body;

  friend bool operator==(const ReadMessage&, const ReadMessage&) = default;
};

struct ChunkReading {
  std::vector<ReadMessage> messages;   // in the order in which they ended
  std::vector<std::uint32_t> aborted;  // chunk streams
  std::string failure;
};

inline ChunkReading read_chunks(ChunkReader& reader, std::span<const std::uint8_t> bytes,
                                std::size_t step) {
  ChunkReading reading;
  std::map<std::uint8_t, ReadMessage> open;
  while (!bytes.empty()) {
    std::span<const std::uint8_t> in = bytes.first(std::min(step, bytes.size()));
    bytes = bytes.subspan(in.size());
    while (const auto part = reader.next(in)) {
      if (part->aborted) {
        reading.aborted.push_back(part->message->chunk_stream);
        open.erase(part->slot);
        continue;
      }
      LP_ASSERT(part->begins == !open.contains(part->slot));
      ReadMessage& message = open[part->slot];
      if (part->begins) message.header = *part->message;
      LP_ASSERT(message.header == *part->message);
      message.body.insert(message.body.end(), part->body.begin(), part->body.end());
      if (!part->ends) continue;
      LP_ASSERT(message.body.size() == message.header.octets);
      reading.messages.push_back(std::move(message));
      open.erase(part->slot);
    }
    if (!reader.failure().empty()) break;
    LP_ASSERT(in.empty());
  }
  reading.failure = reader.failure();
  return reading;
}

// The same in steps of every small size and whole; all readings must agree.
inline ChunkReading read_chunks(const Bytes& bytes) {
  ChunkReader whole;
  ChunkReading reading = read_chunks(whole, bytes, bytes.size());
  for (const std::size_t step : {1, 2, 3, 4, 5, 7, 11, 13, 64}) {
    ChunkReader reader;
    const ChunkReading other = read_chunks(reader, bytes, step);
    LP_ASSERT(other.messages == reading.messages && other.aborted == reading.aborted &&
              other.failure == reading.failure);
  }
  return reading;
}

}  // namespace linkpilot::rtmp
