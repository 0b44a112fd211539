// The body of POST /v1/probe: an order for some extra probes over one link.
#pragma once

#include <cstdint>
#include <optional>
#include <string>

#include "base/result.h"

namespace linkpilot::collector {

struct ProbeOrder {
  std::string from;
  std::string to;
  std::int64_t count = 20;
  std::int64_t interval_ms = 20;
  std::optional<std::int64_t> from_port;
  std::optional<std::int64_t> to_port;
};

// Every mistake is named, every number bounded; nothing unknown is passed over. Whether the nodes
// exist is the caller's to see.
[[nodiscard]] Result<ProbeOrder> parse_probe_order(const std::string& body);

}  // namespace linkpilot::collector
