// The agent's figures in the Prometheus text format, for a node exporter's textfile collector: they
// can be read while the collector is away. Pure.
#pragma once

#include <string>
#include <string_view>

#include "agent/spool/spool_log.h"
#include "base/message.h"

namespace linkpilot::agent {

struct AgentMetrics {
  AgentStatus status;
  SpoolFigures spool;
  std::string_view uplink;  // to_string(UplinkState)
  bool online = false;
  std::uint64_t spool_waiting = 0;  // for the file thread
  std::uint64_t ack_timeouts = 0;
  std::uint64_t samples_dropped = 0;
};

[[nodiscard]] std::string metrics_text(const AgentMetrics& metrics);

}  // namespace linkpilot::agent
