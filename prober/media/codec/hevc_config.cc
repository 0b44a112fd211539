#include "prober/media/codec/hevc_config.h"

#include <array>
#include <string>

#include "prober/media/codec/bit_reader.h"
#include "prober/media/codec/crop.h"

namespace linkpilot::prober {
namespace {

constexpr std::size_t kHevcRecordOctets = 23;
constexpr unsigned kHevcSps = 33;
constexpr unsigned kHevcPps = 34;
constexpr unsigned kProfileBits = 88;
constexpr unsigned kLevelBits = 8;

unsigned hevc_nal_type(std::uint8_t first) { return first >> 1 & 0x3fU; }

// profile_tier_level (H.265 s7.3.3) behind its first 8 octets.
void skip_sub_layers(BitReader& reader, unsigned sub_layers) {
  std::array<bool, 8> profile{};
  std::array<bool, 8> level{};
  for (unsigned i = 0; i < sub_layers; ++i) {
    profile[i] = reader.flag();
    level[i] = reader.flag();
  }
  if (sub_layers > 0) reader.skip(2 * (8 - sub_layers));
  for (unsigned i = 0; i < sub_layers; ++i) {
    if (profile[i]) reader.skip(kProfileBits);
    if (level[i]) reader.skip(kLevelBits);
  }
}

struct HevcSets {
  Result<VideoConfig> sps = fail(ErrorCode::corrupt, "HEVC configuration: no SPS");
  bool has_pps = false;
};

Result<HevcSets> read_hevc_arrays(std::span<const std::uint8_t> rest, unsigned arrays) {
  HevcSets sets;
  bool has_sps = false;
  for (unsigned i = 0; i < arrays; ++i) {
    if (rest.size() < 3) return fail(ErrorCode::corrupt, "HEVC configuration: truncated");
    const unsigned type = rest[0] & 0x3fU;
    const unsigned count = static_cast<unsigned>(rest[1]) << 8 | rest[2];
    rest = rest.subspan(3);
    for (unsigned k = 0; k < count; ++k) {
      if (rest.size() < 2) return fail(ErrorCode::corrupt, "HEVC configuration: truncated");
      const std::size_t size = static_cast<std::size_t>(rest[0]) << 8 | rest[1];
      if (rest.size() - 2 < size) {
        return fail(ErrorCode::corrupt, "HEVC configuration: a parameter set does not fit");
      }
      if (type == kHevcSps && !has_sps) sets.sps = parse_hevc_sps(rest.subspan(2, size));
      has_sps = has_sps || type == kHevcSps;
      sets.has_pps = sets.has_pps || type == kHevcPps;
      rest = rest.subspan(2 + size);
    }
  }
  return sets;
}

}  // namespace

Result<VideoConfig> parse_hevc_sps(std::span<const std::uint8_t> nal) {
  if (nal.size() < 4 || hevc_nal_type(nal[0]) != kHevcSps) {
    return fail(ErrorCode::corrupt, "HEVC SPS: not a sequence parameter set");
  }
  BitReader reader(nal.subspan(2), Emulation::escaped);
  VideoConfig config{.codec = VideoCodec::hevc};
  reader.skip(4);  // sps_video_parameter_set_id
  const unsigned sub_layers = reader.bits(3);
  (void)reader.flag();  // sps_temporal_id_nesting_flag
  reader.skip(3);       // general_profile_space, general_tier_flag
  config.profile = static_cast<std::uint8_t>(reader.bits(5));
  reader.skip(kProfileBits - 8);
  config.level = static_cast<std::uint8_t>(reader.bits(kLevelBits));
  if (sub_layers > 6) return fail(ErrorCode::corrupt, "HEVC SPS: more than 7 sub-layers");
  skip_sub_layers(reader, sub_layers);
  const std::uint32_t id = reader.ue();
  const std::uint32_t chroma = reader.ue();
  const bool separate_planes = chroma == 3 && reader.flag();
  const std::uint64_t width = reader.ue();
  const std::uint64_t height = reader.ue();
  const CropEdges crop = reader.flag() ? read_crop(reader) : CropEdges{};
  if (!reader.ok()) return fail(ErrorCode::corrupt, "HEVC SPS: truncated or an endless code");
  if (id > 15 || chroma > 3) {
    return fail(ErrorCode::corrupt, "HEVC SPS: a field is out of its range");
  }
  const std::uint32_t array_type = separate_planes ? 0 : chroma;
  return shown_size(config,
                    {.width = width,
                     .height = height,
                     .unit_x = array_type == 1 || array_type == 2 ? 2U : 1U,
                     .unit_y = array_type == 1 ? 2U : 1U},
                    crop);
}

Result<VideoConfig> parse_hevc_config(std::span<const std::uint8_t> record) {
  if (record.size() < kHevcRecordOctets) {
    return fail(ErrorCode::corrupt, "HEVC configuration: " + std::to_string(record.size()) +
                                        " octets, at least " + std::to_string(kHevcRecordOctets));
  }
  if (record[0] > 1) {  // 0 was written before the standard was final
    return fail(ErrorCode::corrupt,
                "HEVC configuration: version " + std::to_string(record[0]) + " is not known");
  }
  const auto length_octets = static_cast<std::uint8_t>((record[21] & 3) + 1);
  if (length_octets == 3) {
    return fail(ErrorCode::corrupt, "HEVC configuration: NAL unit lengths of 3 octets");
  }
  Result<HevcSets> sets = read_hevc_arrays(record.subspan(kHevcRecordOctets), record[22]);
  if (!sets) return fail(sets.error());
  if (!sets->sps) return sets->sps;
  if (!sets->has_pps) return fail(ErrorCode::corrupt, "HEVC configuration: no PPS");
  sets->sps->length_octets = length_octets;
  return sets->sps;
}

}  // namespace linkpilot::prober
