// agent.toml as a value. agent/agent.toml, the shipped default file, is its manual; every key has
// its default and range in agent_config.cc and nowhere else.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "agent/exporter/exporter_settings.h"
#include "base/fleet.h"
#include "base/result.h"
#include "base/runtime/config_reader.h"
#include "base/runtime/log.h"
#include "base/time.h"
#include "base/units.h"

namespace linkpilot::agent {

inline constexpr std::size_t kCollectorsMax = 8;
inline constexpr std::size_t kSignersMax = 4;
inline constexpr std::size_t kNextKeysMax = 3;

// Hard limits of this node, whatever a plan asks for.
struct Ceilings {
  Duration tick{};
  std::uint8_t flows_max = 0;
  double probes_per_second_max = 0;
  double reflect_per_second_max = 0;
  double reflect_per_source_per_second_max = 0;
  std::size_t sessions_max = 0;
  Duration interval_min{};
  std::uint8_t dscp = 0;
  friend bool operator==(const Ceilings&, const Ceilings&) = default;
};

struct SpoolSettings {
  Bytes size_max;
  Duration keep_acked{};
  BitsPerSecond drain_rate;
  friend bool operator==(const SpoolSettings&, const SpoolSettings&) = default;
};

struct AgentConfig {
  Node self;  // name, role, region, ports, media_base; the id comes from the collector
  std::string state_directory;

  std::vector<std::string> collectors;  // "tcp://IP:PORT", tried in order
  // Public keys, or files that hold them; the first is public_key_file, the others are what it may
  // be changed to.
  std::vector<std::string> collector_key_files;
  std::string key_file;      // our own CURVE key pair
  std::string bind_address;  // local address towards the collector; empty: any

  std::string route_file;
  std::string marks_file;
  std::vector<std::string> signer_files;

  SpoolSettings spool;
  Ceilings ceilings;
  ExporterSettings exporter;
  LogLevel log_level = LogLevel::info;
};

[[nodiscard]] Result<AgentConfig> parse_agent_config(ConfigReader reader);
[[nodiscard]] Result<AgentConfig> load_agent_config(const std::string& path);

// Which keys differ between two configurations and cannot change while the agent runs; empty: a
// reload may apply `next` as it is. Collector list, keys, ceilings on what the plan may ask
// (flows_max, interval_min) and log level are what can change.
[[nodiscard]] std::vector<std::string> keys_needing_restart(const AgentConfig& current,
                                                            const AgentConfig& next);

}  // namespace linkpilot::agent
