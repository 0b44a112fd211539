// Writes messages as RTMP chunks (RTMP 5.3), one message whole before the next. Audio, video and
// data go with a timestamp delta (fmt 1) where time does not go back, so that a long push needs no
// extended timestamps, about whose repetition implementations differ; everything else goes with fmt
// 0. A fmt 3 chunk repeats an extended timestamp, as RTMP 5.3.1.3 asks. Single thread.
#pragma once

#include <array>
#include <cstdint>
#include <span>
#include <vector>

#include "prober/media/rtmp/message.h"

namespace linkpilot::rtmp {

class ChunkWriter {
 public:
  // Appends to `out`. The message's octets are those of `body`; its chunk stream is 2..63.
  void write(MessageHeader message, std::span<const std::uint8_t> body,
             std::vector<std::uint8_t>& out);

  // For the chunks after the Set Chunk Size message that says so; 1..0xffffff.
  void set_chunk_octets(std::uint32_t octets) { chunk_octets_ = octets; }

 private:
  struct Last {
    bool known = false;
    std::uint32_t timestamp_ms = 0;
    std::uint32_t stream = 0;
  };
  std::array<Last, 64> last_{};
  std::uint32_t chunk_octets_ = kChunkOctetsDefault;
};

}  // namespace linkpilot::rtmp
