// From collector.toml to the values that the optimizer and the plan understand. Pure.
#pragma once

#include "collector/config/config.h"
#include "collector/plan/plan_keeper.h"
#include "optimizer/policy/policy.h"

namespace linkpilot::collector {

[[nodiscard]] optimizer::Policy policy_of(const CollectorConfig& config);
[[nodiscard]] PlanRules plan_rules_of(const CollectorConfig& config, PairSeals::Master master,
                                      PairSeals::Master older_master);

}  // namespace linkpilot::collector
