// [exporter] of agent.toml as a value: whether, where and how the agent dials for whoever asks over
// HTTP, and what it may.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "base/address.h"
#include "base/runtime/config_reader.h"
#include "base/time.h"
#include "base/units.h"
#include "prober/media/dial/dial_request.h"

namespace linkpilot::agent {

inline constexpr std::size_t kModulesMax = 32;

// A way to dial, chosen by name.
struct DialModule {
  std::string name;
  Duration length{};   // of watching; the scraper's patience may cut it short
  Duration timeout{};  // of the whole dial
  prober::TlsMode tls = prober::TlsMode::enforce;
  prober::SocketMode socket = prober::SocketMode::prompt;
  std::string ca_file;
  friend bool operator==(const DialModule&, const DialModule&) = default;
};

struct ExporterSettings {
  std::optional<Endpoint> listen;  // nothing: off
  std::vector<DialModule> modules;
  std::vector<std::string> allow_addresses;
  std::vector<std::string> allow_hosts;
  std::uint32_t concurrent_max = 0;
  BitsPerSecond rate_max;
  Bytes size_max;
  friend bool operator==(const ExporterSettings&, const ExporterSettings&) = default;
};

[[nodiscard]] ExporterSettings read_exporter(ConfigReader& root);

}  // namespace linkpilot::agent
