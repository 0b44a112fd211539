// Makes the bodies of audio, video and metadata tags: the reverse of media_tag.h. The synthetic
// stream uses the legacy AVC and AAC forms; the Enhanced RTMP forms are there because no packaged
// encoder can make them and our reading of them must be tested.
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string_view>
#include <variant>
#include <vector>

#include "prober/media/codec/codec_config.h"

namespace linkpilot::prober {

enum class BodyPacket : std::uint8_t { sequence_start = 0, frames = 1, sequence_end = 2 };

struct VideoBody {
  VideoCodec codec = VideoCodec::avc;  // legacy: avc, hevc (id 12); Enhanced: any with a FourCC
  BodyPacket packet = BodyPacket::frames;
  bool key = false;
  std::int32_t composition_ms = 0;
};

// The packet as one track of a Multitrack tag, and ModEx before it.
struct EnhancedForm {
  std::optional<std::uint8_t> track{};
  bool sized_track = false;  // as of many tracks: the track's size is written
  std::optional<std::uint32_t> offset_ns{};
  bool without_composition = false;  // CodedFramesX
};

[[nodiscard]] std::vector<std::uint8_t> legacy_video_body(const VideoBody& video,
                                                          std::span<const std::uint8_t> payload);
[[nodiscard]] std::vector<std::uint8_t> enhanced_video_body(const VideoBody& video,
                                                            const EnhancedForm& form,
                                                            std::span<const std::uint8_t> payload);
// AAC at FLV's fixed 0xAF.
[[nodiscard]] std::vector<std::uint8_t> legacy_aac_body(BodyPacket packet,
                                                        std::span<const std::uint8_t> payload);
[[nodiscard]] std::vector<std::uint8_t> enhanced_audio_body(AudioCodec codec, BodyPacket packet,
                                                            const EnhancedForm& form,
                                                            std::span<const std::uint8_t> payload);

struct MetadataField {
  std::string_view name;
  std::variant<double, bool, std::string_view> value;
};

// A script tag's body: onMetaData and an ECMA array in AMF0 (Adobe AMF0 s2.10). Names and texts
// have at most 65535 octets.
[[nodiscard]] std::vector<std::uint8_t> metadata_body(std::span<const MetadataField> fields);

}  // namespace linkpilot::prober
