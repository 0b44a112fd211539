// TagReader: the tags of a live stream as units: configurations, frames, metadata. Keeps the first
// octets of a tag, a configuration up to kConfigOctetsMax, and the NAL unit walk of a frame; frame
// payloads pass by. Knows the two tracks' configurations, and so whether a frame can be decoded:
// its configuration has been seen, its framing is whole, and to begin with it is a random access
// picture (or carries the key flag on an intra one). Of Multitrack only track 0 counts. O(parts +
// NAL units); about 6 kB. Single thread.
#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "base/result.h"
#include "prober/media/codec/codec_config.h"
#include "prober/media/codec/nalu_walker.h"
#include "prober/media/flv/media_tag.h"
#include "prober/media/tag_sink.h"

namespace linkpilot::prober {

enum class UnitKind : std::uint8_t {
  video_frame,
  audio_frame,
  video_config,
  audio_config,
  metadata,  // script tag onMetaData
  other,     // other scripts, commands, ends of sequence, further tracks, what could not be read
};

struct MediaUnit {
  UnitKind kind = UnitKind::other;
  std::uint32_t timestamp_ms = 0;
  std::uint32_t octets = 0;          // of the tag's body
  std::uint32_t payload_octets = 0;  // of a frame, without headers and filler
  std::int32_t composition_ms = 0;
  bool key_flag = false;
  PictureKind picture = PictureKind::unknown;
  bool has_config = false;       // a frame whose decoder configuration is known
  bool begins_decoding = false;  // a video frame at which a decoder can start
  bool broken = false;           // NAL unit lengths or OBUs that cannot be
  bool config_changed = false;
  std::optional<SeiClock> clock;
  std::uint32_t samples = 0;  // of an audio frame, at AudioConfig::sample_rate; 0: unknown
};

struct ReaderCounters {
  std::uint64_t malformed_tags = 0;   // headers that cannot be parsed
  std::uint64_t empty_tags = 0;       // bodies of no octets
  std::uint64_t unknown_packets = 0;  // packet types or codecs that are not known
  std::uint64_t other_tracks = 0;     // tags of tracks other than 0
  std::uint64_t refused_configs = 0;
  std::uint64_t key_flag_not_idr = 0;  // key frames by flag whose first picture is none
  std::uint64_t idr_without_flag = 0;
  std::uint64_t broken_frames = 0;
  std::uint64_t empty_nal_units = 0;
};

class TagReader {
 public:
  static constexpr std::size_t kConfigOctetsMax = 4096;

  void begin(const TagHeader& tag);
  void body(std::span<const std::uint8_t> part);
  [[nodiscard]] MediaUnit end();

  [[nodiscard]] const std::optional<VideoConfig>& video() const { return video_; }
  [[nodiscard]] const std::optional<AudioConfig>& audio() const { return audio_; }
  [[nodiscard]] VideoCodec video_codec() const { return video_codec_; }
  [[nodiscard]] AudioCodec audio_codec() const { return audio_codec_; }
  // Why the newest configuration was refused; empty while none was.
  [[nodiscard]] const std::string& config_fault() const { return config_fault_; }
  [[nodiscard]] const ReaderCounters& counters() const { return counters_; }

 private:
  enum class Stage : std::uint8_t { header, config, walk, head, skip };

  std::size_t parse_header(std::span<const std::uint8_t> head);
  void begin_payload();
  void take_payload(std::span<const std::uint8_t> part);
  void end_config(MediaUnit& unit);
  template <typename Config>
  void accept_config(const Result<Config>& parsed, std::optional<Config>& kept, MediaUnit& unit);
  void end_video(MediaUnit& unit);
  void end_audio(MediaUnit& unit);

  TagHeader tag_;
  MediaTag media_;
  Stage stage_ = Stage::skip;
  std::uint32_t head_wanted_ = 1;
  std::uint32_t head_size_ = 0;
  std::uint32_t payload_left_ = 0;
  std::array<std::uint8_t, kTagHeaderOctetsMax> head_{};
  std::vector<std::uint8_t> config_;
  std::vector<std::uint8_t> video_record_;  // the newest accepted, to tell a change
  std::vector<std::uint8_t> audio_record_;
  NaluWalker walker_;
  std::optional<VideoConfig> video_;
  std::optional<AudioConfig> audio_;
  VideoCodec video_codec_ = VideoCodec::unknown;
  AudioCodec audio_codec_ = AudioCodec::unknown;
  std::string config_fault_;
  ReaderCounters counters_;
};

}  // namespace linkpilot::prober
