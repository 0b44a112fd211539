// `linkpilot-collector --init DIR`: keys, a token and a starter configuration in one command, so
// that a new user starts without reading first. Files that exist are kept as they are. What the
// collector writes may lie elsewhere, and all may belong to the user it will run as: packages want
// keys in /etc and state in /var.
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

struct SetupPlace {
  std::string directory;  // of keys, token and configuration
  std::string state;      // of the store and the enrolled keys; empty: directory
  std::string user;       // whose the secrets and the state will be; empty: whoever runs this
};

[[nodiscard]] Result<SetupReport> set_up(const SetupPlace& place);

}  // namespace linkpilot::collector
