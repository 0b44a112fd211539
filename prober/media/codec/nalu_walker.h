// NaluWalker: walks the length-prefixed NAL units of one AVC or HEVC frame as its octets come in,
// looking only at the first few of each unit; the rest is skipped by count. O(units + parts), one
// small array of memory whatever the frame's size. Single thread.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>

#include "prober/media/codec/codec_config.h"
#include "prober/media/codec/sei.h"

namespace linkpilot::prober {

struct NaluFindings {
  PictureKind first_picture = PictureKind::unknown;  // of the first VCL unit
  bool length_error = false;    // a length that runs over the frame, or stops within one
  bool recovery_point = false;  // an SEI message says so
  std::uint32_t units = 0;
  std::uint32_t empty_units = 0;
  std::uint64_t filler_octets = 0;  // of filler units: sent, but no picture
  std::optional<SeiClock> clock;
};

class NaluWalker {
 public:
  // `length_octets` is 1, 2 or 4; `octets` is what the frame holds behind the tag's headers.
  void begin(VideoCodec codec, std::uint8_t length_octets, std::uint32_t octets);
  // Parts beyond `octets` are ignored.
  void feed(std::span<const std::uint8_t> part);
  [[nodiscard]] const NaluFindings& end();

 private:
  static constexpr std::size_t kHeadOctets = 8;  // a unit's header and the slice header's start
  static constexpr std::size_t kSeiOctets = 96;  // enough for our clock, escaped

  std::size_t take_length(std::span<const std::uint8_t> part);
  void begin_unit();
  void look_at_head();

  VideoCodec codec_ = VideoCodec::avc;
  std::uint8_t length_octets_ = 4;
  std::uint8_t length_seen_ = 0;
  bool in_unit_ = false;
  bool broken_ = false;
  std::uint32_t frame_left_ = 0;
  std::uint32_t unit_left_ = 0;
  std::uint32_t length_ = 0;
  std::uint32_t unit_octets_ = 0;
  std::size_t head_size_ = 0;
  std::size_t head_wanted_ = 0;
  std::array<std::uint8_t, kSeiOctets> head_{};
  NaluFindings findings_;
};

}  // namespace linkpilot::prober
