// SyntheticAvc: the smallest valid AVC stream: one grey intra picture, then pictures that skip
// every macroblock. Constrained Baseline, one slice a picture, decode order is output order. Enough
// for every decoder, packager and recorder on the way to treat it as real video.
//
// Bounds: sides of 16 .. 4096 pixels, even; 1 .. 120 frames a second (the caller checks).
#pragma once

#include <cstdint>
#include <vector>

namespace linkpilot::prober {

struct FrameRate {
  std::uint32_t frames = 25;
  std::uint32_t seconds = 1;  // 30000 frames in 1001 seconds
};

struct SyntheticPicture {
  std::uint32_t width = 640;
  std::uint32_t height = 360;
  FrameRate rate{};
};

class SyntheticAvc {
 public:
  explicit SyntheticAvc(const SyntheticPicture& picture);

  // The decoder configuration record: a sequence header's payload. Lengths of 4 octets.
  [[nodiscard]] std::vector<std::uint8_t> config() const;
  // The slice NAL units of the next picture, without a length before them.
  [[nodiscard]] std::vector<std::uint8_t> intra();
  [[nodiscard]] std::vector<std::uint8_t> skipped();

 private:
  [[nodiscard]] std::vector<std::uint8_t> sps() const;

  SyntheticPicture picture_;
  std::uint32_t macroblocks_x_;
  std::uint32_t macroblocks_y_;
  std::uint32_t frame_number_ = 0;
  std::uint32_t idr_id_ = 0;
};

// A filler NAL unit of `octets` in all (at least 2): bandwidth without a picture.
[[nodiscard]] std::vector<std::uint8_t> make_filler(std::uint32_t octets);

// Appends `nal` with its length in 4 octets.
void append_nal(const std::vector<std::uint8_t>& nal, std::vector<std::uint8_t>& out);

}  // namespace linkpilot::prober
