#include "collector/faults/causes.h"

#include <fmt/format.h>

#include <algorithm>
#include <set>

namespace linkpilot::collector {

namespace {

using optimizer::CauseKind;

Now earlier(Now a, Now b) {
  if (a.mono == MonoTime{}) return b;
  if (b.mono == MonoTime{}) return a;
  return a.mono <= b.mono ? a : b;
}

std::string pair_key(std::string_view what, const std::string& a, const std::string& b) {
  return a < b ? fmt::format("{}:{}:{}", what, a, b) : fmt::format("{}:{}:{}", what, b, a);
}

const std::string& region_of(NodeId node, const NodeTable& nodes) {
  static const std::string none;
  const auto found = nodes.find(node);
  return found == nodes.end() ? none : found->second.region;
}

bool is_of(const std::vector<NodeId>& some, NodeId node) {
  return std::find(some.begin(), some.end(), node) != some.end();
}

}  // namespace

std::string name_of(NodeId node, const NodeTable& nodes) {
  const auto found = nodes.find(node);
  return found == nodes.end() ? fmt::format("#{}", node.value) : found->second.name;
}

NodePair pair_of(LinkId link) { return std::minmax(link.from.node, link.to.node); }

std::string node_key(const std::string& name) { return "node:" + name; }
std::string port_key(const std::string& name, PortIndex port) {
  return fmt::format("port:{}/{}", name, port.value);
}
std::string region_key(const std::string& region) { return "region:" + region; }
std::string link_key(NodePair pair, const NodeTable& nodes) {
  return pair_key("link", name_of(pair.first, nodes), name_of(pair.second, nodes));
}

std::string key_of(const Cause& cause, const NodeTable& nodes) {
  const auto node = [&](std::size_t i) { return name_of(cause.nodes.at(i), nodes); };
  const auto name = [&](std::size_t i) { return cause.names.at(i); };
  switch (cause.kind) {
    case CauseKind::agent:
      return "agent:" + node(0);
    case CauseKind::node:
      return node_key(node(0));
    case CauseKind::port:
      return port_key(node(0), cause.port);
    case CauseKind::edge_service:
      return "service:" + node(0);
    case CauseKind::link:
      return link_key({cause.nodes.at(0), cause.nodes.at(1)}, nodes);
    case CauseKind::region_pair:
      return pair_key("regions", name(0), name(1));
    case CauseKind::isp_pair:
      return pair_key("isps", name(0), name(1));
    case CauseKind::region_cut:
      return region_key(cause.region);
    case CauseKind::hop:
      return "hop:" + name(0);
    case CauseKind::relay_push:
      return fmt::format("push:{}:{}", node(0), node(1));
    case CauseKind::stream:
      return "stream:" + name(0);
    case CauseKind::vendor:
      return "vendor:" + name(0);
    case CauseKind::collector:
      return "collector:network";
  }
  return "";
}

optimizer::CauseKind kind_of(FaultScope scope) {
  switch (scope) {
    case FaultScope::region:
      return CauseKind::region_cut;
    case FaultScope::node:
      return CauseKind::node;
    case FaultScope::port:
      return CauseKind::port;
    case FaultScope::link:
      return CauseKind::link;
    case FaultScope::agent:
      return CauseKind::agent;
    case FaultScope::service:
      return CauseKind::edge_service;
    case FaultScope::region_pair:
      return CauseKind::region_pair;
    case FaultScope::isp_pair:
      return CauseKind::isp_pair;
    case FaultScope::hop:
      return CauseKind::hop;
    case FaultScope::relay_push:
      return CauseKind::relay_push;
    case FaultScope::stream:
      return CauseKind::stream;
    case FaultScope::vendor:
      return CauseKind::vendor;
    case FaultScope::collector:
      return CauseKind::collector;
  }
  return CauseKind::link;
}

FaultScope scope_of(optimizer::CauseKind kind) {
  for (const FaultScope scope : kFaultScopes) {
    if (kind_of(scope) == kind) return scope;
  }
  return FaultScope::link;
}

void judge_links(Cause& cause) {
  std::map<NodePair, bool> dead;
  Now dead_since{};
  Now degraded_since{};
  for (const LookedLink& link : cause.links) {
    cause.since = earlier(cause.since, link.outlook.bad_since);
    if (link.outlook.health == LinkHealth::dead) {
      dead[pair_of(link.link)] = true;
      dead_since = earlier(dead_since, link.outlook.health_since);
    } else {
      dead.emplace(pair_of(link.link), false);
      if (!link.outlook.bad()) continue;  // of a group, too weak to be bad by itself
      degraded_since = earlier(degraded_since, link.outlook.health_since);
    }
  }
  const auto deaths = static_cast<std::size_t>(
      std::count_if(dead.begin(), dead.end(), [](const auto& each) { return each.second; }));
  cause.grade = deaths * 2 >= dead.size() && deaths > 0 ? FaultGrade::dead : FaultGrade::degraded;
  cause.grade_since = cause.grade == FaultGrade::dead ? dead_since : degraded_since;
}

bool covers(const Fault& fault, const Cause& cause, const NodeTable& nodes) {
  const bool of_nodes = cause.scope == FaultScope::link || cause.scope == FaultScope::port ||
                        cause.scope == FaultScope::node;
  if (!of_nodes || cause.nodes.empty()) return false;
  const auto is_about = [&](NodeId node) { return is_of(fault.nodes, node); };
  switch (fault.scope) {
    case FaultScope::region:
      return std::any_of(cause.nodes.begin(), cause.nodes.end(), is_about);
    case FaultScope::node:
      return cause.scope != FaultScope::node &&
             std::any_of(cause.nodes.begin(), cause.nodes.end(), is_about);
    case FaultScope::port:
      return cause.scope == FaultScope::link &&
             std::any_of(cause.links.begin(), cause.links.end(), [&](const LookedLink& each) {
               const PortId port{fault.nodes.front(), fault.port};
               return each.link.from == port || each.link.to == port;
             });
    case FaultScope::region_pair: {
      if (cause.scope != FaultScope::link || fault.members.size() != 2) return false;
      const std::string& a = region_of(cause.nodes.front(), nodes);
      const std::string& b = region_of(cause.nodes.back(), nodes);
      return std::minmax(a, b) == std::minmax(fault.members[0], fault.members[1]);
    }
    case FaultScope::isp_pair:
    case FaultScope::hop:
      // Those that it was told with.
      return cause.scope == FaultScope::link &&
             std::any_of(cause.links.begin(), cause.links.end(), [&](const LookedLink& each) {
               return std::any_of(fault.links.begin(), fault.links.end(),
                                  [&](const FaultLink& told) { return told.link == each.link; });
             });
    case FaultScope::link:
    case FaultScope::agent:
    case FaultScope::service:
    case FaultScope::relay_push:
    case FaultScope::stream:
    case FaultScope::vendor:
    case FaultScope::collector:
      return false;
  }
  return false;
}

void absorb_cause(Cause& into, const Fault& fault, const Cause& of) {
  into.kind = kind_of(fault.scope);
  into.scope = fault.scope;
  into.nodes = fault.nodes;
  into.port = fault.port;
  into.region = fault.region;
  if (fault.scope == FaultScope::region_pair || fault.scope == FaultScope::isp_pair ||
      fault.scope == FaultScope::hop) {
    into.names = fault.members;
  }
  for (const LookedLink& link : of.links) {
    if (into.links.size() < kCauseLinksKept) into.links.push_back(link);
  }
  into.links_total += of.links_total;
  into.effect.dead = into.effect.dead || of.effect.dead;
  into.effect.loss = std::max(into.effect.loss, of.effect.loss);
  into.effect.delay_ms = std::max(into.effect.delay_ms, of.effect.delay_ms);
  into.peers = std::max(into.peers, of.peers);
  into.peers_measured = std::max(into.peers_measured, of.peers_measured);
  judge_links(into);
  if (!into.links.empty()) return;
  into.grade = of.grade;
  into.since = earlier(into.since, of.since);
  into.grade_since = earlier(into.grade_since, of.grade_since);
}

}  // namespace linkpilot::collector
