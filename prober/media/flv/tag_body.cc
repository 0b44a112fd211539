#include "prober/media/flv/tag_body.h"

#include <bit>

#include "base/assert.h"
#include "prober/media/flv/media_tag.h"

namespace linkpilot::prober {
namespace {

void put_number(std::vector<std::uint8_t>& out, std::uint64_t value, unsigned octets) {
  for (unsigned i = octets; i-- > 0;) out.push_back(static_cast<std::uint8_t>(value >> (8 * i)));
}

void put_composition(std::vector<std::uint8_t>& out, std::int32_t composition_ms) {
  put_number(out, static_cast<std::uint32_t>(composition_ms) & 0xffffff, 3);
}

std::uint8_t frame_type_bits(bool key) { return static_cast<std::uint8_t>(key ? 0x10 : 0x20); }

struct EnhancedPacket {
  std::uint8_t flags = 0;  // the upper half of the first octet
  std::uint8_t packet = 0;
  std::uint8_t multitrack = 0;
  std::uint32_t fourcc = 0;
  std::vector<std::uint8_t> content{};  // behind all headers
};

std::vector<std::uint8_t> enhanced_body(const EnhancedPacket& packet, const EnhancedForm& form) {
  std::vector<std::uint8_t> out;
  const std::uint8_t inner = form.track ? packet.multitrack : packet.packet;
  const auto first = [&](unsigned type) {
    out.push_back(static_cast<std::uint8_t>(packet.flags | type));
  };
  if (form.offset_ns) {
    first(7);
    out.push_back(2);  // three octets
    put_number(out, *form.offset_ns, 3);
    out.push_back(inner);  // TimestampOffsetNano is 0; then what follows
  } else {
    first(inner);
  }
  if (form.track) {
    out.push_back(static_cast<std::uint8_t>((form.sized_track ? 0x10 : 0) | packet.packet));
  }
  put_number(out, packet.fourcc, 4);
  if (form.track) {
    out.push_back(*form.track);
    if (form.sized_track) put_number(out, packet.content.size(), 3);
  }
  out.insert(out.end(), packet.content.begin(), packet.content.end());
  return out;
}

void put_text(std::vector<std::uint8_t>& out, std::string_view text) {
  LP_ASSERT(text.size() <= 0xffff);
  put_number(out, text.size(), 2);
  out.insert(out.end(), text.begin(), text.end());
}

}  // namespace

std::vector<std::uint8_t> legacy_video_body(const VideoBody& video,
                                            std::span<const std::uint8_t> payload) {
  LP_ASSERT(video.codec == VideoCodec::avc || video.codec == VideoCodec::hevc);
  std::vector<std::uint8_t> out;
  out.reserve(5 + payload.size());
  const bool key = video.key || video.packet == BodyPacket::sequence_start;
  out.push_back(
      static_cast<std::uint8_t>(frame_type_bits(key) | (video.codec == VideoCodec::avc ? 7 : 12)));
  out.push_back(static_cast<std::uint8_t>(video.packet));
  put_composition(out, video.composition_ms);
  out.insert(out.end(), payload.begin(), payload.end());
  return out;
}

std::vector<std::uint8_t> enhanced_video_body(const VideoBody& video, const EnhancedForm& form,
                                              std::span<const std::uint8_t> payload) {
  const bool frames = video.packet == BodyPacket::frames;
  const bool key = video.key || video.packet == BodyPacket::sequence_start;
  EnhancedPacket packet{
      .flags = static_cast<std::uint8_t>(0x80 | frame_type_bits(key)),
      .packet = static_cast<std::uint8_t>(
          frames && form.without_composition ? 3 : static_cast<std::uint8_t>(video.packet)),
      .multitrack = 6,
      .fourcc = fourcc_of(video.codec)};
  const bool composed = video.codec == VideoCodec::avc || video.codec == VideoCodec::hevc ||
                        video.codec == VideoCodec::vvc;
  if (frames && composed && !form.without_composition) {
    put_composition(packet.content, video.composition_ms);
  }
  packet.content.insert(packet.content.end(), payload.begin(), payload.end());
  return enhanced_body(packet, form);
}

std::vector<std::uint8_t> legacy_aac_body(BodyPacket packet,
                                          std::span<const std::uint8_t> payload) {
  std::vector<std::uint8_t> out;
  out.reserve(2 + payload.size());
  out.push_back(0xaf);
  out.push_back(static_cast<std::uint8_t>(packet));
  out.insert(out.end(), payload.begin(), payload.end());
  return out;
}

std::vector<std::uint8_t> enhanced_audio_body(AudioCodec codec, BodyPacket packet,
                                              const EnhancedForm& form,
                                              std::span<const std::uint8_t> payload) {
  return enhanced_body({.flags = 0x90,
                        .packet = static_cast<std::uint8_t>(packet),
                        .multitrack = 5,
                        .fourcc = fourcc_of(codec),
                        .content = {payload.begin(), payload.end()}},
                       form);
}

std::vector<std::uint8_t> metadata_body(std::span<const MetadataField> fields) {
  std::vector<std::uint8_t> out;
  out.push_back(2);  // string
  put_text(out, "onMetaData");
  out.push_back(8);  // ECMA array
  put_number(out, fields.size(), 4);
  for (const MetadataField& field : fields) {
    put_text(out, field.name);
    if (const auto* number = std::get_if<double>(&field.value)) {
      out.push_back(0);
      put_number(out, std::bit_cast<std::uint64_t>(*number), 8);
    } else if (const auto* flag = std::get_if<bool>(&field.value)) {
      out.push_back(1);
      out.push_back(*flag ? 1 : 0);
    } else {
      out.push_back(2);
      put_text(out, std::get<std::string_view>(field.value));
    }
  }
  put_text(out, "");
  out.push_back(9);  // object end
  return out;
}

}  // namespace linkpilot::prober
