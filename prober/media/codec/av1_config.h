// AV1: the configuration record (AV1-ISOBMFF s2.3.3), the sequence header's size (AV1 s5.5) and the
// kind of the first frame of a temporal unit (s5.9.2), found from the unit's first octets.
#pragma once

#include <cstdint>
#include <optional>
#include <span>

#include "base/result.h"
#include "prober/media/codec/codec_config.h"

namespace linkpilot::prober {

// The size is 0 where the record brings no sequence header: it then comes with the first key frame.
[[nodiscard]] Result<VideoConfig> parse_av1_config(std::span<const std::uint8_t> record);

struct Av1Unit {
  PictureKind first_picture = PictureKind::unknown;
  bool broken = false;  // an OBU header or length that cannot be
  std::optional<VideoConfig> sequence;
};

// `head` holds the first octets of a temporal unit of `octets`; what lies beyond stays unknown.
[[nodiscard]] Av1Unit inspect_av1_unit(std::span<const std::uint8_t> head, std::uint32_t octets);

}  // namespace linkpilot::prober
