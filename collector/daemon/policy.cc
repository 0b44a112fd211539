#include "collector/daemon/policy.h"

#include <cmath>

namespace linkpilot::collector {

optimizer::Policy policy_of(const CollectorConfig& config) {
  optimizer::Policy policy;
  switch (config.probing.cross_isp) {
    case CrossIsp::never:
      policy.links.cross_isp = optimizer::CrossIsp::never;
      break;
    case CrossIsp::penalty:
      policy.links.cross_isp = optimizer::CrossIsp::penalty;
      break;
    case CrossIsp::free:
      policy.links.cross_isp = optimizer::CrossIsp::free;
      break;
  }
  policy.stability.margin_ms = config.routing.margin_ms;
  policy.stability.margin_ratio = config.routing.margin_ratio;
  policy.stability.dwell = config.routing.dwell;
  policy.guard.churn_max = config.routing.churn_max;
  policy.guard.quorum_percent =
      static_cast<std::uint32_t>(std::lround(config.routing.quorum * 100.0));
  policy.valid_soft = config.routing.soft_expiry;
  policy.valid_hard = config.routing.hard_expiry;
  return policy;
}

PlanRules plan_rules_of(const CollectorConfig& config, PairSeals::Master master,
                        PairSeals::Master older_master) {
  PlanRules rules;
  rules.fast_interval = config.probing.fast_interval;
  rules.slow_interval = config.probing.slow_interval;
  rules.flows = config.probing.flows;
  rules.warm_up = config.probing.warm_up;
  rules.lifetime = config.probing.plan_lifetime;
  rules.links = policy_of(config).links;
  rules.master = std::move(master);
  rules.older_master = std::move(older_master);
  return rules;
}

}  // namespace linkpilot::collector
