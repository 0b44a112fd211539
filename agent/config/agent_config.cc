#include "agent/config/agent_config.h"

#include <algorithm>
#include <array>
#include <utility>

namespace linkpilot::agent {

namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;

template <typename T>
using Word = std::pair<std::string_view, T>;

constexpr std::int64_t kStampPort = 8862;

constexpr std::array<Word<NodeRole>, 4> kRoles{{{"ingest", NodeRole::ingest},
                                                {"relay", NodeRole::relay},
                                                {"edge", NodeRole::edge},
                                                {"test_host", NodeRole::test_host}}};
constexpr std::array<Word<LogLevel>, 4> kLogLevels{{{"debug", LogLevel::debug},
                                                    {"info", LogLevel::info},
                                                    {"warn", LogLevel::warn},
                                                    {"error", LogLevel::error}}};

// A key whose value is one of a few words.
template <typename T, std::size_t N>
T word(ConfigReader& reader, std::string_view key, std::string_view fallback,
       const std::array<Word<T>, N>& words) {
  const std::string text = reader.text(key, std::string(fallback));
  std::string known;
  for (const auto& [name, value] : words) {
    if (name == text) return value;
    known += known.empty() ? "" : ", ";
    known += name;
  }
  reader.reject(key, "is \"" + text + "\", expected one of " + known);
  return words.front().second;
}

void read_node(ConfigReader& reader, AgentConfig& config) {
  ConfigReader node = reader.table("node");
  config.self.name = node.required_text("name");
  if (!config.self.name.empty() && !is_valid_node_name(config.self.name)) {
    node.reject("name", "must be 1 to 63 of a-z, 0-9 and '-', not starting or ending with '-'");
  }
  config.self.region = node.text("region", "");
  config.self.role = word(node, "role", "relay", kRoles);
  config.self.media_base = node.text("media_base", "");
  config.state_directory = node.text("state_directory", "/var/lib/linkpilot");
}

void read_ports(ConfigReader& reader, AgentConfig& config) {
  for (ConfigReader& table : reader.tables("ports", kPortsPerNodeMax)) {
    Port port;
    port.index = PortIndex{static_cast<std::uint8_t>(config.self.ports.size())};
    port.listen = table.address("listen", IpAddress{});
    if (port.listen.is_unspecified()) {
      table.reject("listen", "must be the address of this port: probes leave from it");
    }
    port.advertised = table.address("advertised", port.listen);
    port.isp = table.text("isp", "");
    port.stamp_port =
        static_cast<std::uint16_t>(table.integer("stamp_port", kStampPort, {1, 65'535}));
    port.capacity = table.bits_per_second("capacity", BitsPerSecond{0});
    port.bill = table.text("bill", "");
    for (const Port& other : config.self.ports) {
      if (other.listen == port.listen && other.stamp_port == port.stamp_port) {
        table.reject("listen", "is the same address and stamp_port as an earlier port");
      }
    }
    config.self.ports.push_back(std::move(port));
  }
  if (config.self.ports.empty()) {
    reader.reject("ports", "is missing: name at least one [[ports]] with listen = \"ADDRESS\"");
  }
}

void read_collector(ConfigReader& reader, AgentConfig& config) {
  ConfigReader collector = reader.table("collector");
  config.collectors = collector.texts("connect", kCollectorsMax);
  if (config.collectors.empty()) {
    collector.reject("connect", "is missing: e.g. connect = [\"tcp://192.0.2.1:7100\"]");
  }
  for (const std::string& address : config.collectors) {
    constexpr std::string_view kScheme = "tcp://";
    const bool ok = address.starts_with(kScheme) && Endpoint::parse(address.substr(kScheme.size()));
    if (!ok) collector.reject("connect", "\"" + address + "\" is not tcp://IP:PORT");
  }
  config.collector_key_files = {collector.text("public_key_file", "/etc/linkpilot/collector.pub")};
  for (std::string& file : collector.texts("next_public_key_files", kNextKeysMax)) {
    config.collector_key_files.push_back(std::move(file));
  }
  config.key_file = collector.text("key_file", "/etc/linkpilot/agent.key");
  config.bind_address = collector.text("bind_address", "");
  if (!config.bind_address.empty() && !IpAddress::parse(config.bind_address)) {
    collector.reject("bind_address", "is not an IP address");
  }
}

void read_routes(ConfigReader& reader, AgentConfig& config) {
  ConfigReader routes = reader.table("routes");
  config.route_file = routes.text("file", config.state_directory + "/routes.bin");
  config.marks_file = routes.text("marks_file", config.state_directory + "/marks.bin");
  config.signer_files = routes.texts("signer_public_key_files", kSignersMax);
  if (config.signer_files.empty()) config.signer_files = {"/etc/linkpilot/routes.pub"};
}

void read_spool(ConfigReader& reader, AgentConfig& config) {
  ConfigReader spool = reader.table("spool");
  config.spool.size_max =
      spool.bytes("size_max", Bytes{std::uint64_t{64} << 20},
                  {Bytes{std::uint64_t{1} << 20}, Bytes{std::uint64_t{1} << 40}});
  config.spool.keep_acked =
      spool.duration("keep_acked", std::chrono::minutes(10), {seconds(0), std::chrono::hours(24)});
  config.spool.drain_rate = spool.bits_per_second("drain_rate", BitsPerSecond{16'000'000});
  if (config.spool.drain_rate.value < 64'000)
    spool.reject("drain_rate", "must be 64kbit/s or more");
}

void read_probing(ConfigReader& reader, AgentConfig& config) {
  ConfigReader probing = reader.table("probing");
  Ceilings& c = config.ceilings;
  c.tick = probing.duration("tick", milliseconds(5), {milliseconds(1), milliseconds(50)});
  c.flows_max = static_cast<std::uint8_t>(probing.integer("flows_max", 4, {1, 16}));
  c.probes_per_second_max =
      probing.rate_per_second("probes_per_second_max", 20'000, {1, 1'000'000});
  c.reflect_per_second_max =
      probing.rate_per_second("reflect_per_second_max", 50'000, {1, 1'000'000});
  c.reflect_per_source_per_second_max =
      probing.rate_per_second("reflect_per_source_per_second_max", 2'000, {1, 1'000'000});
  c.sessions_max = static_cast<std::size_t>(probing.integer("sessions_max", 8'192, {1, 65'536}));
  c.interval_min =
      probing.duration("interval_min", milliseconds(10), {milliseconds(1), seconds(60)});
  c.dscp = static_cast<std::uint8_t>(probing.integer("dscp", 0, {0, 63}));
}

}  // namespace

Result<AgentConfig> parse_agent_config(ConfigReader reader) {
  AgentConfig config;
  read_node(reader, config);
  read_ports(reader, config);
  read_collector(reader, config);
  read_routes(reader, config);
  read_spool(reader, config);
  read_probing(reader, config);
  config.exporter = read_exporter(reader);
  ConfigReader log = reader.table("log");
  config.log_level = word(log, "level", "info", kLogLevels);
  if (Status status = reader.finish(); !status) return fail(status.error());
  return config;
}

Result<AgentConfig> load_agent_config(const std::string& path) {
  auto reader = ConfigReader::from_file(path);
  if (!reader) return fail(reader.error());
  return parse_agent_config(std::move(*reader));
}

std::vector<std::string> keys_needing_restart(const AgentConfig& current, const AgentConfig& next) {
  std::vector<std::string> keys;
  const auto check = [&](bool same, std::string_view key) {
    if (!same) keys.emplace_back(key);
  };
  check(current.self.name == next.self.name, "node.name");
  check(current.state_directory == next.state_directory, "node.state_directory");
  check(current.self.ports == next.self.ports, "ports");
  check(current.self.region == next.self.region && current.self.role == next.self.role &&
            current.self.media_base == next.self.media_base,
        "node.region, node.role, node.media_base");
  check(current.bind_address == next.bind_address, "collector.bind_address");
  check(current.route_file == next.route_file && current.marks_file == next.marks_file,
        "routes.file, routes.marks_file");
  check(current.spool == next.spool, "spool");
  check(current.exporter == next.exporter, "exporter");
  Ceilings applied = current.ceilings;
  applied.flows_max = next.ceilings.flows_max;
  applied.interval_min = next.ceilings.interval_min;
  check(applied == next.ceilings, "probing (all but flows_max and interval_min)");
  return keys;
}

}  // namespace linkpilot::agent
