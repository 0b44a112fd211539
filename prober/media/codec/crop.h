// The step from coded size to shown size, which AVC (H.264 s7.4.2.1.1) and HEVC (H.265 s7.4.3.2.1)
// share: 640x360 is coded as 640x368 and cropped. Used by the two parsers only.
#pragma once

#include <cstdint>

#include "base/result.h"
#include "prober/media/codec/bit_reader.h"
#include "prober/media/codec/codec_config.h"

namespace linkpilot::prober {

struct CropEdges {
  std::uint32_t left = 0;
  std::uint32_t right = 0;
  std::uint32_t top = 0;
  std::uint32_t bottom = 0;
};

struct CodedSize {
  std::uint64_t width = 0;
  std::uint64_t height = 0;
  std::uint32_t unit_x = 1;  // pixels a unit of a crop edge stands for
  std::uint32_t unit_y = 1;
};

[[nodiscard]] inline CropEdges read_crop(BitReader& reader) {
  CropEdges crop;
  crop.left = reader.ue();
  crop.right = reader.ue();
  crop.top = reader.ue();
  crop.bottom = reader.ue();
  return crop;
}

// `config` with its shown size; refused where the crop leaves nothing or the size is absurd.
[[nodiscard]] inline Result<VideoConfig> shown_size(VideoConfig config, const CodedSize& coded,
                                                    const CropEdges& crop) {
  const std::uint64_t cut_x = coded.unit_x * (std::uint64_t{crop.left} + crop.right);
  const std::uint64_t cut_y = coded.unit_y * (std::uint64_t{crop.top} + crop.bottom);
  if (cut_x >= coded.width || cut_y >= coded.height || coded.width - cut_x > kPictureSideMax ||
      coded.height - cut_y > kPictureSideMax) {
    return fail(ErrorCode::corrupt, "SPS: no picture has this size");
  }
  config.width = static_cast<std::uint32_t>(coded.width - cut_x);
  config.height = static_cast<std::uint32_t>(coded.height - cut_y);
  return config;
}

}  // namespace linkpilot::prober
