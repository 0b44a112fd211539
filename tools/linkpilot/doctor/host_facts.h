// What the doctor reads of this host: kernel, clock, files, sockets; values, so that what follows
// from them (host_checks.h) can be tested without such a host. No root is needed; what another user
// may not see is named as unseen. Nothing is changed; ports are tried by binding them for a moment.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "agent/config/agent_config.h"
#include "base/time.h"
#include "collector/config/config.h"

namespace linkpilot::cli {

struct ClockFacts {
  bool synchronised = false;
  Duration error_max{};       // adjtimex maxerror
  Duration error_estimate{};  // adjtimex esterror
  friend bool operator==(const ClockFacts&, const ClockFacts&) = default;
};

enum class PortUse : std::uint8_t { free, in_use, not_ours, no_right, unknown };

struct PortFacts {
  std::string address;
  std::uint16_t port = 0;
  PortUse use = PortUse::unknown;
  std::string reason;          // when unknown
  std::string interface_name;  // empty: no interface has the address
  // Kernel timestamps of a packet from this address to itself, and what the driver says.
  std::optional<bool> receive_stamped;
  std::optional<bool> transmit_stamped;
  std::optional<bool> driver_stamps;
  std::uint64_t rx_dropped = 0;  // of the interface, since it is up
  std::uint64_t rx_errors = 0;
  std::uint64_t rx_packets = 0;
};

struct FileFacts {
  std::string path;
  std::string what;  // "the agent's key"
  bool secret = false;
  bool exists = false;
  unsigned mode = 0;
  std::string error;  // why it could not be looked at
};

struct DiskFacts {
  std::string path;
  std::string what;
  std::uint64_t wanted = 0;  // octets that the program may still come to use here
  std::uint64_t free_octets = 0;
  std::uint64_t free_inodes = 0;
  bool counts_inodes = false;  // some file systems do not
  std::string error;
};

// name{labels} -> value, of a page in the Prometheus text format; lines of another shape are left
// out. At most kMetricsMax. Pure.
using MetricValues = std::map<std::string, double>;
inline constexpr std::size_t kMetricValuesMax = 20'000;
[[nodiscard]] MetricValues parse_metrics(std::string_view page);
// Of "/proc/net/snmp": the counter `name` of the lines of `protocol`. Pure.
[[nodiscard]] std::optional<std::uint64_t> snmp_counter(std::string_view text,
                                                        std::string_view protocol,
                                                        std::string_view name);
[[nodiscard]] std::optional<std::uint64_t> whole_number(std::string_view text);

struct HostFacts {
  std::string kernel;
  std::optional<ClockFacts> clock;
  std::optional<std::uint64_t> rmem_max;
  std::optional<std::uint64_t> wmem_max;
  std::optional<std::uint64_t> unprivileged_port_start;
  std::optional<std::uint64_t> udp_received;
  std::optional<std::uint64_t> udp_buffer_errors;
  std::vector<PortFacts> stamp_ports;
  std::vector<FileFacts> files;
  std::vector<DiskFacts> disks;
  std::optional<MetricValues> agent_metrics;  // metrics.prom of the agent
  Duration agent_metrics_age{};
  std::string agent_metrics_error;
  std::vector<std::string> unseen;
};

struct HostConfigs {
  std::optional<agent::AgentConfig> agent;
  std::string agent_file;
  std::string agent_problem;  // why it cannot be read
  std::optional<collector::CollectorConfig> collector;
  std::string collector_file;
  std::string collector_problem;
};

[[nodiscard]] HostConfigs read_configs(const std::string& agent_file, bool agent_needed,
                                       const std::string& collector_file, bool collector_needed);
[[nodiscard]] HostFacts read_host(const HostConfigs& configs);

}  // namespace linkpilot::cli
