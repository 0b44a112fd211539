// The doctor's rounds: reads this host and, if asked, the fleet; what it finds as text and as JSON.
#pragma once

#include <string>

#include "tools/linkpilot/context.h"
#include "tools/linkpilot/doctor/checks.h"

namespace linkpilot::cli {

struct DoctorOrder {
  std::string agent_file = "/etc/linkpilot/agent.toml";
  std::string collector_file = "/etc/linkpilot/collector.toml";
  bool agent_named = false;  // given by the operator, so it must be there
  bool collector_named = false;
  bool fleet = false;  // also without --fleet where the collector was named or its file is here
};

[[nodiscard]] HostConfigs read_configs(const DoctorOrder& order);
[[nodiscard]] Examination examine(const Context& context, const DoctorOrder& order,
                                  const HostConfigs& configs);
[[nodiscard]] std::string doctor_text(const Examination& examination);
[[nodiscard]] Json doctor_json(const Examination& examination);
void add_doctor_options(Command command, DoctorOrder& order);

}  // namespace linkpilot::cli
