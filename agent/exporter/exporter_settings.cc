#include "agent/exporter/exporter_settings.h"

#include "agent/exporter/ask.h"
#include "base/fleet.h"
#include "prober/media/dial/target_policy.h"

namespace linkpilot::agent {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;

constexpr std::size_t kRulesMax = 64;

DialModule read_module(ConfigReader& table) {
  DialModule module;
  module.name = table.text("name", kDefaultModule);
  if (!is_valid_node_name(module.name)) {
    table.reject("name", "must be 1 to 63 of a-z, 0-9 and '-', not starting or ending with '-'");
  }
  module.length =
      table.duration("length", seconds(5), {milliseconds(100), std::chrono::minutes(5)});
  module.timeout = table.duration("timeout", seconds(15), {seconds(1), std::chrono::minutes(10)});
  const std::string tls = table.text("certificates", "enforce");
  if (tls != "enforce" && tls != "record") {
    table.reject("certificates", "is \"" + tls + "\", expected one of enforce, record");
  }
  module.tls = tls == "record" ? prober::TlsMode::record : prober::TlsMode::enforce;
  module.socket = table.flag("player_like", false) ? prober::SocketMode::player_like
                                                   : prober::SocketMode::prompt;
  module.ca_file = table.text("ca_file", "");
  return module;
}

}  // namespace

ExporterSettings read_exporter(ConfigReader& root) {
  ConfigReader exporter = root.table("exporter");
  ExporterSettings settings;
  const std::string listen = exporter.text("listen", "");
  if (!listen.empty()) {
    const auto endpoint = Endpoint::parse(listen);
    if (!endpoint || !endpoint->address.is_loopback()) {
      exporter.reject("listen", "must be a loopback address and port, e.g. \"127.0.0.1:9116\"");
    } else {
      settings.listen = *endpoint;
    }
  }
  settings.concurrent_max =
      static_cast<std::uint32_t>(exporter.integer("concurrent_max", 16, {1, 1000}));
  settings.rate_max = exporter.bits_per_second("rate_max", BitsPerSecond{100'000'000});
  settings.size_max = exporter.bytes("size_max", Bytes{std::uint64_t{1} << 30},
                                     {Bytes{1 << 20}, Bytes{std::uint64_t{1} << 40}});
  settings.allow_hosts = exporter.texts("allow_hosts", kRulesMax);
  settings.allow_addresses = exporter.texts("allow_addresses", kRulesMax);
  for (const std::string& text : settings.allow_addresses) {
    const auto ranges = prober::parse_ranges(text);
    if (!ranges) exporter.reject("allow_addresses", "\"" + text + "\": " + ranges.error().message);
  }
  for (ConfigReader& table : exporter.tables("modules", kModulesMax)) {
    DialModule module = read_module(table);
    for (const DialModule& other : settings.modules) {
      if (other.name == module.name) table.reject("name", "is that of an earlier module");
    }
    settings.modules.push_back(std::move(module));
  }
  if (settings.modules.empty()) {
    settings.modules.push_back({.name = kDefaultModule,
                                .length = seconds(5),
                                .timeout = seconds(15),
                                .tls = prober::TlsMode::enforce,
                                .socket = prober::SocketMode::prompt,
                                .ca_file = {}});
  }
  return settings;
}

}  // namespace linkpilot::agent
