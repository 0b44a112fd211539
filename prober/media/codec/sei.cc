#include "prober/media/codec/sei.h"

#include <algorithm>
#include <array>

#include "prober/media/codec/bit_reader.h"
#include "prober/media/codec/bit_writer.h"

namespace linkpilot::prober {
namespace {

constexpr std::uint8_t kSeiNal = 0x06;
constexpr std::uint32_t kUserDataUnregistered = 5;
constexpr std::uint32_t kRecoveryPoint = 6;
// Drawn once for LinkPilot; what follows is a version (1), wall ns (8 octets), sequence (4).
constexpr std::array<std::uint8_t, 16> kClockUuid{0x7d, 0x4c, 0x1a, 0xe2, 0x93, 0xb6, 0x4f, 0x58,
                                                  0xa1, 0x6e, 0x2b, 0xc9, 0x5d, 0x87, 0xf4, 0x31};
constexpr std::uint32_t kClockOctets = 16 + 1 + 8 + 4;
constexpr std::uint32_t kClockVersion = 1;

// payload_type and payload_size: 255 for each whole 255, then the rest (s7.3.2.3.1). A reader that
// has run out gives zeros, so this ends.
std::uint32_t read_sei_number(BitReader& reader) {
  std::uint32_t value = 0;
  for (std::uint32_t octet = 255; octet == 255 && reader.ok() && value < 0x10000;) {
    octet = reader.bits(8);
    value += octet;
  }
  return value;
}

std::optional<SeiClock> read_clock(BitReader& reader) {
  bool ours = true;
  for (const std::uint8_t octet : kClockUuid) ours = reader.bits(8) == octet && ours;
  const std::uint32_t version = reader.bits(8);
  const std::uint64_t high = reader.bits(32);
  const std::uint64_t low = reader.bits(32);
  const std::uint32_t sequence = reader.bits(32);
  const std::uint64_t wall = high << 32 | low;
  // Half of what 64 bits hold, so that a caller may take differences of anything read here.
  constexpr std::uint64_t kWallMax = std::uint64_t{1} << 62;
  if (!reader.ok() || !ours || version != kClockVersion || wall >= kWallMax) return std::nullopt;
  return SeiClock{.wall = {static_cast<std::int64_t>(wall)}, .sequence = sequence};
}

}  // namespace

SeiFindings read_sei(std::span<const std::uint8_t> payload) {
  SeiFindings findings;
  BitReader reader(payload, Emulation::escaped);
  while (reader.ok()) {
    const std::uint32_t type = read_sei_number(reader);
    const std::uint32_t size = read_sei_number(reader);
    if (!reader.ok()) break;
    if (type == kUserDataUnregistered && size == kClockOctets) {
      if (const auto clock = read_clock(reader)) findings.clock = clock;
      continue;
    }
    findings.recovery_point = findings.recovery_point || type == kRecoveryPoint;
    reader.skip(8 * size);
  }
  return findings;
}

std::vector<std::uint8_t> make_sei_clock(const SeiClock& clock) {
  BitWriter writer;
  writer.bits(kUserDataUnregistered, 8);
  writer.bits(kClockOctets, 8);
  for (const std::uint8_t octet : kClockUuid) writer.bits(octet, 8);
  writer.bits(kClockVersion, 8);
  writer.bits(static_cast<std::uint64_t>(clock.wall.ns), 64);
  writer.bits(clock.sequence, 32);
  writer.trailing();
  return escape_nal(kSeiNal, writer.take());
}

}  // namespace linkpilot::prober
