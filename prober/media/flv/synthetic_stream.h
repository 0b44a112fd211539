// SyntheticStream: the live stream a push dial sends: grey AVC video and silent AAC sound as FLV
// tags, made when they are due, at a selectable rate and GOP. Each video frame carries the wall
// clock and a sequence in an SEI message, by which a puller tells the delay. Sans-I/O: the caller
// paces by `due`, which spreads the octets evenly, without bursts. Single thread.
#pragma once

#include <cstdint>
#include <vector>

#include "base/result.h"
#include "base/time.h"
#include "base/units.h"
#include "prober/media/codec/silent_aac.h"
#include "prober/media/codec/synthetic_avc.h"
#include "prober/media/flv/flv_muxer.h"

namespace linkpilot::prober {

struct SyntheticOptions {
  SyntheticPicture picture{};
  std::uint32_t gop_frames = 50;
  BitsPerSecond video_rate{600'000};  // reached by filler; a low one only as the picture allows
  bool with_audio = true;
  SilentAac audio{};
  BitsPerSecond audio_rate{64'000};
};

class SyntheticStream {
 public:
  // Refuses what is out of bounds: sides of 16 .. 4096, even; 1 .. 120 frames a second; GOPs of 1
  // .. 6000 frames; video up to 100 Mbit/s, audio up to 256 kbit/s.
  [[nodiscard]] static Result<SyntheticStream> create(const SyntheticOptions& options);

  // onMetaData and the sequence headers, all at time 0, to be sent before anything else.
  [[nodiscard]] std::vector<OwnedTag> headers() const;
  // When the next tag is due, counted from the first.
  [[nodiscard]] Duration due() const;
  // The next tag; `wall` goes into a video frame's clock.
  [[nodiscard]] OwnedTag next(UnixNanos wall);

  [[nodiscard]] std::uint64_t video_frames() const { return video_frames_; }

 private:
  explicit SyntheticStream(const SyntheticOptions& options)
      : options_(options), avc_(options.picture) {}

  [[nodiscard]] Duration video_due() const;
  [[nodiscard]] Duration audio_due() const;
  [[nodiscard]] bool audio_is_next() const;
  [[nodiscard]] OwnedTag next_video(UnixNanos wall);
  [[nodiscard]] OwnedTag next_audio();

  SyntheticOptions options_;
  SyntheticAvc avc_;
  std::uint64_t video_frames_ = 0;
  std::uint64_t audio_frames_ = 0;
  std::uint64_t video_octets_ = 0;
  std::uint64_t audio_octets_ = 0;
};

}  // namespace linkpilot::prober
