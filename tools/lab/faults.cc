#include "tools/lab/faults.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <utility>

namespace linkpilot::lab {
namespace {

constexpr std::array<std::pair<FaultKind, std::string_view>, 11> kKindNames = {{
    {FaultKind::blackhole, "blackhole"},
    {FaultKind::delay, "delay"},
    {FaultKind::jitter, "jitter"},
    {FaultKind::loss, "loss"},
    {FaultKind::burst_loss, "burst_loss"},
    {FaultKind::reorder, "reorder"},
    {FaultKind::duplicate, "duplicate"},
    {FaultKind::rate, "rate"},
    {FaultKind::mtu, "mtu"},
    {FaultKind::node_down, "node_down"},
    {FaultKind::region_cut, "region_cut"},
}};

constexpr Duration kDelayMax = std::chrono::seconds(60);

bool is_pair_fault(FaultKind kind) {
  return kind != FaultKind::node_down && kind != FaultKind::region_cut;
}

std::string known_nodes(const Topology& topology) {
  std::string text;
  for (const LabNode& node : topology.nodes) text += (text.empty() ? "" : ", ") + node.name;
  return text;
}

Status check_node(const Topology& topology, std::string_view key, const std::string& name) {
  if (topology.find_node(name)) return {};
  return fail(ErrorCode::not_found, name.empty() ? fmt::format("{}: missing; give a node name", key)
                                                 : fmt::format("{}: no node \"{}\"; there are: {}",
                                                               key, name, known_nodes(topology)));
}

Status check_ends(const Topology& topology, const FaultRequest& request) {
  if (request.kind == FaultKind::node_down) return check_node(topology, "node", request.node);
  if (request.kind == FaultKind::region_cut) {
    if (topology.has_region(request.region)) return {};
    return fail(ErrorCode::not_found, fmt::format("region: no region \"{}\"", request.region));
  }
  if (request.from != "*") {
    if (Status status = check_node(topology, "from", request.from); !status) return status;
  }
  if (request.to != "*") {
    if (Status status = check_node(topology, "to", request.to); !status) return status;
  }
  if (request.from == request.to && request.from != "*") {
    return fail(ErrorCode::invalid_argument, "from and to are the same node");
  }
  return {};
}

Status bad(std::string_view what) { return fail(ErrorCode::invalid_argument, std::string(what)); }

bool is_duration_in_range(Duration value) { return value > Duration{} && value <= kDelayMax; }

Status check_values(const FaultRequest& request) {
  switch (request.kind) {
    case FaultKind::unspecified:
      return bad(
          "kind: must be one of blackhole, delay, jitter, loss, burst_loss, reorder, "
          "duplicate, rate, mtu, node_down, region_cut");
    case FaultKind::delay:
      return is_duration_in_range(request.delay) ? Status{} : bad("add_ms: above 0, at most 60000");
    case FaultKind::jitter:
      return is_duration_in_range(request.jitter) ? Status{}
                                                  : bad("jitter_ms: above 0, at most 60000");
    case FaultKind::loss:
    case FaultKind::duplicate:
      return request.ratio > 0 && request.ratio <= 1 ? Status{} : bad("ratio: above 0, at most 1");
    case FaultKind::burst_loss:
      if (!is_duration_in_range(request.mean)) return bad("mean_ms: above 0, at most 60000");
      return request.ratio > 0 && request.ratio < 1 ? Status{} : bad("ratio: above 0, below 1");
    case FaultKind::reorder:
      if (!is_duration_in_range(request.delay)) return bad("delay_ms: above 0, at most 60000");
      return request.ratio > 0 && request.ratio <= 1 ? Status{} : bad("ratio: above 0, at most 1");
    case FaultKind::rate:
      return request.rate_bits_per_s >= 1'000 ? Status{} : bad("bits_per_second: at least 1000");
    case FaultKind::mtu:
      return request.mtu >= 576 && request.mtu <= 1500 ? Status{} : bad("mtu: 576 to 1500");
    case FaultKind::blackhole:
      return !request.flow || *request.flow < kFlowsMax ? Status{} : bad("flow: 0 to 63");
    case FaultKind::node_down:
    case FaultKind::region_cut:
      return {};
  }
  return {};
}

void apply_to(Impairment& pair, const FaultRequest& request) {
  switch (request.kind) {
    case FaultKind::blackhole:
      pair.dead_flows |= request.flow ? std::uint64_t{1} << *request.flow : kAllFlows;
      break;
    case FaultKind::delay:
      pair.delay += request.delay;
      break;
    case FaultKind::jitter:
      pair.jitter = request.jitter;
      break;
    case FaultKind::loss:
      pair.loss = request.ratio;
      break;
    case FaultKind::burst_loss:
      pair.burst = {request.ratio, request.mean};
      break;
    case FaultKind::reorder:
      pair.reorder = request.ratio;
      pair.reorder_delay = request.delay;
      break;
    case FaultKind::duplicate:
      pair.duplicate = request.ratio;
      break;
    case FaultKind::rate:
      pair.rate_bits_per_s = request.rate_bits_per_s;
      pair.queue = request.queue;
      break;
    case FaultKind::mtu:
      pair.mtu = request.mtu;
      break;
    case FaultKind::unspecified:
    case FaultKind::node_down:
    case FaultKind::region_cut:
      break;
  }
}

// "*" stands for every node but the collector.
bool names(const std::string& pattern, const LabNode& node) {
  return pattern == "*" ? node.kind == LabNodeKind::node : pattern == node.name;
}

bool covers(const FaultRequest& request, const LabNode& from, const LabNode& to) {
  if (names(request.from, from) && names(request.to, to)) return true;
  return request.direction == Direction::both_ways && names(request.from, to) &&
         names(request.to, from);
}

bool is_meant(const Fault& fault, const HealRequest& heal) {
  const FaultRequest& request = fault.request;
  if (heal.number) return fault.number == *heal.number;
  if (heal.kind != FaultKind::unspecified && heal.kind != request.kind) return false;
  if (!heal.node.empty() && (request.kind != FaultKind::node_down || heal.node != request.node)) {
    return false;
  }
  if (!heal.region.empty() &&
      (request.kind != FaultKind::region_cut || heal.region != request.region)) {
    return false;
  }
  if (heal.from.empty() && heal.to.empty()) return true;
  if (!is_pair_fault(request.kind)) return false;
  const auto ends = [&](const std::string& from, const std::string& to) {
    return (heal.from.empty() || heal.from == from) && (heal.to.empty() || heal.to == to);
  };
  if (ends(request.from, request.to)) return true;
  const bool two_way =
      heal.direction == Direction::both_ways || request.direction == Direction::both_ways;
  return two_way && ends(request.to, request.from);
}

}  // namespace

std::string_view to_string(FaultKind kind) {
  const auto it =
      std::ranges::find(kKindNames, kind, [](const auto& entry) { return entry.first; });
  return it == kKindNames.end() ? "unspecified" : it->second;
}

FaultKind parse_fault_kind(std::string_view text) {
  const auto it =
      std::ranges::find(kKindNames, text, [](const auto& entry) { return entry.second; });
  return it == kKindNames.end() ? FaultKind::unspecified : it->first;
}

Result<Fault> FaultList::set(const Topology& topology, const FaultRequest& request) {
  if (Status status = check_values(request); !status) return fail(status.error());
  if (Status status = check_ends(topology, request); !status) return fail(status.error());
  if (faults_.size() >= kFaultsMax) {
    return fail(ErrorCode::limit_exceeded,
                fmt::format("{} faults are active, the most there may be; heal some", kFaultsMax));
  }
  faults_.push_back({next_number_++, request});
  return faults_.back();
}

Result<std::vector<Fault>> FaultList::heal(const Topology& topology, const HealRequest& request) {
  for (const std::string* name : {&request.from, &request.to, &request.node}) {
    if (name->empty() || *name == "*") continue;
    if (Status status = check_node(topology, "heal", *name); !status) return fail(status.error());
  }
  std::vector<Fault> healed;
  std::vector<Fault> kept;
  for (const Fault& fault : faults_) (is_meant(fault, request) ? healed : kept).push_back(fault);
  const bool everything = !request.number && request.from.empty() && request.to.empty() &&
                          request.node.empty() && request.region.empty();
  if (healed.empty() && !everything) {
    return fail(ErrorCode::not_found, "no active fault matches; `status` lists them");
  }
  faults_ = std::move(kept);
  return healed;
}

SettingsInForce FaultList::apply(const Topology& topology) const {
  const std::size_t nodes = topology.nodes.size();
  SettingsInForce settings{.pairs = topology.pairs,
                           .node_down = std::vector<bool>(nodes, false),
                           .pair_cut = std::vector<bool>(nodes * nodes, false)};
  for (const Fault& fault : faults_) {
    for (NodeIndex from = 0; from < nodes; ++from) {
      const LabNode& a = topology.nodes[from];
      if (fault.request.kind == FaultKind::node_down && a.name == fault.request.node) {
        settings.node_down[from] = true;
      }
      for (NodeIndex to = 0; to < nodes; ++to) {
        const LabNode& b = topology.nodes[to];
        const std::size_t pair = topology.pair_index(from, to);
        if (fault.request.kind == FaultKind::region_cut) {
          const std::string& region = fault.request.region;
          if ((a.region == region) != (b.region == region)) settings.pair_cut[pair] = true;
        } else if (is_pair_fault(fault.request.kind) && from != to && covers(fault.request, a, b)) {
          apply_to(settings.pairs[pair], fault.request);
        }
      }
    }
  }
  return settings;
}

}  // namespace linkpilot::lab
