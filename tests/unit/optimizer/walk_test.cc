// The walk test: requests travel from every node to every other one by the rules that media nodes
// follow - the remaining path travels along; a relay whose next hop is dead turns aside to a marked
// candidate of its own table - while each node may hold any table that is not older than the mixing
// window, and any hop may be dead. No node may be visited twice.
#include <gtest/gtest.h>

#include <chrono>
#include <deque>
#include <map>
#include <set>

#include "optimizer/guard/guard.h"
#include "optimizer/planner.h"
#include "tests/unit/optimizer/network_builder.h"

namespace linkpilot::optimizer {
namespace {

using namespace std::chrono_literals;
using TablesOfNode = std::vector<const RouteTable*>;

const Route* route_of(const RouteTable& table, NodeId target, Direction direction) {
  for (const Route& route : table.routes) {
    if (route.target == target && route.direction == direction) return &route;
  }
  return nullptr;
}

// One request through one mixture. `dead(from, to)` says which hops fail; empty string: no loop.
struct Walk {
  std::map<NodeId, const RouteTable*> holds;
  std::set<std::pair<NodeId, NodeId>> dead;

  [[nodiscard]] bool alive(NodeId from, NodeId to) const { return !dead.contains({from, to}); }

  // The trail of a request; a repeated node ends it and is in it twice.
  [[nodiscard]] std::vector<NodeId> run(NodeId from, NodeId target, Direction direction) const {
    std::vector<NodeId> trail{from};
    const Route* route = route_of(*holds.at(from), target, direction);
    if (route == nullptr) return trail;
    std::deque<NodeId> remaining;
    for (const CandidatePath& path : route->candidates) {
      if (!alive(from, path.hops.front().node)) continue;
      for (const Hop& hop : path.hops) remaining.push_back(hop.node);
      break;
    }
    while (!remaining.empty() && trail.size() < 20) {
      const NodeId at = remaining.front();
      remaining.pop_front();
      const bool seen = std::find(trail.begin(), trail.end(), at) != trail.end();
      trail.push_back(at);
      if (seen || remaining.empty()) return trail;
      if (alive(at, remaining.front())) continue;
      remaining.clear();
      const Route* own = route_of(*holds.at(at), target, direction);
      if (own == nullptr) return trail;
      for (const CandidatePath& path : own->candidates) {
        if (!path.loop_free || !alive(at, path.hops.front().node)) continue;
        for (const Hop& hop : path.hops) remaining.push_back(hop.node);
        break;
      }
    }
    return trail;
  }
};

bool repeats(const std::vector<NodeId>& trail) {
  return std::set<NodeId>(trail.begin(), trail.end()).size() != trail.size();
}

// A network that lives: links die and return, delays jump, nodes are drained.
class Evolution {
 public:
  Evolution(std::size_t nodes, std::uint64_t seed) : rng_(seed) {
    view_ = make_network(random_delays(nodes, rng_));
    policy_.stability.dwell = 3s;
    policy_.mixing_window = 5s;
  }

  // One second and perhaps some trouble. Returns the verdict.
  GuardVerdict step() {
    now_ += 1.0;
    PlanRequest request;
    if (rng_.below(2) == 0) request.mode = PlanMode::alarm;
    const std::size_t changes = rng_.below(4);
    for (std::size_t i = 0; i < changes; ++i) {
      LinkBelief& link = view_.links[rng_.below(view_.links.size())];
      switch (rng_.below(4)) {
        case 0:
          link.state = LinkState::dead;
          break;
        case 1:
          link.state = LinkState::alive;
          break;
        case 2:
          link.state = LinkState::suspect;
          break;
        default:
          link.delay = Duration(static_cast<std::int64_t>(1e6 + rng_.uniform() * 2e8));
      }
      request.changed.push_back(link.link);
    }
    if (rng_.below(20) == 0) {
      NodeView& node = view_.nodes[rng_.below(view_.nodes.size())];
      node.drained = !node.drained;
    }
    PlannerResult result = plan_routes(view_, policy_, std::move(state_), request, at_second(now_));
    state_ = std::move(result.next);
    moves_ += result.moves.size();
    for (const RouteTable& table : result.tables) live_.push_back({now_, table});
    // A table is live while it is its node's newest, or was so within the mixing window.
    std::erase_if(live_, [&](const Version& version) {
      for (const Version& other : live_) {
        if (other.table.node == version.table.node && other.since > version.since &&
            now_ - other.since > 5.0) {
          return true;
        }
      }
      return false;
    });
    return result.guard;
  }

  [[nodiscard]] std::vector<RouteTable> live_tables() const {
    std::vector<RouteTable> tables;
    for (const Version& version : live_) tables.push_back(version.table);
    return tables;
  }
  [[nodiscard]] std::size_t moves() const { return moves_; }
  [[nodiscard]] const NetworkView& view() const { return view_; }
  Rng& rng() { return rng_; }

 private:
  struct Version {
    double since = 0.0;
    RouteTable table;
  };
  Rng rng_;
  NetworkView view_;
  Policy policy_;
  PlannerState state_;
  double now_ = 0.0;
  std::vector<Version> live_;
  std::size_t moves_ = 0;
};

TEST(Walk, NoRequestMeetsANodeTwiceInAnyMixtureWithAnyHopDead) {
  std::size_t moves = 0;
  for (std::uint64_t seed = 1; seed <= 12; ++seed) {
    Evolution evolution(4 + seed % 6, seed);
    for (int step = 0; step < 60; ++step) {
      const GuardVerdict verdict = evolution.step();
      ASSERT_TRUE(verdict.publish) << "seed " << seed << " step " << step << ": " << verdict.reason;
      // find_loop follows every path of every version with every turn: all mixtures, all dead hops.
      const std::vector<RouteTable> tables = evolution.live_tables();
      ASSERT_EQ(find_loop(tables), "") << "seed " << seed << " step " << step;
    }
    moves += evolution.moves();
  }
  EXPECT_GT(moves, 1000U) << "the networks hardly moved: nothing was tested";
}

TEST(Walk, SeededMixturesOfAFleetNeverLoop) {
  for (std::uint64_t seed = 1; seed <= 3; ++seed) {
    Evolution evolution(14, 100 + seed);
    for (int step = 0; step < 40; ++step) {
      ASSERT_TRUE(evolution.step().publish);
      const std::vector<RouteTable> tables = evolution.live_tables();
      std::map<NodeId, TablesOfNode> versions;
      for (const RouteTable& table : tables) versions[table.node].push_back(&table);
      for (int mixture = 0; mixture < 10; ++mixture) {
        Walk walk;
        for (const auto& [node, held] : versions) {
          walk.holds[node] = held[evolution.rng().below(held.size())];
        }
        for (const LinkBelief& link : evolution.view().links) {
          if (evolution.rng().below(5) == 0) {
            walk.dead.insert({link.link.from.node, link.link.to.node});
          }
        }
        for (const auto& [from, table] : walk.holds) {
          for (const Route& route : table->routes) {
            const std::vector<NodeId> trail = walk.run(from, route.target, route.direction);
            ASSERT_FALSE(repeats(trail)) << "seed " << seed << " step " << step << " from "
                                         << from.value << " to " << route.target.value;
          }
        }
      }
    }
  }
}

}  // namespace
}  // namespace linkpilot::optimizer
