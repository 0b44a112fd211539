#include "prober/media/codec/av1_config.h"

#include <string>

#include "prober/media/codec/bit_reader.h"

namespace linkpilot::prober {
namespace {

constexpr unsigned kObuSequenceHeader = 1;
constexpr unsigned kObuFrameHeader = 3;
constexpr unsigned kObuFrame = 6;
constexpr unsigned kObuRedundantFrameHeader = 7;

struct Obu {
  unsigned type = 0;
  std::size_t payload_at = 0;
  std::uint64_t payload_octets = 0;
};

// s5.3 and s4.10.5; `octets` is the whole unit, of which `head` may hold only the beginning.
std::optional<Obu> read_obu(std::span<const std::uint8_t> head, std::uint64_t at,
                            std::uint64_t octets) {
  const auto has = [&](std::uint64_t index) { return index < head.size() && index < octets; };
  if (!has(at) || (head[at] & 0x80) != 0) return std::nullopt;
  Obu obu{.type = head[at] >> 3 & 0xfU};
  const bool extension = (head[at] & 4) != 0;
  const bool sized = (head[at] & 2) != 0;
  std::uint64_t next = at + 1 + (extension ? 1 : 0);
  if (!sized) {
    obu.payload_octets = octets > next ? octets - next : 0;
  } else {
    for (unsigned i = 0;; ++i) {
      if (i == 8 || !has(next)) return std::nullopt;
      const std::uint8_t octet = head[next++];
      obu.payload_octets |= static_cast<std::uint64_t>(octet & 0x7f) << (7 * i);
      if ((octet & 0x80) == 0) break;
    }
  }
  if (next > octets || obu.payload_octets > octets - next) return std::nullopt;
  obu.payload_at = next;
  return obu;
}

// s5.5.1: up to the operating points' end. False where reading failed.
void skip_operating_points(BitReader& reader) {
  bool decoder_model = false;
  unsigned delay_bits = 0;
  if (reader.flag()) {    // timing_info_present_flag
    reader.skip(64);      // num_units_in_display_tick, time_scale
    if (reader.flag()) {  // equal_picture_interval
      (void)reader.ue();  // uvlc() is coded as ue(v)
    }
    decoder_model = reader.flag();
    if (decoder_model) {
      delay_bits = reader.bits(5) + 1;
      reader.skip(32 + 5 + 5);
    }
  }
  const bool display_delay = reader.flag();
  const unsigned points = reader.bits(5) + 1;
  for (unsigned i = 0; i < points && reader.ok(); ++i) {
    reader.skip(12);                              // operating_point_idc
    if (reader.bits(5) > 7) (void)reader.flag();  // seq_tier
    if (decoder_model && reader.flag()) reader.skip(2 * delay_bits + 1);
    if (display_delay && reader.flag()) reader.skip(4);
  }
}

Result<VideoConfig> parse_sequence_header(std::span<const std::uint8_t> payload) {
  BitReader reader(payload);
  VideoConfig config{.codec = VideoCodec::av1};
  config.profile = static_cast<std::uint8_t>(reader.bits(3));
  (void)reader.flag();  // still_picture
  if (reader.flag()) {  // reduced_still_picture_header
    reader.skip(5);     // seq_level_idx
  } else {
    skip_operating_points(reader);
  }
  const unsigned width_bits = reader.bits(4) + 1;
  const unsigned height_bits = reader.bits(4) + 1;
  config.width = reader.bits(width_bits) + 1;
  config.height = reader.bits(height_bits) + 1;
  if (!reader.ok()) return fail(ErrorCode::corrupt, "AV1 sequence header: truncated");
  if (config.width > kPictureSideMax || config.height > kPictureSideMax) {
    return fail(ErrorCode::corrupt, "AV1 sequence header: no picture has this size");
  }
  return config;
}

// s5.9.2: show_existing_frame, frame_type.
PictureKind frame_kind(std::uint8_t first) {
  if ((first & 0x80) != 0) return PictureKind::predicted;
  const unsigned type = first >> 5 & 3U;
  if (type == 0) return PictureKind::random_access;
  return type == 2 ? PictureKind::intra : PictureKind::predicted;
}

}  // namespace

Av1Unit inspect_av1_unit(std::span<const std::uint8_t> head, std::uint32_t octets) {
  Av1Unit unit;
  std::uint64_t at = 0;
  while (at < octets && at < head.size()) {
    const std::optional<Obu> obu = read_obu(head, at, octets);
    if (!obu) {
      // An OBU header that the head cuts off is not a fault of the stream.
      unit.broken = at + 10 <= head.size() || head.size() >= octets;
      return unit;
    }
    const bool whole = obu->payload_at + obu->payload_octets <= head.size();
    if (obu->type == kObuSequenceHeader && whole) {
      const auto sequence =
          parse_sequence_header(head.subspan(obu->payload_at, obu->payload_octets));
      if (sequence) unit.sequence = *sequence;
      unit.broken = unit.broken || !sequence;
    } else if ((obu->type == kObuFrame || obu->type == kObuFrameHeader ||
                obu->type == kObuRedundantFrameHeader) &&
               obu->payload_octets > 0 && obu->payload_at < head.size()) {
      unit.first_picture = frame_kind(head[obu->payload_at]);
      return unit;
    }
    at = obu->payload_at + obu->payload_octets;
  }
  return unit;
}

Result<VideoConfig> parse_av1_config(std::span<const std::uint8_t> record) {
  if (record.size() < 4) {
    return fail(ErrorCode::corrupt,
                "AV1 configuration: " + std::to_string(record.size()) + " octets, at least 4");
  }
  if (record[0] != 0x81) {
    return fail(ErrorCode::corrupt, "AV1 configuration: marker or version is not known");
  }
  VideoConfig config{.codec = VideoCodec::av1};
  const auto obus = record.subspan(4);
  const Av1Unit unit = inspect_av1_unit(obus, static_cast<std::uint32_t>(obus.size()));
  if (unit.broken) return fail(ErrorCode::corrupt, "AV1 configuration: its OBUs are broken");
  if (unit.sequence) config = *unit.sequence;
  config.profile = static_cast<std::uint8_t>(record[1] >> 5);
  config.level = record[1] & 0x1f;
  return config;
}

}  // namespace linkpilot::prober
