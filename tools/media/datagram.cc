#include "tools/media/datagram.h"

#include <algorithm>
#include <type_traits>

namespace linkpilot::media {
namespace {

template <typename T>
void store(std::uint8_t* at, T value) {
  using Bits = std::make_unsigned_t<T>;
  auto bits = static_cast<Bits>(value);
  for (std::size_t i = 0; i < sizeof(T); ++i) {
    at[i] = static_cast<std::uint8_t>(bits & 0xffU);
    bits = static_cast<Bits>(static_cast<std::uint64_t>(bits) >> 8U);
  }
}

template <typename T>
T load(const std::uint8_t* at) {
  std::uint64_t bits = 0;
  for (std::size_t i = 0; i < sizeof(T); ++i) bits |= std::uint64_t{at[i]} << (8 * i);
  return static_cast<T>(bits);
}

constexpr std::size_t kMagicAt = 0;
constexpr std::size_t kSourceAt = 4;
constexpr std::size_t kTargetAt = 6;
constexpr std::size_t kSequenceAt = 8;
constexpr std::size_t kPathLengthAt = 12;
constexpr std::size_t kIndexAt = 13;
constexpr std::size_t kHopBudgetAt = 14;
constexpr std::size_t kTrailLengthAt = 15;
constexpr std::size_t kSentAt = 16;
constexpr std::size_t kPathAt = 24;
constexpr std::size_t kTrailAt = 32;

// Every id set, none twice.
bool is_simple(std::span<const NodeId> nodes) {
  for (std::size_t i = 0; i < nodes.size(); ++i) {
    if (nodes[i].value == 0) return false;
    if (std::find(nodes.begin(), nodes.begin() + static_cast<std::ptrdiff_t>(i), nodes[i]) !=
        nodes.begin() + static_cast<std::ptrdiff_t>(i)) {
      return false;
    }
  }
  return true;
}

}  // namespace

HeaderBytes encode(const Datagram& datagram) {
  HeaderBytes bytes{};
  store(&bytes[kMagicAt], kMagic);
  store(&bytes[kSourceAt], datagram.source.value);
  store(&bytes[kTargetAt], datagram.target.value);
  store(&bytes[kSequenceAt], datagram.sequence);
  bytes[kPathLengthAt] = datagram.path_length;
  bytes[kIndexAt] = datagram.index;
  bytes[kHopBudgetAt] = datagram.hop_budget;
  bytes[kTrailLengthAt] = datagram.trail_length;
  store(&bytes[kSentAt], datagram.sent.ns);
  for (std::size_t i = 0; i < kPathLengthMax; ++i)
    store(&bytes[kPathAt + 2 * i], datagram.path[i].value);
  for (std::size_t i = 0; i < kTrailLengthMax; ++i)
    store(&bytes[kTrailAt + 2 * i], datagram.trail[i].value);
  return bytes;
}

Result<Datagram> parse(std::span<const std::uint8_t> bytes) {
  if (bytes.size() < kHeaderBytes) return fail(ErrorCode::corrupt, "shorter than a header");
  if (bytes.size() > kDatagramBytesMax)
    return fail(ErrorCode::corrupt, "longer than a datagram may be");
  const std::uint8_t* at = bytes.data();
  if (load<std::uint32_t>(at + kMagicAt) != kMagic)
    return fail(ErrorCode::corrupt, "not a media datagram");

  Datagram datagram;
  datagram.source = NodeId(load<std::uint16_t>(at + kSourceAt));
  datagram.target = NodeId(load<std::uint16_t>(at + kTargetAt));
  datagram.sequence = load<std::uint32_t>(at + kSequenceAt);
  datagram.path_length = at[kPathLengthAt];
  datagram.index = at[kIndexAt];
  datagram.hop_budget = at[kHopBudgetAt];
  datagram.trail_length = at[kTrailLengthAt];
  datagram.sent.ns = load<std::int64_t>(at + kSentAt);
  if (datagram.path_length == 0 || datagram.path_length > kPathLengthMax) {
    return fail(ErrorCode::corrupt, "path length out of range");
  }
  if (datagram.index >= datagram.path_length)
    return fail(ErrorCode::corrupt, "index outside the path");
  if (datagram.hop_budget > kHopBudgetMax)
    return fail(ErrorCode::corrupt, "hop budget out of range");
  if (datagram.trail_length > kTrailLengthMax)
    return fail(ErrorCode::corrupt, "trail length out of range");
  // Places past the lengths stay zero, so that equal datagrams have equal bytes.
  for (std::size_t i = 0; i < datagram.path_length; ++i) {
    datagram.path[i] = NodeId(load<std::uint16_t>(at + kPathAt + 2 * i));
  }
  for (std::size_t i = 0; i < datagram.trail_length; ++i) {
    datagram.trail[i] = NodeId(load<std::uint16_t>(at + kTrailAt + 2 * i));
  }
  if (datagram.source.value == 0 || datagram.source == datagram.target) {
    return fail(ErrorCode::corrupt, "stream has no source or no target");
  }
  if (!is_simple(std::span(datagram.path).first(datagram.path_length))) {
    return fail(ErrorCode::corrupt, "path names a node twice or none");
  }
  if (datagram.path[datagram.path_length - 1U] != datagram.target) {
    return fail(ErrorCode::corrupt, "path does not end at the target");
  }
  return datagram;
}

}  // namespace linkpilot::media
