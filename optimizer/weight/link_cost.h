// From a belief to a cost: w = delay + jitter_allowance + loss_recovery + load + price (+ damping),
// in milliseconds, additive along a path, always positive and finite. The price of a relay (3 ms
// unless measured) belongs to the relay, not to a link: PathProblem::relay_cost.
#pragma once

#include "base/units.h"
#include "optimizer/weight/link_belief.h"

namespace linkpilot::optimizer {

struct WeightParameters {
  double wilson_z = 1.645;  // one-sided 95 %
  double jitter_weight = 1.0;
  double loss_weight = 1.0;
  double load_weight = 1.0;
  double unsteady_weight = 1.1;
  double price_ms_per_unit = 0.0;  // the cost profile sets it; per price unit of the link's bill
  double relay_ms = 3.0;           // per relay, unless the node's own figure is known
  double damped_ms = 1'000.0;      // surcharge of a flapping link: a last resort, not a wall
  double cost_min_ms = 0.1;        // one quantum of the path search
  double cost_max_ms = 2'000.0;    // three of these stay below the search's 6 553 ms
};

// What a link's cost needs beyond its own measurements.
struct LinkContext {
  double utilisation = 0.0;  // max(link, node), 0..1 and above when overloaded
  double price = 0.0;        // marginal price in units per GB under its bill
};

// The terms, so that `route explain` can print them. All in milliseconds.
struct CostTerms {
  double delay = 0.0;
  double jitter_allowance = 0.0;
  double loss_recovery = 0.0;
  double load = 0.0;
  double price = 0.0;
  double damping = 0.0;
  // What a path that is not in use yet pays on top of `total`: it must be better even if this link
  // is as unsteady as it has been.
  double unsteadiness = 0.0;
  double loss_upper = 0.0;  // the ratio used: Wilson's upper bound
  Cost total;
  friend bool operator==(const CostTerms&, const CostTerms&) = default;
};

// Upper end of Wilson's score interval (Wilson 1927; Cardwell, Detour list 1998, for its use here).
// `sent` = 0 gives 1. Counts may be fractional.
[[nodiscard]] double wilson_upper(double lost, double sent, double z);

// Expected extra delay until a lost packet is there by retransmission: RTT * p/(1-p), p < 1.
[[nodiscard]] double loss_recovery_ms(double rtt_ms, double loss_ratio);

// Late and saturating: about 0 below 70 %, about `delay_ms` above 90 % (LiveNet, SIGCOMM'22, s4.3:
// the factor 1 + sigmoid with midpoint 80 % and steepness 0.5 per per cent).
[[nodiscard]] double load_ms(double delay_ms, double utilisation);

[[nodiscard]] CostTerms link_cost(const LinkBelief& belief, const LinkContext& context,
                                  const WeightParameters& parameters);

}  // namespace linkpilot::optimizer
