// AAC's AudioSpecificConfig (ISO/IEC 14496-3 s1.6.2.1) and Opus' identification header (RFC 7845
// s5.1), as far as rate, channels and the length of a frame need it.
#pragma once

#include <cstdint>
#include <span>

#include "base/result.h"
#include "prober/media/codec/codec_config.h"

namespace linkpilot::prober {

// Octets behind the configuration (a backward-compatible SBR extension, padding) are ignored.
[[nodiscard]] Result<AudioConfig> parse_aac_config(std::span<const std::uint8_t> bytes);
[[nodiscard]] Result<AudioConfig> parse_opus_config(std::span<const std::uint8_t> bytes);

// Samples at 48 kHz in an Opus packet of which `head` holds the first octets (RFC 6716 s3.1, s3.2);
// 0 if they do not say.
[[nodiscard]] std::uint32_t opus_packet_samples(std::span<const std::uint8_t> head);

}  // namespace linkpilot::prober
