#include "optimizer/weight/link_cost.h"

#include <algorithm>
#include <cmath>

namespace linkpilot::optimizer {
namespace {

double milliseconds(Duration d) { return static_cast<double>(d.count()) * 1e-6; }

// Terms are never negative and never NaN, whatever the inputs were.
double at_least_zero(double value) { return value > 0.0 ? value : 0.0; }

}  // namespace

double wilson_upper(double lost, double sent, double z) {
  if (!(sent > 0.0)) return 1.0;
  const double p = std::clamp(lost / sent, 0.0, 1.0);
  const double z2 = z * z;
  const double centre = p + z2 / (2.0 * sent);
  const double half = z * std::sqrt(p * (1.0 - p) / sent + z2 / (4.0 * sent * sent));
  return std::clamp((centre + half) / (1.0 + z2 / sent), 0.0, 1.0);
}

double loss_recovery_ms(double rtt_ms, double loss_ratio) {
  // Beyond 95 % the geometric series says nothing useful; the cost's ceiling does.
  const double p = std::clamp(loss_ratio, 0.0, 0.95);
  return at_least_zero(rtt_ms) * p / (1.0 - p);
}

double load_ms(double delay_ms, double utilisation) {
  if (!(utilisation > 0.0)) return 0.0;
  const double percent = std::min(utilisation, 2.0) * 100.0;
  return at_least_zero(delay_ms) / (1.0 + std::exp(0.5 * (80.0 - percent)));
}

CostTerms link_cost(const LinkBelief& belief, const LinkContext& context,
                    const WeightParameters& parameters) {
  CostTerms terms;
  terms.delay = at_least_zero(milliseconds(belief.delay));
  // A playout buffer sized by the 95th percentile, above what the typical packet needs; half of the
  // round trip's spread is this direction's (over-estimates when the spread is all of the other's).
  terms.jitter_allowance =
      parameters.jitter_weight * 0.5 * at_least_zero(milliseconds(belief.rtt_p95 - belief.rtt_p50));
  terms.loss_upper =
      wilson_upper(belief.lost_effective, belief.sent_effective, parameters.wilson_z);
  terms.loss_recovery =
      parameters.loss_weight * loss_recovery_ms(milliseconds(belief.rtt_p50), terms.loss_upper);
  terms.load = parameters.load_weight * load_ms(terms.delay, context.utilisation);
  terms.price = at_least_zero(context.price * parameters.price_ms_per_unit);
  terms.unsteadiness =
      std::min(parameters.cost_max_ms,
               at_least_zero(parameters.unsteady_weight * 0.5 * milliseconds(belief.unsteadiness)));
  terms.damping = belief.damped ? parameters.damped_ms : 0.0;
  const double sum = terms.delay + at_least_zero(terms.jitter_allowance) +
                     at_least_zero(terms.loss_recovery) + at_least_zero(terms.load) + terms.price +
                     terms.damping;
  // The negated comparison also catches NaN.
  terms.total.value = !(sum < parameters.cost_max_ms) ? parameters.cost_max_ms
                                                      : std::max(sum, parameters.cost_min_ms);
  return terms;
}

}  // namespace linkpilot::optimizer
