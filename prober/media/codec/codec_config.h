// What a dial needs to know of a track's decoder configuration: whether it can be decoded at all,
// and the size or rate it announces. Values; nothing here decodes a picture or a sound.
#pragma once

#include <cstdint>
#include <string_view>

namespace linkpilot::prober {

enum class VideoCodec : std::uint8_t { unknown, h263, screen, vp6, vp8, vp9, avc, hevc, vvc, av1 };
enum class AudioCodec : std::uint8_t {
  unknown,
  pcm,
  adpcm,
  mp3,
  nellymoser,
  g711,
  speex,
  aac,
  opus,
  flac,
  ac3,
  eac3
};

[[nodiscard]] std::string_view to_string(VideoCodec codec);
[[nodiscard]] std::string_view to_string(AudioCodec codec);

// Players cannot show these without a decoder configuration, which comes as a sequence header.
[[nodiscard]] bool needs_config(VideoCodec codec);
[[nodiscard]] bool needs_config(AudioCodec codec);

// No picture side beyond this is believed: AV1 could name 65536, AVC level 6.2 ends at 16880.
inline constexpr std::uint32_t kPictureSideMax = 16'880;

struct VideoConfig {
  VideoCodec codec = VideoCodec::unknown;
  std::uint32_t width = 0;  // as shown, after cropping; 0: not in the configuration
  std::uint32_t height = 0;
  std::uint8_t profile = 0;
  std::uint8_t level = 0;
  std::uint8_t length_octets = 0;  // before each NAL unit: 1, 2 or 4; 0 where there are none
  friend bool operator==(const VideoConfig&, const VideoConfig&) = default;
};

struct AudioConfig {
  AudioCodec codec = AudioCodec::unknown;
  std::uint32_t sample_rate = 0;
  std::uint16_t samples_per_frame = 0;  // 0: differs from frame to frame
  std::uint8_t channels = 0;            // 0: unknown
  std::uint8_t object_type = 0;         // of AAC: 2 is LC, 5 with SBR, 29 with PS
  friend bool operator==(const AudioConfig&, const AudioConfig&) = default;
};

// How a frame's first coded picture says it may be decoded.
enum class PictureKind : std::uint8_t {
  unknown,        // nothing looked at says it
  random_access,  // IDR, CRA, BLA; AV1 key frame
  intra,          // intra-coded, but not IDR: open GOP or a recovery point
  predicted,      // needs others
};

}  // namespace linkpilot::prober
