#include "tools/lab/lab_status.h"

#include <nlohmann/json.hpp>

namespace linkpilot::lab {
namespace {

using Json = nlohmann::ordered_json;

constexpr std::array<std::pair<Fate, const char*>, 15> kFateNames = {{
    {Fate::delivered, "delivered"},
    {Fate::blackhole, "blackhole"},
    {Fate::loss, "loss"},
    {Fate::burst, "burst"},
    {Fate::queue, "queue"},
    {Fate::rate, "rate"},
    {Fate::mtu, "mtu"},
    {Fate::ttl, "ttl"},
    {Fate::node_down, "node_down"},
    {Fate::region_cut, "region_cut"},
    {Fate::unroutable, "unroutable"},
    {Fate::not_ours, "not_ours"},
    {Fate::malformed, "malformed"},
    {Fate::overloaded, "overloaded"},
    {Fate::write_failed, "write_failed"},
}};

double in_us(Duration value) { return static_cast<double>(value.count()) / 1e3; }
double in_ms(Duration value) { return static_cast<double>(value.count()) / 1e6; }

// A number or null: an empty distribution has no quantiles.
Json quantile_us(const LatencySketch& sketch, double q) {
  const auto value = sketch.quantile(q);
  return value ? Json(in_us(*value)) : Json(nullptr);
}

Json fault_json(const Fault& fault) {
  const FaultRequest& request = fault.request;
  Json json{{"id", fault.number}, {"kind", to_string(request.kind)}};
  if (!request.node.empty()) json["node"] = request.node;
  if (!request.region.empty()) json["region"] = request.region;
  if (!request.from.empty()) {
    json["from"] = request.from;
    json["to"] = request.to;
    json["both"] = request.direction == Direction::both_ways;
  }
  if (request.flow) json["flow"] = *request.flow;
  if (request.kind == FaultKind::delay) json["add_ms"] = in_ms(request.delay);
  if (request.kind == FaultKind::reorder) json["delay_ms"] = in_ms(request.delay);
  if (request.jitter.count() > 0) json["jitter_ms"] = in_ms(request.jitter);
  if (request.ratio > 0) json["ratio"] = request.ratio;
  if (request.mean.count() > 0) json["mean_ms"] = in_ms(request.mean);
  if (request.rate_bits_per_s > 0) {
    json["bits_per_second"] = request.rate_bits_per_s;
    json["queue_ms"] = in_ms(request.queue);
  }
  if (request.mtu > 0) json["mtu"] = request.mtu;
  return json;
}

Json faults_json(const std::vector<Fault>& faults) {
  Json list = Json::array();
  for (const Fault& fault : faults) list.push_back(fault_json(fault));
  return list;
}

Json doubts_json(const LabSnapshot& snapshot, const LabSurroundings& around) {
  Json doubts = Json::array();
  const EmulatorHealth& health = snapshot.health;
  if (!health.real_time) doubts.push_back("no real-time priority");
  if (health.seconds_noisy > 0) doubts.push_back("seconds with late packets");
  if (around.ledger_lost > 0) doubts.push_back("ledger records lost");
  if (around.ledger_failed) doubts.push_back("ledger file cannot be written");
  for (const std::uint64_t drops : around.device_drops) {
    if (drops == 0) continue;
    doubts.push_back("a node's device dropped packets");
    break;
  }
  if (snapshot.packets.by_fate[static_cast<std::size_t>(Fate::overloaded)] > 0) {
    doubts.push_back("packets dropped for lack of room");
  }
  return doubts;
}

}  // namespace

std::string status_text(const Topology& topology, const LabSnapshot& snapshot,
                        const LabSurroundings& around) {
  const EmulatorHealth& health = snapshot.health;
  Json fates = Json::object();
  for (const auto& [fate, name] : kFateNames) {
    const std::uint64_t count = snapshot.packets.by_fate[static_cast<std::size_t>(fate)];
    if (count > 0) fates[name] = count;
  }
  Json drops = Json::object();
  for (std::size_t i = 0; i < around.device_drops.size(); ++i) {
    if (around.device_drops[i] > 0) drops[topology.nodes[i].name] = around.device_drops[i];
  }
  const Json doubts = doubts_json(snapshot, around);
  const bool overloaded = health.seconds_overloaded > 0 || around.ledger_lost > 0 ||
                          around.ledger_failed || !drops.empty();
  const Json json{
      {"ok", true},
      {"time_ns", snapshot.time.ns},
      {"topology", topology.name},
      {"prefix", around.prefix},
      {"seed", around.seed},
      {"up_s", static_cast<double>((snapshot.time - around.started).count()) / 1e9},
      {"packets_read", snapshot.packets.read},
      {"packets_in_flight", snapshot.in_flight},
      {"packets_in_flight_max", snapshot.packets.in_flight_max},
      {"packets_per_s", health.packets_per_s},
      {"fates", fates},
      {"late_us",
       {{"count", health.late.count()},
        {"p50", quantile_us(health.late, 0.5)},
        {"p90", quantile_us(health.late, 0.9)},
        {"p99", quantile_us(health.late, 0.99)},
        {"p999", quantile_us(health.late, 0.999)},
        {"max", in_us(health.late_max)}}},
      {"real_time", health.real_time},
      {"spinning", health.spinning},
      {"emulation_core_percent", health.core_share * 100},
      {"load",
       {{"own_percent", around.load.own_percent},
        {"nodes_percent", around.load.nodes_percent},
        {"foreign_cpu_percent", around.load.foreign_percent},
        {"steal_percent", around.load.steal_percent},
        {"cores", around.load.cores}}},
      {"seconds", health.seconds},
      {"seconds_noisy", health.seconds_noisy},
      {"seconds_overloaded", health.seconds_overloaded},
      // Noisy: more than one second in twenty was late. Overloaded: exact counts cannot be trusted.
      {"noisy", health.seconds_noisy * 20 > health.seconds || overloaded},
      {"overloaded", overloaded},
      {"doubts", doubts},
      {"device_drops", drops},
      {"ledger",
       {{"file", around.ledger},
        {"records", around.ledger_records},
        {"records_lost", around.ledger_lost}}},
      {"faults", faults_json(snapshot.faults)}};
  return json.dump();
}

std::string links_text(const Topology& topology, UnixNanos time, const SettingsInForce& settings,
                       const std::vector<PairCounters>& counters) {
  Json links = Json::array();
  for (NodeIndex from = 0; from < topology.nodes.size(); ++from) {
    for (NodeIndex to = 0; to < topology.nodes.size(); ++to) {
      if (from == to) continue;
      const std::size_t index = topology.pair_index(from, to);
      const Impairment& pair = settings.pairs[index];
      const PairCounters& count = counters[index];
      Json link{{"from", topology.nodes[from].name},
                {"to", topology.nodes[to].name},
                {"delay_ms", in_ms(pair.delay)},
                {"jitter_ms", in_ms(pair.jitter)},
                {"loss_ratio", pair.loss},
                {"flows", pair.flows},
                {"hops", pair.hops},
                {"mtu", pair.mtu},
                {"dead", pair.dead_flows == kAllFlows || settings.pair_cut[index] ||
                             settings.node_down[from] || settings.node_down[to]},
                {"sent", count.sent},
                {"delivered", count.delivered},
                {"dropped", count.dropped}};
      if (pair.burst.ratio > 0) {
        link["burst_ratio"] = pair.burst.ratio;
        link["burst_mean_ms"] = in_ms(pair.burst.mean);
      }
      if (pair.reorder > 0) link["reorder_ratio"] = pair.reorder;
      if (pair.duplicate > 0) link["duplicate_ratio"] = pair.duplicate;
      if (pair.rate_bits_per_s > 0) link["bits_per_second"] = pair.rate_bits_per_s;
      links.push_back(std::move(link));
    }
  }
  return Json{{"ok", true}, {"time_ns", time.ns}, {"links", std::move(links)}}.dump();
}

std::string fault_text(const Fault& fault, UnixNanos time) {
  return Json{
      {"ok", true}, {"time_ns", time.ns}, {"id", fault.number}, {"fault", fault_json(fault)}}
      .dump();
}

std::string healed_text(const std::vector<Fault>& healed, UnixNanos time) {
  return Json{{"ok", true}, {"time_ns", time.ns}, {"healed", faults_json(healed)}}.dump();
}

std::string error_text(const Error& error, UnixNanos time) {
  const Json json{{"ok", false},
                  {"time_ns", time.ns},
                  {"code", to_string(error.code)},
                  {"error", error.message}};
  // Names from outside may not be UTF-8; they must not end the lab.
  return json.dump(-1, ' ', false, Json::error_handler_t::replace);
}

std::string ready_text(const Topology& topology, const LabSurroundings& around,
                       const std::vector<std::string>& namespaces, bool real_time) {
  Json names = Json::object();
  Json addresses = Json::object();
  Json nodes = Json::array();
  for (std::size_t i = 0; i < topology.nodes.size(); ++i) {
    const LabNode& node = topology.nodes[i];
    names[node.name] = namespaces[i];
    addresses[node.name] = {node.v4.to_string(), node.v6.to_string()};
    nodes.push_back({{"name", node.name},
                     {"index", i},
                     {"region", node.region},
                     {"kind", node.kind == LabNodeKind::collector ? "collector" : "node"}});
  }
  return Json{{"ready", true},
              {"time_ns", around.started.ns},
              {"topology", topology.name},
              {"prefix", around.prefix},
              {"seed", around.seed},
              {"ledger", around.ledger},
              {"real_time", real_time},
              {"nodes", nodes},
              {"namespaces", names},
              {"addresses", addresses}}
      .dump();
}

}  // namespace linkpilot::lab
