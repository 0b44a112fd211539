#include "prober/media/codec/avc_config.h"

#include <algorithm>
#include <array>
#include <string>

#include "prober/media/codec/bit_reader.h"
#include "prober/media/codec/crop.h"

namespace linkpilot::prober {
namespace {

constexpr std::uint8_t kAvcNalTypeMask = 0x1f;
constexpr std::uint8_t kAvcSps = 7;

// H.264 s7.3.2.1.1: the profiles whose SPS names a chroma format.
constexpr std::array<std::uint32_t, 13> kProfilesWithChroma{100, 110, 122, 244, 44,  83, 86,
                                                            118, 128, 138, 139, 134, 135};

void skip_scaling_list(BitReader& reader, int size) {
  std::int64_t last = 8;
  std::int64_t next = 8;
  for (int i = 0; i < size && reader.ok(); ++i) {
    if (next != 0) next = (last + reader.se() + 256) % 256;
    last = next == 0 ? last : next;
  }
}

struct Chroma {
  std::uint32_t format = 1;  // 4:2:0 unless said otherwise
  bool separate_planes = false;
};

Chroma read_chroma(BitReader& reader) {
  Chroma chroma;
  chroma.format = reader.ue();
  if (chroma.format == 3) chroma.separate_planes = reader.flag();
  (void)reader.ue();    // bit_depth_luma_minus8
  (void)reader.ue();    // bit_depth_chroma_minus8
  (void)reader.flag();  // qpprime_y_zero_transform_bypass_flag
  if (reader.flag()) {  // seq_scaling_matrix_present_flag
    const int lists = chroma.format == 3 ? 12 : 8;
    for (int i = 0; i < lists && reader.ok(); ++i) {
      if (reader.flag()) skip_scaling_list(reader, i < 6 ? 16 : 64);
    }
  }
  return chroma;
}

// False: a value no SPS may have.
bool skip_picture_order(BitReader& reader) {
  const std::uint32_t type = reader.ue();
  if (type == 0) {
    (void)reader.ue();  // log2_max_pic_order_cnt_lsb_minus4
  } else if (type == 1) {
    (void)reader.flag();
    (void)reader.se();
    (void)reader.se();
    const std::uint32_t cycle = reader.ue();
    if (cycle > 255) return false;
    for (std::uint32_t i = 0; i < cycle && reader.ok(); ++i) (void)reader.se();
  }
  return type <= 2;
}

Result<std::span<const std::uint8_t>> avc_set(std::span<const std::uint8_t>& rest) {
  if (rest.size() < 2) return fail(ErrorCode::corrupt, "AVC configuration: truncated");
  const std::size_t size = static_cast<std::size_t>(rest[0]) << 8 | rest[1];
  if (rest.size() - 2 < size || size == 0) {
    return fail(ErrorCode::corrupt, "AVC configuration: a parameter set of " +
                                        std::to_string(size) + " octets does not fit");
  }
  const auto set = rest.subspan(2, size);
  rest = rest.subspan(2 + size);
  return set;
}

}  // namespace

Result<VideoConfig> parse_avc_sps(std::span<const std::uint8_t> nal) {
  if (nal.size() < 5 || (nal[0] & kAvcNalTypeMask) != kAvcSps) {
    return fail(ErrorCode::corrupt, "AVC SPS: not a sequence parameter set");
  }
  BitReader reader(nal.subspan(1), Emulation::escaped);
  VideoConfig config{.codec = VideoCodec::avc};
  const std::uint32_t profile = reader.bits(8);
  config.profile = static_cast<std::uint8_t>(profile);
  reader.skip(8);  // constraint flags
  config.level = static_cast<std::uint8_t>(reader.bits(8));
  const std::uint32_t id = reader.ue();
  Chroma chroma;
  if (std::ranges::count(kProfilesWithChroma, profile) != 0) chroma = read_chroma(reader);
  const std::uint32_t frame_number_bits = reader.ue();
  if (id > 31 || chroma.format > 3 || frame_number_bits > 12 || !skip_picture_order(reader)) {
    return fail(ErrorCode::corrupt, "AVC SPS: a field is out of its range");
  }
  (void)reader.ue();    // max_num_ref_frames
  (void)reader.flag();  // gaps_in_frame_num_value_allowed_flag
  const std::uint64_t width = (std::uint64_t{reader.ue()} + 1) * 16;
  const std::uint64_t map_height = (std::uint64_t{reader.ue()} + 1) * 16;
  const bool frames_only = reader.flag();
  if (!frames_only) (void)reader.flag();  // mb_adaptive_frame_field_flag
  (void)reader.flag();                    // direct_8x8_inference_flag
  const CropEdges crop = reader.flag() ? read_crop(reader) : CropEdges{};
  if (!reader.ok()) return fail(ErrorCode::corrupt, "AVC SPS: truncated or an endless code");
  const std::uint32_t array_type = chroma.separate_planes ? 0 : chroma.format;
  const std::uint32_t field_factor = frames_only ? 1 : 2;
  return shown_size(config,
                    {.width = width,
                     .height = map_height * field_factor,
                     .unit_x = array_type == 1 || array_type == 2 ? 2U : 1U,
                     .unit_y = (array_type == 1 ? 2U : 1U) * field_factor},
                    crop);
}

Result<VideoConfig> parse_avc_config(std::span<const std::uint8_t> record) {
  if (record.size() < 7) {
    return fail(ErrorCode::corrupt,
                "AVC configuration: " + std::to_string(record.size()) + " octets, at least 7");
  }
  if (record[0] != 1) {
    return fail(ErrorCode::corrupt,
                "AVC configuration: version " + std::to_string(record[0]) + ", only 1 is known");
  }
  const auto length_octets = static_cast<std::uint8_t>((record[4] & 3) + 1);
  if (length_octets == 3) {  // 14496-15 s5.3.3.1.2 allows 0, 1 and 3 for the value less one
    return fail(ErrorCode::corrupt, "AVC configuration: NAL unit lengths of 3 octets");
  }
  const unsigned sps_count = record[5] & 0x1f;
  if (sps_count == 0) return fail(ErrorCode::corrupt, "AVC configuration: no SPS");
  std::span<const std::uint8_t> rest = record.subspan(6);
  Result<VideoConfig> config = VideoConfig{};
  for (unsigned i = 0; i < sps_count; ++i) {
    const auto set = avc_set(rest);
    if (!set) return fail(set.error());
    if (i == 0) config = parse_avc_sps(*set);
  }
  if (!config) return config;
  if (rest.empty() || rest[0] == 0) return fail(ErrorCode::corrupt, "AVC configuration: no PPS");
  rest = rest.subspan(1);
  if (const auto set = avc_set(rest); !set) return fail(set.error());
  config->length_octets = length_octets;
  return config;
}

}  // namespace linkpilot::prober
