// Takes the chunks of one direction of an RTMP connection apart (RTMP 5.3). Bodies are passed
// through in parts as they come and never gathered, so a message of 16 MB costs nothing; parts of
// messages on different chunk streams interleave as the sender interleaved them.
//
// Set Chunk Size and Abort belong to this layer: they are obeyed here before the next chunk is read
// and yield no parts (an Abort yields `aborted` for the message it ends).
//
// Where implementations differ, what is accepted:
//  - fmt 1 as the first chunk of a chunk stream (librtmp's pings): on stream 0, after time 0;
//  - fmt 3 as the first chunk of a message: all fields as before, the delta added again; after fmt
//  0
//    the delta is the timestamp itself (RTMP 5.3.1.2.4);
//  - the extended timestamp of a fmt 3 chunk, which old senders leave out: four octets that equal
//  the
//    last extended field are it; once one has been seen, it is always there. Decided octet by
//    octet, so a short last chunk of a sender without it is not held up.
//
// What is refused, with words: chunk size 0 or above 2^31, a header other than fmt 3 before a
// message is complete (CVE-2016-10191 was a length that changed there), fmt 2 or 3 on a chunk
// stream never seen, more than kChunkStreamsMax chunk streams with unfinished messages. After a
// failure nothing is read.
//
// Memory: one fixed table. Single thread.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string>

#include "prober/media/rtmp/message.h"

namespace linkpilot::rtmp {

// A chunk stream at rest is forgotten when its place is needed, the longest unused first.
constexpr std::size_t kChunkStreamsMax = 64;

// Some octets of one message's body. `slot` is below kChunkStreamsMax and names the message from
// its first part to its last; afterwards another may have it.
struct ChunkPart {
  const MessageHeader* message = nullptr;  // both valid until the next call
  std::span<const std::uint8_t> body;
  std::uint8_t slot = 0;
  bool begins = false;
  bool ends = false;
  bool aborted = false;  // the message will not be completed; no body
};

class ChunkReader {
 public:
  // The next part, with what it used taken from the front of `in`. Nothing: all of `in` is used up
  // and more is needed, or reading has failed.
  [[nodiscard]] std::optional<ChunkPart> next(std::span<const std::uint8_t>& in);

  // Empty while all is well; otherwise what the sender did wrong.
  [[nodiscard]] const std::string& failure() const { return failure_; }
  [[nodiscard]] std::uint32_t chunk_octets() const { return chunk_octets_; }
  [[nodiscard]] std::uint64_t chunks() const { return chunks_; }
  [[nodiscard]] std::size_t unfinished() const { return unfinished_; }

 private:
  struct ChunkStream {
    MessageHeader header;         // of the message in progress, or of the last one
    std::uint32_t delta = 0;      // added by a fmt 3 chunk that begins a message
    std::uint32_t extended = 0;   // the last extended field, if has_extended
    std::uint32_t remaining = 0;  // octets of the body to come
    bool has_extended = false;
    bool in_message = false;
    std::uint32_t control = 0;  // the body of a Set Chunk Size or Abort so far
    std::uint64_t used = 0;     // the number of the last message begun here
  };
  enum class Parsed : std::uint8_t { need_more, complete, failed };
  struct BasicHeader;

  Parsed parse_header(std::span<const std::uint8_t> in, std::size_t& used);
  Parsed parse_fields(const BasicHeader& basic, std::span<const std::uint8_t> in,
                      std::size_t& used);
  Parsed parse_repeated_extension(std::uint32_t expected, std::span<const std::uint8_t> in,
                                  std::size_t& used);
  void begin_chunk(std::uint8_t slot);
  Parsed fail(std::string words);
  [[nodiscard]] std::uint8_t find(std::uint32_t chunk_stream) const;
  [[nodiscard]] std::uint8_t claim(std::uint32_t chunk_stream);

  [[nodiscard]] bool read_header(std::span<const std::uint8_t>& in);
  ChunkPart take_body(std::span<const std::uint8_t> source, std::size_t octets);
  [[nodiscard]] std::optional<ChunkPart> obey(const ChunkPart& part);
  [[nodiscard]] std::optional<ChunkPart> abort(std::uint32_t chunk_stream);

  static constexpr std::uint8_t kNone = 0xff;

  std::array<ChunkStream, kChunkStreamsMax> streams_{};
  std::array<std::uint8_t, 64> slot_of_small_ = filled_with_none();  // by chunk stream below 64
  std::size_t streams_known_ = 0;
  std::size_t unfinished_ = 0;
  std::uint64_t messages_ = 0;
  std::uint64_t chunks_ = 0;
  std::uint32_t chunk_octets_ = kChunkOctetsDefault;
  bool extension_repeated_ = false;  // a fmt 3 chunk has carried its extended timestamp

  bool in_chunk_ = false;  // a header has been read and its chunk's octets are due
  bool begins_ = false;
  std::uint8_t slot_ = 0;
  std::uint32_t chunk_left_ = 0;

  // Octets of a header that a call's input cut in two; also those peeked at and found to be body.
  std::array<std::uint8_t, 32> carry_{};
  std::size_t carry_begin_ = 0;
  std::size_t carry_end_ = 0;

  std::string failure_;

  static constexpr std::array<std::uint8_t, 64> filled_with_none() {
    std::array<std::uint8_t, 64> slots{};
    slots.fill(kNone);
    return slots;
  }
};

}  // namespace linkpilot::rtmp
