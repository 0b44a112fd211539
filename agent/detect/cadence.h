// Cadence: when would the next packets of a peer have arrived? A peer's probes come every
// `peer_interval`, its answers to our probes every `own_interval`, each at a phase of its own that
// the last arrival of its kind shows. From both follows the moment at which the n-th expected
// arrival in a row is missing. Values only; times are this process's monotonic clock.
#pragma once

#include <cstdint>
#include <optional>

#include "base/time.h"

namespace linkpilot::agent {

// The rhythm of one kind of packet.
struct Rhythm {
  bool heard = false;   // ever, since the link is watched
  MonoTime last;        // newest arrival of this kind
  Duration interval{};  // 0: unknown, nothing of this kind is expected
};

// A kind that stayed away for this many of its intervals while the other kind kept coming is not
// expected any more: in a one-way cut the peer's probes still arrive, its answers do not.
inline constexpr std::int64_t kIntervalsUntilUnexpected = 8;

// The instant at which the `count`-th arrival expected after `base` is due; nullopt when neither
// kind is expected. `last_any` is the newest arrival of either kind.
[[nodiscard]] std::optional<MonoTime> nth_expected_arrival(const Rhythm& probes,
                                                           const Rhythm& answers, MonoTime last_any,
                                                           MonoTime base, std::uint32_t count);

// Mean time between expected arrivals of both kinds together; nullopt when none is expected.
[[nodiscard]] std::optional<Duration> mean_spacing(const Rhythm& probes, const Rhythm& answers,
                                                   MonoTime last_any);

}  // namespace linkpilot::agent
