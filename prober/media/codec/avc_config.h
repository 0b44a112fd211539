// AVC: the decoder configuration record (ISO/IEC 14496-15 s5.3.3.1) and the sequence parameter set
// (ITU-T H.264 s7.3.2.1.1) as far as the shown size needs it. VUI is not read, so a broken one does
// no harm. Errors say which field is wrong.
#pragma once

#include <cstdint>
#include <span>

#include "base/result.h"
#include "prober/media/codec/codec_config.h"

namespace linkpilot::prober {

// `record` is the body of a sequence header. Needs at least one readable SPS and one PPS.
[[nodiscard]] Result<VideoConfig> parse_avc_config(std::span<const std::uint8_t> record);

// `nal` begins with the NAL unit's header octet. `length_octets` of the answer is 0.
[[nodiscard]] Result<VideoConfig> parse_avc_sps(std::span<const std::uint8_t> nal);

}  // namespace linkpilot::prober
