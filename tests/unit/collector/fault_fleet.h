// A fleet whose links and nodes do what a test says. Its agents' samples and alarms go through a
// FaultFinder to a FaultJudge, once a second of virtual time. Full mesh, one port a node unless
// said otherwise.
#pragma once

#include <algorithm>
#include <map>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "collector/evidence/fault_finder.h"
#include "collector/faults/fault_judge.h"

namespace linkpilot::collector {

class FaultFleet {
 public:
  struct Way {
    LinkState state = LinkState::alive;
    double rtt_ms = 40;
    double loss_ratio = 0;
    bool heard = true;
  };

  explicit FaultFleet(const std::vector<std::string>& names, std::vector<Fault> open = {},
                      std::uint8_t ports = 1)
      : finder(FaultRules{}), judge(FaultRules{}, open) {
    for (const Fault& fault : open) finder.resume(fault);
    std::uint16_t number = 0;
    for (const std::string& name : names) {
      NodeFacts facts;
      facts.name = name;
      facts.region = "region-" + name;
      facts.heard = true;
      facts.ports = ports;
      nodes[NodeId{++number}] = facts;
    }
    for (const auto& [a, from] : nodes) {
      for (const auto& [b, to] : nodes) {
        if (a == b) continue;
        for (std::uint8_t p = 0; p < ports; ++p) {
          ways[{{a, PortIndex{p}}, {b, PortIndex{p}}}] = {};
        }
      }
    }
  }

  [[nodiscard]] NodeId node(const std::string& name) const {
    for (const auto& [id, facts] : nodes) {
      if (facts.name == name) return id;
    }
    return {};
  }
  Way& way(const std::string& from, const std::string& to, std::uint8_t port = 0) {
    return ways.at({{node(from), PortIndex{port}}, {node(to), PortIndex{port}}});
  }
  void both(const std::string& a, const std::string& b, const Way& as) {
    way(a, b) = as;
    way(b, a) = as;
  }
  void kill(const std::string& name) {
    NodeFacts& facts = nodes.at(node(name));
    facts.dead = true;
    facts.heard = false;
    facts.dead_since = now.wall;
    facts.dead_reason = "node silent since 2026-11-21T14:00:00.000Z";
    set_links_of(name, LinkState::dead);
  }
  void revive(const std::string& name) {
    NodeFacts& facts = nodes.at(node(name));
    facts.dead = false;
    facts.heard = true;
    set_links_of(name, LinkState::alive);
  }
  void set_links_of(const std::string& name, LinkState state) {
    for (auto& [link, each] : ways) {
      if (link.from.node == node(name) || link.to.node == node(name)) each.state = state;
    }
  }

  // One look a second; returns what was told, which `told` also keeps.
  std::vector<FaultChange> pass(int seconds) {
    std::vector<FaultChange> changes;
    for (int i = 0; i < seconds; ++i) {
      now.mono += std::chrono::seconds(1);
      now.wall += std::chrono::seconds(1);
      for (FaultChange& change : look()) changes.push_back(std::move(change));
    }
    told.insert(told.end(), changes.begin(), changes.end());
    return changes;
  }

  // Another judge takes over, as after a restart.
  void restart() {
    judge = FaultJudge(FaultRules{}, judge.open());
    finder = FaultFinder(FaultRules{});
    for (const Fault& fault : judge.open()) finder.resume(fault);
    said_.clear();
  }

  Now now{MonoTime{1'000'000'000'000}, UnixNanos{1'800'000'000'000'000'000}};
  NodeTable nodes;
  std::map<LinkId, Way> ways;
  double packets_a_look = 40;
  std::map<std::pair<std::string, std::string>, double> lies;  // share that only the near end loses
  std::set<std::string> late;  // agents that are too busy to measure well
  FaultFinder finder;
  FaultJudge judge;
  std::vector<FaultChange> told;

 private:
  std::vector<FaultChange> look() {
    std::map<NodeId, std::vector<LinkSample>> samples;
    for (const auto& [link, each] : ways) {
      LinkState& said = said_.try_emplace(link, LinkState::alive).first->second;
      if (said != each.state) finder.note_state(link, each.state, now);
      said = each.state;
      histories_[link].state_reason = "confirmed by a peer";
      if (each.heard && nodes.at(link.from.node).heard) {
        samples[link.from.node].push_back(sample(link));
      }
    }
    for (const auto& [id, facts] : nodes) {
      if (!facts.heard) continue;
      std::vector<FoldedSample> folded;
      for (const LinkSample& each : samples[id]) folded.push_back({&each, now});
      finder.add(id, folded, {}, now);
    }
    finder.look(nodes, now);
    return judge.look({nodes, finder.links(), histories_, finder.causes()}, now);
  }

  // What the end says that the link leaves, of the last second.
  LinkSample sample(LinkId link) {
    const Way& forth = ways.at(link);
    const Way& back = ways.at(link.reversed());
    LinkSample out;
    out.link = link;
    out.length = std::chrono::seconds(1);
    out.start = now.wall - out.length;
    out.sent = static_cast<std::uint32_t>(packets_a_look);
    if (forth.state == LinkState::dead || back.state == LinkState::dead) {
      out.lost_unplaced = out.sent;
      return out;
    }
    out.lost_forward = lost_of(owed_[link].first, out.sent, forth.loss_ratio);
    out.lost_backward = lost_of(owed_[link].second, out.sent - out.lost_forward, back.loss_ratio);
    const auto lie = lies.find({nodes.at(link.from.node).name, nodes.at(link.to.node).name});
    if (lie != lies.end()) {
      out.lost_forward = lost_of(owed_[link].first, out.sent, lie->second);
    }
    if (late.contains(nodes.at(link.from.node).name)) {
      out.missed_by_us = out.sent / 2;
      out.lost_backward += (out.sent - out.lost_forward - out.lost_backward) / 10;
    }
    out.answered = out.sent - out.lost_forward - out.lost_backward;
    if (out.answered == 0) return out;
    const Duration rtt(static_cast<std::int64_t>((forth.rtt_ms + back.rtt_ms) / 2 * 1e6));
    out.rtt_min = out.rtt_max = rtt;
    out.rtt_sum = rtt * out.answered;
    for (std::uint32_t i = 0; i < out.answered; ++i) out.rtt.add(rtt);
    return out;
  }

  // Fractions add up over the looks.
  static std::uint32_t lost_of(double& owed, std::uint32_t sent, double ratio) {
    owed += sent * std::clamp(ratio, 0.0, 1.0);
    const auto lost = std::min(sent, static_cast<std::uint32_t>(owed));
    owed -= lost;
    return lost;
  }

  LinkHistories histories_;
  std::map<LinkId, LinkState> said_;
  std::map<LinkId, std::pair<double, double>> owed_;
};

}  // namespace linkpilot::collector
