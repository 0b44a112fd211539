// A fleet whose links and nodes do what a test says, looked at by a FaultJudge once a second of
// virtual time. Full mesh, one port a node unless said otherwise.
#pragma once

#include <algorithm>
#include <map>
#include <string>
#include <vector>

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
      : judge(FaultRules{}, std::move(open)) {
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
  void restart() { judge = FaultJudge(FaultRules{}, judge.open()); }

  Now now{MonoTime{1'000'000'000'000}, UnixNanos{1'800'000'000'000'000'000}};
  NodeTable nodes;
  std::map<LinkId, Way> ways;
  double packets_a_look = 40;
  FaultJudge judge;
  std::vector<FaultChange> told;

 private:
  std::vector<FaultChange> look() {
    std::vector<optimizer::LinkBelief> beliefs;
    for (const auto& [link, each] : ways) {
      optimizer::LinkBelief belief;
      belief.link = link;
      belief.state = each.state;
      belief.measured = true;
      belief.stale = !each.heard;
      belief.rtt_p50 = Duration(static_cast<std::int64_t>(each.rtt_ms * 1e6));
      beliefs.push_back(belief);
      if (!each.heard) continue;
      // The near end counts all of it; fractions add up over the looks.
      double& owed = owed_[link];
      owed += packets_a_look *
              (each.state == LinkState::dead ? 1.0 : std::clamp(each.loss_ratio, 0.0, 1.0));
      const auto lost = static_cast<std::uint64_t>(owed);
      owed -= static_cast<double>(lost);
      histories_[link.reversed()].lost_backward += lost;  // the far end loses as much
      LinkHistory& history = histories_[link];
      history.sent += static_cast<std::uint64_t>(packets_a_look);
      history.lost_forward += lost;
      history.state_reason = "confirmed by a peer";
    }
    return judge.look({nodes, beliefs, histories_}, now);
  }

  LinkHistories histories_;
  std::map<LinkId, double> owed_;
};

}  // namespace linkpilot::collector
