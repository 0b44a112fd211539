// The agent's figures in the Prometheus text format, for a node exporter's textfile collector: they
// can be read while the collector is away. Pure.
#pragma once

#include <string>
#include <string_view>

#include "agent/spool/spool_log.h"
#include "base/message.h"
#include "prober/stamp/engine.h"

namespace linkpilot::agent {

struct AgentMetrics {
  std::string_view version;
  UnixNanos started;
  AgentStatus status;
  prober::StampCounters stamp;
  SpoolFigures spool;
  std::uint64_t spool_size_max = 0;
  bool online = false;
  std::uint64_t links = 0;         // of the plan in force
  std::uint64_t links_capped = 0;  // by our own ceilings
  std::uint64_t plans_refused = 0;
  std::uint64_t tables_refused = 0;
  std::uint64_t events_dropped = 0;
  std::uint64_t messages_dropped = 0;
  std::uint64_t spool_waiting = 0;  // for the file thread
  std::uint64_t ack_timeouts = 0;
  std::uint64_t samples_dropped = 0;
};

[[nodiscard]] std::string metrics_text(const AgentMetrics& metrics);

}  // namespace linkpilot::agent
