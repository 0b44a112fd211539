// Any octets as a decoder configuration, a tag's header, an SEI message or a frame: bounded, and
// the same in parts as whole. The first octet chooses the reader.
#include <cstdint>
#include <cstdlib>

#include "prober/media/codec/audio_config.h"
#include "prober/media/codec/av1_config.h"
#include "prober/media/codec/avc_config.h"
#include "prober/media/codec/hevc_config.h"
#include "prober/media/codec/nalu_walker.h"
#include "prober/media/flv/media_tag.h"
#include "tests/fuzz/fuzz_target.h"

namespace {

using namespace linkpilot;
using namespace linkpilot::prober;

void require_bounded(const Result<VideoConfig>& config) {
  require(!config || (config->width <= kPictureSideMax && config->height <= kPictureSideMax));
}

void read_header(std::span<const std::uint8_t> bytes, bool video) {
  const auto octets = static_cast<std::uint32_t>(bytes.size());
  std::size_t have = 0;
  for (;;) {
    const auto head = bytes.first(have);
    const TagParse parse = video ? parse_video_tag(head, octets) : parse_audio_tag(head, octets);
    if (parse.state == TagParseState::need_more) {
      require(parse.need > have && parse.need <= octets && parse.need <= kTagHeaderOctetsMax);
      have = parse.need;
      continue;
    }
    if (parse.state == TagParseState::complete) {
      require(parse.tag.payload_at <= octets);
      require(parse.tag.payload_octets <= octets - parse.tag.payload_at);
    } else {
      require(!parse.reason.empty());
    }
    return;
  }
}

NaluFindings walk_frame(std::span<const std::uint8_t> bytes, VideoCodec codec, std::size_t part) {
  NaluWalker walker;
  walker.begin(codec, bytes.size() % 2 == 0 ? 4 : 2, static_cast<std::uint32_t>(bytes.size()));
  while (!bytes.empty()) {
    const auto now = bytes.first(std::min(part, bytes.size()));
    walker.feed(now);
    bytes = bytes.subspan(now.size());
  }
  return walker.end();
}

void walk_twice(std::span<const std::uint8_t> bytes, VideoCodec codec) {
  const NaluFindings whole = walk_frame(bytes, codec, bytes.size() + 1);
  const NaluFindings parts = walk_frame(bytes, codec, 3);
  require(whole.units == parts.units && whole.length_error == parts.length_error);
  require(whole.first_picture == parts.first_picture && whole.clock == parts.clock);
}

}  // namespace

FUZZ_TARGET(codec_header_fuzz, data, size) {
  if (size == 0) return 0;
  const std::span<const std::uint8_t> bytes(data + 1, size - 1);
  switch (data[0] % 11) {
    case 0:
      require_bounded(parse_avc_config(bytes));
      break;
    case 1:
      require_bounded(parse_avc_sps(bytes));
      break;
    case 2:
      require_bounded(parse_hevc_config(bytes));
      break;
    case 3:
      require_bounded(parse_av1_config(bytes));
      break;
    case 4:
      if (const auto config = parse_aac_config(bytes)) require(config->sample_rate > 0);
      break;
    case 5:
      (void)parse_opus_config(bytes);
      require(opus_packet_samples(bytes) <= 2880U * 63);
      break;
    case 6:
      read_header(bytes, true);
      break;
    case 7:
      read_header(bytes, false);
      break;
    case 8:
      walk_twice(bytes, VideoCodec::avc);
      break;
    case 9:
      walk_twice(bytes, VideoCodec::hevc);
      break;
    default:
      (void)inspect_av1_unit(bytes, static_cast<std::uint32_t>(bytes.size()) + 7);
      break;
  }
  return 0;
}
