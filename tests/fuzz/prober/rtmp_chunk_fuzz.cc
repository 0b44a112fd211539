// Any octets as the chunks of a server: parts never exceed their message, at most 64 are
// unfinished, and the same octets in other cuts give the same messages.
//
// Input: one octet that chooses the cut, then the chunks.
#include <array>
#include <cstdint>
#include <cstdlib>
#include <vector>

#include "prober/media/rtmp/chunk_reader.h"
#include "tests/fuzz/fuzz_target.h"

namespace {

using namespace linkpilot::rtmp;

struct ChunkSummary {
  std::uint64_t messages = 0;
  std::uint64_t checksum = 0;
  bool failed = false;

  friend bool operator==(const ChunkSummary&, const ChunkSummary&) = default;
};

ChunkSummary read_in_cuts(std::span<const std::uint8_t> bytes, std::size_t cut) {
  ChunkReader reader;
  ChunkSummary summary;
  std::array<std::uint32_t, kChunkStreamsMax> got{};
  std::array<bool, kChunkStreamsMax> open{};
  while (!bytes.empty() && !summary.failed) {
    std::span<const std::uint8_t> in = bytes.first(std::min(cut, bytes.size()));
    bytes = bytes.subspan(in.size());
    while (const auto part = reader.next(in)) {
      require(part->slot < kChunkStreamsMax);
      require(part->begins == !open[part->slot]);
      if (part->begins) got[part->slot] = 0;
      open[part->slot] = !part->ends && !part->aborted;
      got[part->slot] += static_cast<std::uint32_t>(part->body.size());
      require(got[part->slot] <= part->message->octets);
      for (const std::uint8_t octet : part->body) summary.checksum = summary.checksum * 31 + octet;
      if (!part->ends) continue;
      require(got[part->slot] == part->message->octets);
      summary.checksum = summary.checksum * 31 + part->message->timestamp_ms;
      ++summary.messages;
    }
    summary.failed = !reader.failure().empty();
    require(summary.failed || in.empty());
    require(reader.unfinished() <= kChunkStreamsMax);
  }
  return summary;
}

}  // namespace

FUZZ_TARGET(rtmp_chunk_fuzz, data, size) {
  if (size == 0) return 0;
  const std::span<const std::uint8_t> bytes(data + 1, size - 1);
  const ChunkSummary whole = read_in_cuts(bytes, size);
  require(read_in_cuts(bytes, 1 + data[0] % 40) == whole);
  return 0;
}
