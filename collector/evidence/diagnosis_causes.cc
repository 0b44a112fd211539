#include "collector/evidence/diagnosis_causes.h"

#include <fmt/format.h>

#include <algorithm>
#include <set>

namespace linkpilot::collector {

namespace {

using optimizer::CauseId;
using optimizer::CauseKind;

// As LocaliseOptions::item_nats.
constexpr float kItemNats = 5.0F;

bool is_pair(const CauseId& id, std::uint32_t a, std::uint32_t b) {
  return (id.a == a && id.b == b) || (id.both_ways && id.a == b && id.b == a);
}

// A node or a port, one way or both.
bool is_end(const CauseId& id, bool leaves, bool reaches) {
  if (id.both_ways) return leaves || reaches;
  return id.b == 0 ? leaves : reaches;
}

class Namer {
 public:
  Namer(const optimizer::Evidence& evidence, const FleetIndex& index, const NodeTable& nodes,
        const LinkBook& links, Now now)
      : evidence_(evidence), index_(index), nodes_(nodes), links_(links), now_(now) {}

  [[nodiscard]] Cause name(const optimizer::Cause& found) const {
    Cause cause;
    cause.kind = found.id.kind;
    cause.scope = scope_of(found.id.kind);
    cause.both_ways = found.id.both_ways;
    cause.inward = !found.id.both_ways && found.id.b == 1;
    cause.effect = found.effect;
    cause.shows = found.shows;
    cause.measured = found.measured;
    cause.confidence = found.confidence;
    for (const optimizer::LikelyCause& other : found.alternatives) {
      cause.alternatives.push_back(
          {cause_text(other.id, evidence_, index_, nodes_), other.confidence});
    }
    name_members(cause, found.id);
    gather_links(cause, found.id);
    judge_links(cause);
    if (cause.kind == CauseKind::agent) judge_agent(cause);
    note_dead_nodes(cause);
    return cause;
  }

 private:
  [[nodiscard]] NodeId node(std::uint32_t index) const { return index_.nodes.at(index); }
  [[nodiscard]] const optimizer::FleetEnd& end(std::uint32_t index) const {
    return evidence_.shape.ends.at(index);
  }

  void name_members(Cause& cause, const CauseId& id) const {
    switch (id.kind) {
      case CauseKind::agent:
      case CauseKind::node:
      case CauseKind::edge_service:
        cause.nodes = {node(id.a)};
        break;
      case CauseKind::port:
        cause.nodes = {end(id.a).port.node};
        cause.port = end(id.a).port.port;
        break;
      case CauseKind::link:
        cause.nodes = {end(id.a).port.node, end(id.b).port.node};
        break;
      case CauseKind::relay_push:
        cause.nodes = {node(id.a), node(id.b)};
        break;
      case CauseKind::region_pair:
        cause.names = {index_.regions.at(id.a), index_.regions.at(id.b)};
        break;
      case CauseKind::isp_pair:
        cause.names = {index_.isps.at(id.a), index_.isps.at(id.b)};
        break;
      case CauseKind::region_cut:
        cause.region = index_.regions.at(id.a);
        for (const auto& [number, facts] : nodes_) {
          if (facts.enrolled && facts.region == cause.region) cause.nodes.push_back(number);
        }
        break;
      case CauseKind::hop:
      case CauseKind::stream:
      case CauseKind::vendor:
        cause.names = {fmt::format("#{}", id.a)};
        break;
      case CauseKind::collector:
        break;
    }
  }

  // What it explains; of what lies between groups also the ends, to know who is affected.
  void gather_links(Cause& cause, const CauseId& id) const {
    std::set<NodeId> peers;
    std::set<NodeId> ends;
    std::set<std::uint16_t> isps;
    for (const optimizer::LinkFinding& finding : evidence_.findings) {
      if (!touches(id, evidence_, finding.from, finding.to)) continue;
      const LinkId link{end(finding.from).port, end(finding.to).port};
      const LinkOutlook outlook = links_.outlook(link, now_.mono);
      const bool of_dead_node = is_dead(link.from.node) || is_dead(link.to.node);
      const bool shows = finding.near.dead || finding.far.dead || finding.near.delay_ms > 0.0F ||
                         finding.far.delay_ms > 0.0F ||
                         finding.near.loss_nats + finding.far.loss_nats >= kItemNats;
      if (!outlook.bad() && !of_dead_node && !shows) continue;
      ++cause.links_total;
      if (cause.links.size() < kCauseLinksKept && (outlook.bad() || !of_dead_node)) {
        cause.links.push_back({link, outlook});
      }
      isps.insert(end(finding.from).isp);
      isps.insert(end(finding.to).isp);
      for (const NodeId each : {link.from.node, link.to.node}) {
        ends.insert(each);
        if (cause.nodes.empty() || each != cause.nodes.front()) peers.insert(each);
      }
    }
    if (isps.size() == 1 && *isps.begin() != evidence_.shape.isp_unknown) {
      cause.isp = index_.isps.at(*isps.begin());
    }
    if (cause.scope == FaultScope::node || cause.scope == FaultScope::port) {
      cause.peers = peers.size();
      cause.peers_measured = measured_peers(cause.nodes.front());
    }
    const bool between = cause.scope == FaultScope::region_pair ||
                         cause.scope == FaultScope::isp_pair || cause.scope == FaultScope::hop;
    if (!between) return;
    for (const NodeId each : ends) {
      if (cause.nodes.size() < kFaultMembersMax) cause.nodes.push_back(each);
    }
  }

  [[nodiscard]] bool is_dead(NodeId node) const {
    const auto found = nodes_.find(node);
    return found != nodes_.end() && found->second.dead;
  }

  [[nodiscard]] std::size_t measured_peers(NodeId node) const {
    std::set<NodeId> peers;
    for (const LinkBook::Place pair : links_.pairs_of(node)) {
      if (!links_.fresh(pair, now_.mono)) continue;
      const LinkId link = links_.link_of(pair);
      peers.insert(link.from.node == node ? link.to.node : link.from.node);
    }
    return peers.size();
  }

  void judge_agent(Cause& cause) const {
    const NodeFacts& facts = nodes_.at(cause.nodes.front());
    cause.links.clear();
    cause.links_total = 0;
    cause.grade = FaultGrade::degraded;
    cause.since = cause.grade_since = {};
    if (!facts.heard) {
      cause.effect.dead = true;
      if (facts.heard_at.ns > 0) {
        cause.why = "since " + format_utc(facts.heard_at);
        cause.since = {now_.mono - (now_.wall - facts.heard_at), facts.heard_at};
      } else {
        cause.why = "since the collector started";
      }
    } else if (!facts.trouble.empty()) {
      cause.why = facts.trouble;
      cause.since = facts.trouble_since;
    } else {
      cause.why = fmt::format("it contradicts {} of its peers", cause.shows);
    }
  }

  // A node that is given up is told with the time of its last sign of life.
  void note_dead_nodes(Cause& cause) const {
    if (cause.scope != FaultScope::node && cause.scope != FaultScope::region) return;
    UnixNanos first;
    for (const NodeId each : cause.nodes) {
      const auto found = nodes_.find(each);
      if (found == nodes_.end() || !found->second.dead || found->second.dead_since.ns == 0)
        continue;
      if (first.ns == 0 || found->second.dead_since < first) first = found->second.dead_since;
    }
    if (first.ns == 0) return;
    cause.grade = FaultGrade::dead;
    if (cause.since.mono == MonoTime{} || first < cause.since.wall) {
      cause.since.wall = first;
      if (cause.since.mono == MonoTime{}) cause.since.mono = now_.mono - (now_.wall - first);
    }
    if (cause.grade_since.mono == MonoTime{}) cause.grade_since = cause.since;
  }

  const optimizer::Evidence& evidence_;
  const FleetIndex& index_;
  const NodeTable& nodes_;
  const LinkBook& links_;
  Now now_;
};

}  // namespace

bool touches(const CauseId& id, const optimizer::Evidence& evidence, std::uint16_t from,
             std::uint16_t to) {
  const optimizer::FleetEnd& a = evidence.shape.ends.at(from);
  const optimizer::FleetEnd& b = evidence.shape.ends.at(to);
  switch (id.kind) {
    case CauseKind::node:
      return is_end(id, a.node == id.a, b.node == id.a);
    case CauseKind::port:
      return is_end(id, from == id.a, to == id.a);
    case CauseKind::agent:
      return a.node == id.a || b.node == id.a;
    case CauseKind::link:
      return is_pair(id, from, to);
    case CauseKind::region_pair:
      return is_pair(id, a.region, b.region);
    case CauseKind::isp_pair:
      return is_pair(id, a.isp, b.isp);
    case CauseKind::region_cut:
      return (a.region == id.a) != (b.region == id.a);
    case CauseKind::hop: {
      if (id.a >= evidence.hops.size()) return false;
      const auto& links = evidence.hops[id.a].links;
      return std::any_of(links.begin(), links.end(), [&](const optimizer::SharedHop::Link& link) {
        return link.from == from && link.to == to;
      });
    }
    case CauseKind::edge_service:
    case CauseKind::relay_push:
    case CauseKind::stream:
    case CauseKind::vendor:
    case CauseKind::collector:
      return false;
  }
  return false;
}

std::string cause_text(const CauseId& id, const optimizer::Evidence& evidence,
                       const FleetIndex& index, const NodeTable& nodes) {
  const auto node = [&](std::uint32_t i) {
    return i < index.nodes.size() ? name_of(index.nodes[i], nodes) : fmt::format("#{}", i);
  };
  const auto end = [&](std::uint32_t i) {
    return i < evidence.shape.ends.size() ? name_of(evidence.shape.ends[i].port.node, nodes)
                                          : fmt::format("#{}", i);
  };
  const auto of = [](const std::vector<std::string>& names, std::uint32_t i) {
    return i < names.size() ? names[i] : fmt::format("#{}", i);
  };
  switch (id.kind) {
    case CauseKind::agent:
      return "agent " + node(id.a);
    case CauseKind::node:
      return id.both_ways
                 ? "node " + node(id.a)
                 : fmt::format("the way {} node {}", id.b == 0 ? "out of" : "into", node(id.a));
    case CauseKind::port:
      return fmt::format(
          "port {}/{}", end(id.a),
          id.a < evidence.shape.ends.size() ? evidence.shape.ends[id.a].port.port.value : 0);
    case CauseKind::edge_service:
      return "service of " + node(id.a);
    case CauseKind::link:
      return fmt::format("link {} {} {}", end(id.a), id.both_ways ? "-" : ">", end(id.b));
    case CauseKind::region_pair:
      return fmt::format("regions {} {} {}", of(index.regions, id.a), id.both_ways ? "-" : ">",
                         of(index.regions, id.b));
    case CauseKind::isp_pair:
      return fmt::format("ISPs {} {} {}", of(index.isps, id.a), id.both_ways ? "-" : ">",
                         of(index.isps, id.b));
    case CauseKind::region_cut:
      return "region " + of(index.regions, id.a);
    case CauseKind::hop:
      return fmt::format("hop #{}", id.a);
    case CauseKind::relay_push:
      return fmt::format("relay push {} > {}", node(id.a), node(id.b));
    case CauseKind::stream:
      return fmt::format("stream #{}", id.a);
    case CauseKind::vendor:
      return fmt::format("vendor #{}", id.a);
    case CauseKind::collector:
      return "collector";
  }
  return "";
}

Causes name_causes(const std::vector<optimizer::Cause>& causes, const optimizer::Evidence& evidence,
                   const FleetIndex& index, const NodeTable& nodes, const LinkBook& links,
                   Now now) {
  const Namer namer(evidence, index, nodes, links, now);
  Causes out;
  for (const optimizer::Cause& found : causes) {
    Cause cause = namer.name(found);
    std::string key = key_of(cause, nodes);
    const auto [place, added] = out.try_emplace(std::move(key), std::move(cause));
    if (added) continue;
    // Two ways of one thing, or two ports of one pair of nodes. (Nothing was moved.)
    Cause& more = cause;
    Cause& one = place->second;
    one.both_ways = true;
    one.effect.dead = one.effect.dead || more.effect.dead;
    one.effect.loss = std::max(one.effect.loss, more.effect.loss);
    one.effect.delay_ms = std::max(one.effect.delay_ms, more.effect.delay_ms);
    one.confidence = std::max(one.confidence, more.confidence);
    for (LookedLink& link : more.links) {
      if (one.links.size() < kCauseLinksKept) one.links.push_back(link);
    }
    one.links_total += more.links_total;
    if (!one.links.empty()) judge_links(one);
  }
  return out;
}

}  // namespace linkpilot::collector
