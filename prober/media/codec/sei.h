// Supplemental enhancement information (H.264 s7.3.2.3, D.1; H.265 the same payloads): the recovery
// point of an open GOP, and our own clock, with which a puller reads the age of a pushed stream.
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <vector>

#include "base/time.h"

namespace linkpilot::prober {

// When the pusher made this frame, and the how-manieth it was.
struct SeiClock {
  UnixNanos wall;
  std::uint32_t sequence = 0;
  friend bool operator==(const SeiClock&, const SeiClock&) = default;
};

struct SeiFindings {
  bool recovery_point = false;
  std::optional<SeiClock> clock;
};

// Of the messages that lie whole within `payload`: a NAL unit behind its header, still escaped.
[[nodiscard]] SeiFindings read_sei(std::span<const std::uint8_t> payload);

// An AVC NAL unit (header octet first, no length before it): user_data_unregistered with our UUID.
[[nodiscard]] std::vector<std::uint8_t> make_sei_clock(const SeiClock& clock);

}  // namespace linkpilot::prober
