#include "collector/faults/standing.h"

#include <algorithm>

namespace linkpilot::collector {

namespace {

struct LinkCount {
  std::size_t bad = 0;
  std::size_t fine = 0;

  void add(const LinkOutlook& outlook) {
    if (outlook.bad()) ++bad;
    if (outlook.health == LinkHealth::fine) ++fine;
  }
  [[nodiscard]] FaultStanding standing() const {
    if (bad > 0 && static_cast<double>(bad) >= kBadShare * static_cast<double>(bad + fine)) {
      return FaultStanding::bad;
    }
    return fine > 0 ? FaultStanding::good : FaultStanding::unknown;
  }
};

bool node_is_up(NodeId node, const NodeTable& nodes) {
  const auto found = nodes.find(node);
  return found != nodes.end() && found->second.enrolled && !found->second.dead;
}

bool is_enrolled(NodeId node, const NodeTable& nodes) {
  const auto found = nodes.find(node);
  return found != nodes.end() && found->second.enrolled;
}

// Visits both directions of every pair of the node's whose other end is up.
template <typename Visit>
void for_each_way(NodeId node, const FleetFacts& facts, MonoTime now, Visit&& visit) {
  for (const LinkBook::Place pair : facts.links.pairs_of(node)) {
    const LinkId link = facts.links.link_of(pair);
    if (!node_is_up(link.from.node, facts.nodes) || !node_is_up(link.to.node, facts.nodes))
      continue;
    visit(link, facts.links.outlook_of(pair, 0, now));
    visit(link.reversed(), facts.links.outlook_of(pair, 1, now));
  }
}

FaultStanding standing_of_node(NodeId node, const Fault& fault, const FleetFacts& facts, Now now) {
  if (!is_enrolled(node, facts.nodes)) return FaultStanding::left;
  const NodeFacts& known = facts.nodes.at(node);
  if (known.dead) return FaultStanding::bad;
  if (!known.heard) return FaultStanding::unknown;
  LinkCount count;
  for_each_way(node, facts, now.mono, [&](LinkId link, const LinkOutlook& outlook) {
    const PortIndex port = link.from.node == node ? link.from.port : link.to.port;
    if (fault.scope == FaultScope::port && port != fault.port) return;
    count.add(outlook);
  });
  return count.standing();
}

// The worst of its nodes; those that left do not count while one stays.
FaultStanding standing_of_nodes(const Fault& fault, const FleetFacts& facts, Now now) {
  FaultStanding worst = FaultStanding::left;
  for (const NodeId node : fault.nodes) {
    const FaultStanding standing = standing_of_node(node, fault, facts, now);
    if (standing == FaultStanding::left) continue;
    if (standing == FaultStanding::bad) return FaultStanding::bad;
    if (standing == FaultStanding::unknown || worst == FaultStanding::left) worst = standing;
  }
  return worst;
}

FaultStanding standing_of_link(const Fault& fault, const FleetFacts& facts, Now now) {
  const NodeId a = fault.nodes.front();
  const NodeId b = fault.nodes.back();
  if (!is_enrolled(a, facts.nodes) || !is_enrolled(b, facts.nodes)) return FaultStanding::left;
  FaultStanding standing = FaultStanding::unknown;
  bool all_known = true;
  bool bad = false;
  for_each_way(a, facts, now.mono, [&](LinkId link, const LinkOutlook& outlook) {
    if (link.from.node != b && link.to.node != b) return;
    bad = bad || outlook.bad();
    all_known = all_known && outlook.health != LinkHealth::unknown;
    standing = FaultStanding::good;
  });
  if (bad) return FaultStanding::bad;
  return all_known ? standing : FaultStanding::unknown;
}

// Of what has no nodes of its own: the links that it was told with.
FaultStanding standing_of_told_links(const Fault& fault, const FleetFacts& facts, Now now) {
  LinkCount count;
  for (const FaultLink& link : fault.links) count.add(facts.links.outlook(link.link, now.mono));
  return count.standing();
}

FaultStanding standing_of_agent(const Fault& fault, const FleetFacts& facts) {
  if (fault.nodes.empty() || !is_enrolled(fault.nodes.front(), facts.nodes)) {
    return FaultStanding::left;
  }
  const NodeFacts& node = facts.nodes.at(fault.nodes.front());
  if (node.dead || node.awaited) return FaultStanding::unknown;
  return node.heard && node.trouble.empty() ? FaultStanding::good : FaultStanding::bad;
}

FaultStanding standing_of_collector(const FleetFacts& facts) {
  const auto heard = std::count_if(facts.nodes.begin(), facts.nodes.end(), [](const auto& node) {
    return node.second.enrolled && node.second.heard;
  });
  return heard > 0 ? FaultStanding::good : FaultStanding::unknown;
}

}  // namespace

FaultStanding standing_of(const Fault& fault, const FleetFacts& facts, Now now) {
  switch (fault.scope) {
    case FaultScope::region:
    case FaultScope::node:
    case FaultScope::port:
      return standing_of_nodes(fault, facts, now);
    case FaultScope::link:
      return standing_of_link(fault, facts, now);
    case FaultScope::region_pair:
    case FaultScope::isp_pair:
    case FaultScope::hop:
      return standing_of_told_links(fault, facts, now);
    case FaultScope::agent:
      return standing_of_agent(fault, facts);
    case FaultScope::collector:
      return standing_of_collector(facts);
    case FaultScope::service:
    case FaultScope::relay_push:
    case FaultScope::stream:
    case FaultScope::vendor:
      return FaultStanding::unknown;  // no dial has shown that it works
  }
  return FaultStanding::unknown;
}

Causes attribute_causes(const std::vector<Fault>& open, const FleetFacts& facts, Now now) {
  Causes out = facts.causes;
  for (const Fault& fault : open) {
    if (standing_of(fault, facts, now) != FaultStanding::bad) continue;
    Causes parts;
    std::erase_if(out, [&](auto& each) {
      if (each.first == fault.key || !covers(fault, each.second, facts.nodes)) return false;
      parts.insert(std::move(each));
      return true;
    });
    for (const auto& [key, part] : parts) absorb_cause(out[fault.key], fault, part);
  }
  return out;
}

}  // namespace linkpilot::collector
