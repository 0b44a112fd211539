// The datagram that media processes of the demo forward to each other: which stream, which one of
// it, when it left, and the path that is still to be travelled. Little-endian, 48 octets, then
// padding:
//
//   0 magic u32 | 4 source u16 | 6 target u16 | 8 sequence u32
//   12 path length u8 (1..4) | 13 index u8 (< path length) | 14 hop budget u8 (<= 8) | 15 trail
//   length u8 16 sent, UTC nanoseconds i64 | 24 path, 4 x u16 | 32 trail, 8 x u16
//
// The path is what design 3.2 calls the remaining path that travels with the request: node ids from
// the source outwards, the last one the target; `index` is the node this datagram is on its way to,
// and a node that is not it must drop it. The hop budget falls with every hop. The trail lists the
// nodes that really forwarded it, so that a receiver can say which way a stream came. The first 16
// octets are enough for the lab's ledger to tell one datagram from another.
//
// Pure: bytes in, value out, bounded before anything is read.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <span>

#include "base/ids.h"
#include "base/result.h"
#include "base/time.h"

namespace linkpilot::media {

inline constexpr std::uint32_t kMagic = 0x314d504c;  // "LPM1" as octets
inline constexpr std::size_t kHeaderBytes = 48;
inline constexpr std::size_t kDatagramBytesMax = 1500;
inline constexpr std::size_t kPathLengthMax = 4;
inline constexpr std::size_t kTrailLengthMax = 8;
// What a source gives: the longest path (3 hops) and the same again for one node that turns aside.
inline constexpr std::uint8_t kHopBudgetAtSource = 6;
inline constexpr std::uint8_t kHopBudgetMax = kTrailLengthMax;

struct Datagram {
  NodeId source;
  NodeId target;
  std::uint32_t sequence = 0;
  UnixNanos sent;
  std::array<NodeId, kPathLengthMax> path{};
  std::uint8_t path_length = 0;
  std::uint8_t index = 0;
  std::uint8_t hop_budget = 0;
  std::array<NodeId, kTrailLengthMax> trail{};
  std::uint8_t trail_length = 0;

  // The node this datagram is on its way to.
  [[nodiscard]] NodeId addressee() const { return path[index]; }
  [[nodiscard]] bool ends_at_addressee() const { return index + 1 == path_length; }

  friend bool operator==(const Datagram&, const Datagram&) = default;
};

using HeaderBytes = std::array<std::uint8_t, kHeaderBytes>;

[[nodiscard]] HeaderBytes encode(const Datagram& datagram);
// Refuses everything that `encode` could not have written: wrong magic, lengths beyond the bounds,
// an index outside the path, a zero node id, a path that visits a node twice or does not end at the
// target.
[[nodiscard]] Result<Datagram> parse(std::span<const std::uint8_t> bytes);

}  // namespace linkpilot::media
