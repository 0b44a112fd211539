// What collector.toml says, as one value per part of the collector; parts compare with == on
// reload. collector.toml in the parent folder is the manual: every key, its default and its
// meaning.
//
// Relative paths are relative to the folder of the configuration file.
#pragma once

#include <string>

#include "base/result.h"
#include "base/runtime/config_reader.h"
#include "base/runtime/log.h"
#include "base/time.h"
#include "base/units.h"
#include "collector/faults/fault_rules.h"
#include "collector/notify/mail_settings.h"
#include "collector/notify/sink_settings.h"

namespace linkpilot::collector {

struct ListenConfig {
  std::string agents = "tcp://0.0.0.0:7100";
  std::string agents_next;  // with keys.curve_next_file; empty: none
  std::string http = "127.0.0.1:7180";
  int io_threads = 1;  // of ZeroMQ: decryption
  int http_threads = 4;
  friend bool operator==(const ListenConfig&, const ListenConfig&) = default;
};

struct KeysConfig {
  std::string curve_file = "/etc/linkpilot/collector.key";
  std::string curve_next_file;
  std::string signing_file = "/etc/linkpilot/routes.key";
  std::string enrolled_directory = "/etc/linkpilot/enrolled";
  std::string probing_file = "/etc/linkpilot/probing.key";  // read if probing.authenticate
  friend bool operator==(const KeysConfig&, const KeysConfig&) = default;
};

struct StoreConfig {
  std::string path = "/var/lib/linkpilot/collector.sqlite";
  Duration retention = std::chrono::hours(24);
  Bytes size_max{std::uint64_t{4} << 30};
  Duration commit_interval = std::chrono::milliseconds(20);
  friend bool operator==(const StoreConfig&, const StoreConfig&) = default;
};

enum class CrossIsp : std::uint8_t { never, penalty, free };

struct ProbingConfig {
  Duration fast_interval = std::chrono::milliseconds(50);
  Duration slow_interval = std::chrono::seconds(1);
  std::uint8_t flows = 2;
  Duration warm_up =
      std::chrono::seconds(15);  // new, returned and candidate links: fast for this long
  CrossIsp cross_isp = CrossIsp::penalty;
  Duration plan_lifetime = std::chrono::seconds(60);
  bool authenticate = false;
  friend bool operator==(const ProbingConfig&, const ProbingConfig&) = default;
};

struct RoutingConfig {
  Duration tick = std::chrono::seconds(1);
  double margin_ms = 5;        // a new path must be better by this much ...
  double margin_ratio = 0.10;  // ... and by this share of the old one's cost
  Duration dwell = std::chrono::seconds(10);
  Duration soft_expiry = std::chrono::minutes(5);
  Duration hard_expiry = std::chrono::hours(1);
  double churn_max = 0.3;  // share of all routes that one unforced publication may move
  double quorum = 0.5;     // share of enrolled agents that must be heard before tables change
  Duration silent_after = std::chrono::seconds(10);
  Duration restart_grace = std::chrono::seconds(10);  // zero: an agent's restart looks like death
  friend bool operator==(const RoutingConfig&, const RoutingConfig&) = default;
};

struct ApiConfig {
  std::string token_file;  // empty: nothing that needs a token is allowed
  friend bool operator==(const ApiConfig&, const ApiConfig&) = default;
};

struct CollectorConfig {
  ListenConfig listen;
  KeysConfig keys;
  StoreConfig store;
  ProbingConfig probing;
  RoutingConfig routing;
  FaultRules faults;
  MailSettings mail;
  AlertSettings alerts;
  HookSettings webhook;
  ApiConfig api;
  LogLevel log_level = LogLevel::info;
  friend bool operator==(const CollectorConfig&, const CollectorConfig&) = default;
};

[[nodiscard]] Result<CollectorConfig> load_config(const std::string& path);
// `name` stands for the file in messages; relative paths are left as they are.
// What is allowed but surely not meant: sentences for an operator.
[[nodiscard]] std::vector<std::string> config_warnings(const CollectorConfig& config);
[[nodiscard]] Result<CollectorConfig> parse_config(std::string_view text, std::string name);

}  // namespace linkpilot::collector
