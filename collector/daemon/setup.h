// `linkpilot-collector --init DIR`: keys, a token and a starter configuration in one command, so
// that a new user starts without reading first. Files that exist are kept as they are.
#pragma once

#include <string>
#include <vector>

#include "base/result.h"

namespace linkpilot::collector {

struct SetupReport {
  std::string config_file;
  std::string public_key;         // the agents' [collector] public_key_file holds it
  std::vector<std::string> made;  // paths
  std::vector<std::string> kept;
};

[[nodiscard]] Result<SetupReport> set_up(const std::string& directory);

}  // namespace linkpilot::collector
