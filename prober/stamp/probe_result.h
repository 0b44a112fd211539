// What became of one probe, told when its sample closes: for benches and diagnosis, not for the
// agent, which reads samples.
#pragma once

#include <cstdint>
#include <optional>

#include "base/ids.h"
#include "base/time.h"

namespace linkpilot::prober {

struct ProbeResult {
  LinkId link;
  std::uint8_t flow = 0;
  std::uint32_t sequence = 0;
  std::optional<Duration> rtt = {};  // none: lost, late, or its stamps contradict each other
};

}  // namespace linkpilot::prober
