// Which part of what an agent says can be true. An agent speaks of its own node only, so that a
// stolen key can lie about one node and no other; counts must add up, and times lie near now. Pure.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "base/fleet.h"
#include "base/link_sample.h"
#include "base/message.h"
#include "base/report.h"
#include "base/time.h"

namespace linkpilot::collector {

// An agent whose clock leads by more is refused: its samples would stay "newest" for ever.
inline constexpr Duration kFutureMax = std::chrono::seconds(30);
// Samples may be late (spools drain after an outage); older ones are stored, and teach nothing.
inline constexpr Duration kFoldAgeMax = std::chrono::minutes(2);

enum class SampleFate : std::uint8_t {
  fold,    // current: goes into the estimates
  keep,    // true but old: stored only
  refuse,  // cannot be true
};

struct SampleVerdict {
  SampleFate fate = SampleFate::fold;
  std::string reason;  // when refused
};

// `self`: the node whose key signed the message.
[[nodiscard]] SampleVerdict judge_sample(const LinkSample& sample, NodeId self, UnixNanos now);

// Nullopt: plausible. `self` must be one end of the alarm's link.
[[nodiscard]] std::optional<std::string> refuse_alarm(const Alarm& alarm, NodeId self,
                                                      UnixNanos now);

// Nullopt: plausible. `name`: what the key is enrolled as.
[[nodiscard]] std::optional<std::string> refuse_hello(const Hello& hello, const std::string& name);

}  // namespace linkpilot::collector
