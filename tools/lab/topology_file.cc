#include "tools/lab/topology_file.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>

#include "base/ids.h"
#include "base/runtime/config_reader.h"

namespace linkpilot::lab {
namespace {

using namespace std::chrono_literals;

constexpr Range<Duration> kDelays{0ns, 60s};
constexpr Range<double> kRatios{0.0, 1.0};
constexpr std::size_t kLinksMax = kNodesMax * kNodesMax;

// Keys that [defaults] and [[links]] share. Absent keys leave the setting as it is.
void read_impairment(ConfigReader& reader, Impairment& pair) {
  pair.jitter = reader.duration("jitter", pair.jitter, kDelays);
  pair.loss = reader.number("loss", pair.loss, kRatios);
  pair.burst.ratio = reader.number("burst_loss", pair.burst.ratio, {0.0, 0.99});
  pair.burst.mean = reader.duration("burst_mean", pair.burst.mean, kDelays);
  pair.reorder = reader.number("reorder", pair.reorder, kRatios);
  pair.reorder_delay = reader.duration("reorder_delay", pair.reorder_delay, kDelays);
  pair.duplicate = reader.number("duplicate", pair.duplicate, kRatios);
  pair.rate_bits_per_s = reader.bits_per_second("rate", BitsPerSecond{pair.rate_bits_per_s}).value;
  pair.queue = reader.duration("queue", pair.queue, kDelays);
  pair.mtu = static_cast<std::uint32_t>(reader.integer("mtu", pair.mtu, {576, 1500}));
  pair.flows = static_cast<std::uint8_t>(reader.integer("flows", pair.flows, {1, kFlowsMax}));
  pair.flow_spread = reader.duration("flow_spread", pair.flow_spread, kDelays);
  pair.hops = static_cast<std::uint8_t>(reader.integer("hops", pair.hops, {0, kHopsMax}));
  if (pair.burst.ratio > 0 && pair.burst.mean.count() == 0) {
    reader.reject("burst_loss", "needs burst_mean, the mean length of a burst, e.g. \"5ms\"");
  }
  if (pair.reorder > 0 && pair.reorder_delay.count() == 0) {
    reader.reject("reorder", "needs reorder_delay, how long a packet is held back");
  }
}

// One region's row of one-way delays, in the order of the [[regions]] tables.
std::vector<Duration> read_delay_row(ConfigReader& reader, std::size_t regions) {
  const std::vector<double> row = reader.numbers("one_way_ms", kRegionsMax);
  if (row.size() != regions) {
    reader.reject("one_way_ms", fmt::format("{} delays for {} regions: one for each [[regions]] "
                                            "table, in their order",
                                            row.size(), regions));
    return std::vector<Duration>(regions);
  }
  std::vector<Duration> delays;
  for (const double ms : row) {
    if (!(ms >= 0 && ms <= 60'000)) reader.reject("one_way_ms", "delays are 0 to 60000 ms");
    delays.emplace_back(
        std::isfinite(ms) && ms >= 0 && ms <= 60'000 ? static_cast<std::int64_t>(ms * 1e6) : 0);
  }
  return delays;
}

struct RegionTable {
  std::vector<Region> regions;
  std::vector<std::vector<Duration>> delays;

  [[nodiscard]] std::size_t place(const std::string& name) const {
    return static_cast<std::size_t>(std::ranges::find(regions, name, &Region::name) -
                                    regions.begin());
  }
};

RegionTable read_regions(ConfigReader& file) {
  RegionTable table;
  std::vector<ConfigReader> readers = file.tables("regions", kRegionsMax);
  for (ConfigReader& reader : readers) {
    Region region;
    region.name = reader.required_text("name");
    region.title = reader.text("title", "");
    region.latitude_degrees = reader.number("latitude", 0, {-90, 90});
    region.longitude_degrees = reader.number("longitude", 0, {-180, 180});
    if (table.place(region.name) != table.regions.size()) {
      reader.reject("name", fmt::format("region \"{}\" is named twice", region.name));
    }
    table.regions.push_back(std::move(region));
    table.delays.push_back(read_delay_row(reader, readers.size()));
  }
  if (readers.empty()) file.reject("regions", "at least one [[regions]] table is needed");
  return table;
}

std::vector<LabNode> read_nodes(ConfigReader& file, const RegionTable& table) {
  std::vector<LabNode> nodes;
  std::vector<ConfigReader> readers = file.tables("nodes", kNodesMax);
  for (ConfigReader& reader : readers) {
    LabNode node;
    node.name = reader.required_text("name");
    node.region = reader.required_text("region");
    const std::string kind = reader.text("kind", "node");
    if (kind != "node" && kind != "collector") {
      reader.reject("kind", "must be \"node\" or \"collector\"");
    }
    node.kind = kind == "collector" ? LabNodeKind::collector : LabNodeKind::node;
    if (!is_valid_node_name(node.name)) {
      reader.reject("name", "node names are a-z, 0-9 and '-'");
    }
    if (std::ranges::find(nodes, node.name, &LabNode::name) != nodes.end()) {
      reader.reject("name", fmt::format("node \"{}\" is named twice", node.name));
    }
    if (table.place(node.region) == table.regions.size()) {
      reader.reject("region", fmt::format("no [[regions]] table is named \"{}\"", node.region));
    }
    node.v4 = node_v4(static_cast<NodeIndex>(nodes.size()));
    node.v6 = node_v6(static_cast<NodeIndex>(nodes.size()));
    nodes.push_back(std::move(node));
  }
  if (readers.size() < 2) file.reject("nodes", "at least two [[nodes]] tables are needed");
  return nodes;
}

void read_links(ConfigReader& file, Topology& topology) {
  std::vector<ConfigReader> readers = file.tables("links", kLinksMax);
  for (ConfigReader& reader : readers) {
    const std::string from = reader.required_text("from");
    const std::string to = reader.required_text("to");
    const bool both = reader.flag("both_ways", false);
    const auto a = topology.find_node(from);
    const auto b = topology.find_node(to);
    if (!a) reader.reject("from", fmt::format("no node \"{}\"", from));
    if (!b) reader.reject("to", fmt::format("no node \"{}\"", to));
    if (!a || !b) continue;
    if (*a == *b) {
      reader.reject("to", "a link joins two different nodes");
      continue;
    }
    const std::size_t there = topology.pair_index(*a, *b);
    const std::size_t back = topology.pair_index(*b, *a);
    Impairment& pair = topology.pairs[there];
    pair.delay = reader.duration("delay", pair.delay, kDelays);
    read_impairment(reader, pair);
    if (both) topology.pairs[back] = pair;
  }
}

Result<Topology> build(ConfigReader file) {
  Topology topology;
  topology.name = file.required_text("name");
  topology.origin = file.text("origin", "");
  ConfigReader defaults = file.table("defaults");
  Impairment common;
  read_impairment(defaults, common);
  const Duration local = defaults.duration("local_delay", 250us, kDelays);
  const RegionTable table = read_regions(file);
  topology.regions = table.regions;
  topology.nodes = read_nodes(file, table);
  const std::size_t nodes = topology.nodes.size();
  topology.pairs.assign(nodes * nodes, common);
  for (NodeIndex from = 0; from < nodes; ++from) {
    for (NodeIndex to = 0; to < nodes; ++to) {
      const std::size_t a = table.place(topology.nodes[from].region);
      const std::size_t b = table.place(topology.nodes[to].region);
      if (a == table.regions.size() || b == table.regions.size() || from == to) continue;
      Impairment& pair = topology.pairs[topology.pair_index(from, to)];
      const bool management = topology.nodes[from].kind == LabNodeKind::collector ||
                              topology.nodes[to].kind == LabNodeKind::collector;
      pair.delay = a == b ? local : table.delays[a][b] + (management ? local : Duration{});
    }
  }
  read_links(file, topology);
  if (Status status = file.finish(); !status) return fail(status.error());
  return topology;
}

}  // namespace

Result<Topology> read_topology(const std::string& path) {
  Result<ConfigReader> file = ConfigReader::from_file(path);
  if (!file) return fail(file.error());
  return build(*std::move(file));
}

Result<Topology> parse_topology(std::string_view text, const std::string& name) {
  Result<ConfigReader> file = ConfigReader::from_text(text, name);
  if (!file) return fail(file.error());
  return build(*std::move(file));
}

}  // namespace linkpilot::lab
