#include "collector/faults/causes.h"

#include <fmt/format.h>

#include <algorithm>
#include <set>

namespace linkpilot::collector {

namespace {

// A node is blamed for its links when at least two peers complain, and two thirds of those that
// are measured.
constexpr std::size_t kHubPeersMin = 2;

struct BadPair {
  std::vector<LookedLink> links;
  bool explained = false;
};
using BadPairs = std::map<NodePair, BadPair>;

Now earlier(Now a, Now b) {
  if (a.mono == MonoTime{}) return b;
  if (b.mono == MonoTime{}) return a;
  return a.mono <= b.mono ? a : b;
}

NodeId other_end(NodePair pair, NodeId node) {
  return pair.first == node ? pair.second : pair.first;
}

// Grade and times from the links: dead if at least half of the pairs are.
void judge_links(Cause& cause) {
  std::map<NodePair, bool> dead;
  Now dead_since{};
  Now degraded_since{};
  for (const LookedLink& link : cause.links) {
    cause.since = earlier(cause.since, link.watch->bad_since());
    if (link.watch->health() == LinkHealth::dead) {
      dead[pair_of(link.link)] = true;
      dead_since = earlier(dead_since, link.watch->health_since());
    } else {
      dead.emplace(pair_of(link.link), false);
      degraded_since = earlier(degraded_since, link.watch->health_since());
    }
  }
  const auto deaths = static_cast<std::size_t>(
      std::count_if(dead.begin(), dead.end(), [](const auto& each) { return each.second; }));
  cause.grade = deaths * 2 >= dead.size() && deaths > 0 ? FaultGrade::dead : FaultGrade::degraded;
  cause.grade_since = cause.grade == FaultGrade::dead ? dead_since : degraded_since;
}

class Explainer {
 public:
  Explainer(const NodeTable& nodes, const std::vector<LookedLink>& links, const KnownFaults& known)
      : nodes_(nodes), known_(known) {
    for (const LookedLink& link : links) {
      if (link.watch->health() != LinkHealth::unknown) {
        peers_[link.link.from.node].insert(link.link.to.node);
        peers_[link.link.to.node].insert(link.link.from.node);
      }
      if (link.bad()) bad_[pair_of(link.link)].links.push_back(link);
    }
  }

  void explain_dead_nodes(const std::map<NodeId, Now>& dead_since) {
    std::set<NodeId> told_by_region;
    for (const auto& [key, fault] : known_.by_key) {
      if (fault->scope == FaultScope::region)
        blame_region(fault->region, dead_since, told_by_region);
    }
    std::map<std::string, std::pair<std::size_t, std::size_t>> regions;  // dead, all
    for (const auto& [id, node] : nodes_) {
      if (!node.enrolled || node.region.empty()) continue;
      auto& [dead, all] = regions[node.region];
      ++all;
      // A node that was told of by itself is not told again with its region.
      if (dead_since.contains(id) && !known_.has(node_key(node.name))) ++dead;
    }
    for (const auto& [region, count] : regions) {
      if (count.first >= 2 && count.first == count.second) {
        blame_region(region, dead_since, told_by_region);
      }
    }
    for (const auto& [id, since] : dead_since) {
      if (told_by_region.contains(id)) continue;
      const NodeFacts& node = nodes_.at(id);
      Cause cause;
      cause.scope = FaultScope::node;
      cause.nodes = {id};
      cause.since = {since.mono, node.dead_since.ns > 0 ? node.dead_since : since.wall};
      cause.grade_since = since;
      causes_.emplace(node_key(node.name), std::move(cause));
    }
  }

  void explain_links() {
    keep_known_links();
    for (const auto& [id, node] : nodes_) {
      if (known_.has(node_key(node.name)) || has_known_port(node)) blame_node(id);
    }
    for (;;) {
      std::size_t best = 0;
      NodeId hub;
      for (const auto& [id, node] : nodes_) {
        const std::size_t complaints = complaints_of(id);
        if (complaints < kHubPeersMin || complaints * 3 < peers_[id].size() * 2) continue;
        if (complaints > best) {
          best = complaints;
          hub = id;
        }
      }
      if (best == 0) break;
      blame_node(hub);
    }
    for (auto& [pair, bad] : bad_) {
      if (!bad.explained) blame_pair(pair, bad);
    }
  }

  [[nodiscard]] Causes take() { return std::move(causes_); }

 private:
  void blame_region(const std::string& region, const std::map<NodeId, Now>& dead_since,
                    std::set<NodeId>& told) {
    Cause cause;
    cause.scope = FaultScope::region;
    cause.region = region;
    for (const auto& [id, node] : nodes_) {
      if (node.region != region || !node.enrolled) continue;
      cause.nodes.push_back(id);
      const auto dead = dead_since.find(id);
      if (dead == dead_since.end()) continue;
      told.insert(id);
      cause.since = earlier(cause.since, {dead->second.mono, node.dead_since});
      cause.grade_since = earlier(cause.grade_since, dead->second);
    }
    if (cause.grade_since.mono == MonoTime{}) return;  // none of them is dead any more
    causes_.emplace(region_key(region), std::move(cause));
  }

  [[nodiscard]] bool has_known_port(const NodeFacts& node) const {
    for (std::uint8_t port = 0; port < node.ports; ++port) {
      if (known_.has(port_key(node.name, PortIndex{port}))) return true;
    }
    return false;
  }

  void keep_known_links() {
    for (auto& [pair, bad] : bad_) {
      if (known_.has(link_key(pair, nodes_))) blame_pair(pair, bad);
    }
  }

  [[nodiscard]] std::size_t complaints_of(NodeId node) const {
    std::size_t count = 0;
    for (const auto& [pair, bad] : bad_) {
      if (!bad.explained && (pair.first == node || pair.second == node)) ++count;
    }
    return count;
  }

  void blame_pair(NodePair pair, BadPair& bad) {
    bad.explained = true;
    Cause cause;
    cause.nodes = {pair.first, pair.second};
    cause.links = bad.links;
    judge_links(cause);
    causes_.emplace(link_key(pair, nodes_), std::move(cause));
  }

  void blame_node(NodeId node) {
    Cause cause;
    cause.scope = FaultScope::node;
    cause.nodes = {node};
    std::set<PortIndex> ports;
    std::set<NodeId> peers;
    for (auto& [pair, bad] : bad_) {
      if (bad.explained || (pair.first != node && pair.second != node)) continue;
      bad.explained = true;
      peers.insert(other_end(pair, node));
      for (const LookedLink& link : bad.links) {
        cause.links.push_back(link);
        ports.insert(link.link.from.node == node ? link.link.from.port : link.link.to.port);
      }
    }
    if (cause.links.empty()) return;
    cause.peers = peers.size();
    cause.peers_measured = peers_[node].size();
    judge_links(cause);
    const NodeFacts& facts = nodes_.at(node);
    std::string key = node_key(facts.name);
    // All through one of several ports: it is the port.
    if (facts.ports > 1 && ports.size() == 1 && !known_.has(key)) {
      cause.scope = FaultScope::port;
      cause.port = *ports.begin();
      key = port_key(facts.name, cause.port);
    }
    causes_.emplace(std::move(key), std::move(cause));
  }

  const NodeTable& nodes_;
  const KnownFaults& known_;
  std::map<NodeId, std::set<NodeId>> peers_;  // with a link that is measured
  BadPairs bad_;
  Causes causes_;
};

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
  const std::string a = name_of(pair.first, nodes);
  const std::string b = name_of(pair.second, nodes);
  return a < b ? fmt::format("link:{}:{}", a, b) : fmt::format("link:{}:{}", b, a);
}

Causes find_causes(const NodeTable& nodes, const std::map<NodeId, Now>& dead_since,
                   const std::vector<LookedLink>& links, const KnownFaults& known) {
  Explainer explainer(nodes, links, known);
  explainer.explain_dead_nodes(dead_since);
  explainer.explain_links();
  return explainer.take();
}

}  // namespace linkpilot::collector
