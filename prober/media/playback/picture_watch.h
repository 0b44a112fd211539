// PictureWatch: groups of pictures, and the signs of a broken or frozen picture that can be had
// without decoding one. O(1) a frame. Single thread.
#pragma once

#include "prober/media/playback/playback_report.h"

namespace linkpilot::prober {

class PictureWatch {
 public:
  // Each video frame from the first decodable one on, at its place on the unwrapped line. `gap`:
  // frames before it are missing.
  void on_frame(const MediaUnit& unit, Duration at, bool gap);

  [[nodiscard]] GopReport gop() const;
  [[nodiscard]] const PictureSigns& signs() const { return signs_; }
  [[nodiscard]] std::uint32_t key_frames() const { return key_frames_; }

 private:
  void end_second();

  std::uint32_t key_frames_ = 0;
  std::uint32_t frames_since_key_ = 0;
  std::uint64_t frames_in_gops_ = 0;
  Duration key_at_{};
  Duration gop_sum_{};
  GopReport gop_;
  PictureSigns signs_;
  // Inter frames of the present second of media time, and what a second usually holds.
  Duration second_begin_{};
  std::uint64_t inter_octets_ = 0;
  std::uint32_t inter_frames_ = 0;
  std::uint32_t seconds_ = 0;
  std::uint32_t collapse_run_ = 0;
  double usual_octets_ = 0;
};

}  // namespace linkpilot::prober
