// HEVC: the decoder configuration record (ISO/IEC 14496-15 s8.3.3.1; legacy FLV id 12 and Enhanced
// RTMP's hvc1 carry the same) and the SPS (ITU-T H.265 s7.3.2.2) as far as the shown size needs it.
#pragma once

#include <cstdint>
#include <span>

#include "base/result.h"
#include "prober/media/codec/codec_config.h"

namespace linkpilot::prober {

[[nodiscard]] Result<VideoConfig> parse_hevc_config(std::span<const std::uint8_t> record);

// `nal` begins with the two header octets of the NAL unit.
[[nodiscard]] Result<VideoConfig> parse_hevc_sps(std::span<const std::uint8_t> nal);

}  // namespace linkpilot::prober
