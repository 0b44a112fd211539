// LinkBelief: what is believed of one directed link at one moment, as plain values. Made by
// optimizer/estimate, turned into a cost by optimizer/weight. Missing knowledge is said, not
// guessed: `measured` is false until enough probes of the link were answered.
#pragma once

#include "base/ids.h"
#include "base/report.h"
#include "base/time.h"

namespace linkpilot::optimizer {

// Unsteadiness fades with this time constant, so a link that has become steady is trusted again.
inline constexpr Duration kUnsteadyMemory = std::chrono::minutes(53);

struct LinkBelief {
  LinkId link;
  LinkState state = LinkState::alive;  // suspect: an unconfirmed alarm; nothing new moves onto it
  bool measured = false;               // enough answered probes to speak of a delay
  bool stale = false;                  // nothing heard of it for longer than the estimate allows

  // Round trip over the window, each second weighing the same whatever the probe rate.
  Duration rtt_min{};
  Duration rtt_p50{};
  Duration rtt_p90{};
  Duration rtt_p95{};

  // How far above its usual level (the mean of the last minutes) the round trip has been in the
  // mean of the last hour: a link with spikes is a bad choice even while it is at its best.
  Duration unsteadiness{};

  Duration delay{};                // one-way, a high percentile (90 %)
  bool delay_from_clocks = false;  // false: half the round trip
  Duration delay_error{};          // bound of the clock error when from clocks

  // Loss of this direction over the fixed effective sample (design: "the life of a measurement").
  double lost_effective = 0.0;
  double sent_effective = 0.0;
  double sent_measured = 0.0;  // the part of sent_effective that is this link's own
  bool loss_outdated = false;  // lossy on record, clean lately: worth probing faster for a while

  MonoTime last_heard;     // when packets last got through in this direction, collector's clock
  double damping = 0.0;    // flap penalty, decayed to this moment (RFC 2439 figure of merit)
  bool damped = false;     // above the suppress threshold and not yet below the reuse threshold
  Duration damped_left{};  // until it falls below the reuse threshold

  [[nodiscard]] double loss_ratio() const {
    return sent_effective > 0.0 ? lost_effective / sent_effective : 0.0;
  }
  // May a route use it at all.
  [[nodiscard]] bool usable() const { return measured && !stale && state != LinkState::dead; }
  friend bool operator==(const LinkBelief&, const LinkBelief&) = default;
};

}  // namespace linkpilot::optimizer
