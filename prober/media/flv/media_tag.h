// The first octets of an audio or video tag's body: which codec, what kind of packet, where the
// payload begins. Legacy forms (Adobe FLV 10.1 E.4.2, E.4.3; HEVC as codec id 12) and the extended
// headers of Enhanced RTMP v2 (FourCC, ModEx, Multitrack; CodedFramesX). RTMP messages have the
// same bodies. Pure functions over as many octets as are there.
//
// Of several tracks in one tag only the first is described. Multitrack within Multitrack, and a
// ModEx chain longer than kTagHeaderOctetsMax, are malformed.
#pragma once

#include <cstdint>
#include <span>
#include <string_view>

#include "prober/media/codec/codec_config.h"

namespace linkpilot::prober {

// A caller that keeps this many octets of a body can always parse its header.
inline constexpr std::uint32_t kTagHeaderOctetsMax = 1024;

enum class PacketKind : std::uint8_t {
  sequence_start,  // decoder configuration
  frames,          // coded audio or video
  sequence_end,
  metadata,  // HDR information; no picture
  channels,  // Enhanced RTMP MultichannelConfig
  command,   // video frame type 5: seeking marks of servers
  other,     // a packet type that is not known
};

struct MediaTag {
  PacketKind kind = PacketKind::other;
  VideoCodec video = VideoCodec::unknown;  // of a video tag
  AudioCodec audio = AudioCodec::unknown;  // of an audio tag
  std::uint32_t fourcc = 0;                // Enhanced RTMP's, big-endian; 0 for a legacy tag
  bool key_flag = false;                   // the sender says: key frame
  bool disposable = false;
  bool multitrack = false;
  std::uint8_t track = 0;
  std::int32_t composition_ms = 0;   // presentation less decoding time
  std::uint32_t offset_ns = 0;       // ModEx TimestampOffsetNano
  std::uint32_t payload_at = 0;      // within the body
  std::uint32_t payload_octets = 0;  // of the first track
  friend bool operator==(const MediaTag&, const MediaTag&) = default;
};

enum class TagParseState : std::uint8_t { complete, need_more, malformed };

struct TagParse {
  TagParseState state = TagParseState::malformed;
  std::uint32_t need = 0;     // octets of the body to call again with
  std::string_view reason{};  // static text, when malformed
  MediaTag tag{};
};

// `head` holds the first octets of a body of `octets`.
[[nodiscard]] TagParse parse_video_tag(std::span<const std::uint8_t> head, std::uint32_t octets);
[[nodiscard]] TagParse parse_audio_tag(std::span<const std::uint8_t> head, std::uint32_t octets);

// Enhanced RTMP's FourCC of a codec; 0 if it has none.
[[nodiscard]] std::uint32_t fourcc_of(VideoCodec codec);
[[nodiscard]] std::uint32_t fourcc_of(AudioCodec codec);

}  // namespace linkpilot::prober
