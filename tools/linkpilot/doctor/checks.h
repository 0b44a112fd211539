// What follows from the facts: each check is one finding. Pure.
#pragma once

#include "tools/linkpilot/api_client.h"
#include "tools/linkpilot/doctor/finding.h"
#include "tools/linkpilot/doctor/host_facts.h"

namespace linkpilot::cli {

[[nodiscard]] Examination examine_host(const HostConfigs& configs, const HostFacts& facts);

// What a firewall must let through for these configurations.
[[nodiscard]] std::vector<OpenPort> open_ports(const HostConfigs& configs);

// The answers of /v1/status, /v1/agents and /metrics of the collector.
struct FleetFacts {
  Json status;
  Json agents;
  MetricValues metrics;
};
// `own_version`: of this program.
[[nodiscard]] Examination examine_fleet(const FleetFacts& facts, const std::string& own_version);

}  // namespace linkpilot::cli
