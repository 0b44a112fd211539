// Reads a topology from TOML. tools/lab/topology/triangle-3.toml is commented and shows every key.
// Mistakes are named with file, line and key.
#pragma once

#include <string>
#include <string_view>

#include "base/result.h"
#include "tools/lab/topology.h"

namespace linkpilot::lab {

[[nodiscard]] Result<Topology> read_topology(const std::string& path);
[[nodiscard]] Result<Topology> parse_topology(std::string_view text, const std::string& name);

}  // namespace linkpilot::lab
