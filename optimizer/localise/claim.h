// DirectionClaim: what one end of a link says of one of its directions, as the deviation from what
// is usual there. Made by optimizer/detect, weighed by optimizer/localise.
#pragma once

namespace linkpilot::optimizer {

struct DirectionClaim {
  bool known = false;  // this end measures it and has lately reported; else nothing below counts
  bool dead = false;   // nothing comes through; which direction it is may not be known
  float loss = 0.0F;   // share lost above the usual since the evidence began
  float loss_error = 0.0F;  // standard error
  float loss_nats = 0.0F;   // evidence for loss that is bad (loss_change.h)
  float delay_ms = 0.0F;    // growth of this direction
  float delay_error_ms = 0.0F;
  bool delay_directed = false;  // false: half the growth of the round trip
  friend bool operator==(const DirectionClaim&, const DirectionClaim&) = default;
};

}  // namespace linkpilot::optimizer
