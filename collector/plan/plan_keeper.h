// What every agent must measure: all allowed links fast until the first table exists; then the plan
// follows the tables - links on which a published path begins (best and second) and all links of
// best paths fast, from both ends, the others slow; new, returned and candidate links fast for a
// while. A link that was fast stays fast for that while, too, so that plans do not flap. Pure.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <set>
#include <span>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "base/fleet.h"
#include "base/plan.h"
#include "base/route_table.h"
#include "base/time.h"
#include "collector/plan/pair_seals.h"
#include "optimizer/policy/policy.h"

namespace linkpilot::collector {

struct PlanRules {
  Duration fast_interval = kFastProbeInterval;
  Duration slow_interval = kSlowProbeInterval;
  std::uint8_t flows = 2;
  Duration warm_up = std::chrono::seconds(15);
  Duration lifetime = std::chrono::seconds(60);
  optimizer::LinkPolicy links;
  PairSeals::Master master;        // authenticated probes; null: open ones
  PairSeals::Master older_master;  // still good while pairs change; null: none
};

enum class Pace : std::uint8_t {
  slow,
  first_table,
  best_first_hop,
  second_first_hop,
  best_later_hop,
  warm_up,
  held
};
[[nodiscard]] std::string_view to_string(Pace pace);
[[nodiscard]] constexpr bool is_fast(Pace pace) { return pace != Pace::slow; }

struct PacedLink {
  PlannedLink planned;
  Pace pace = Pace::slow;
  friend bool operator==(const PacedLink&, const PacedLink&) = default;
};

// One agent's share.
struct NodePlan {
  std::uint64_t version = 0;       // grows when links or names change, and when it is sent again
  std::vector<PacedLink> links;    // sorted by link
  std::uint64_t issued_round = 0;  // of planning, sent last
  std::uint64_t acked_round = 0;
};

class PlanKeeper {
 public:
  explicit PlanKeeper(PlanRules rules, std::uint64_t first_version);
  void set_rules(PlanRules rules);

  // Makes the plan for `nodes` (with their numbers) under the tables in force; returns the nodes
  // whose share changed. `following`: a table was published.
  [[nodiscard]] std::set<NodeId> update(std::span<const Node> nodes,
                                        std::span<const RouteTable* const> tables, bool following,
                                        MonoTime now);

  // Fast for a while: a node or a link came back, or a path over these nodes may soon be chosen.
  void warm_node(NodeId node, MonoTime now);
  void warm_link(LinkId link, MonoTime now);
  void warm_pair(NodeId a, NodeId b, MonoTime now);

  // The message for one agent, under a new version. The secrets of its pairs are in it alone:
  // `plans()` may be shown to anybody.
  [[nodiscard]] Plan issue(NodeId node, Now now);

  // The agent has this version in force. True: pairs may go on changing their secret, so update.
  bool note_ack(NodeId node, std::uint64_t version);
  [[nodiscard]] const PairSeals& seals() const { return seals_; }

  [[nodiscard]] const NodePlan* find(NodeId node) const;
  [[nodiscard]] const std::map<NodeId, NodePlan>& plans() const { return plans_; }
  [[nodiscard]] Pace pace_of(LinkId link) const;
  // Planned fast for so long already; zero if slow. An agent needs a moment to judge by a new pace.
  [[nodiscard]] Duration fast_for(LinkId link, MonoTime now) const;
  // When a pace changes by itself; update again then.
  [[nodiscard]] MonoTime next_change() const { return next_change_; }
  [[nodiscard]] bool following() const { return following_; }

 private:
  struct Timing {
    MonoTime warm_until;
    MonoTime held_until;
    MonoTime fast_since;
    Pace pace = Pace::slow;
    std::uint64_t seen = 0;  // round of update() that met it last
  };
  using Wanted = std::unordered_map<LinkId, Pace>;
  [[nodiscard]] static Wanted wanted_by(std::span<const RouteTable* const> tables);
  Pace pace(LinkId link, const Wanted& wanted, MonoTime now);

  PlanRules rules_;
  PairSeals seals_;
  std::vector<Node> nodes_;
  std::unordered_map<LinkId, Timing> timings_;  // by the link as written from the lower port
  std::map<NodeId, NodePlan> plans_;
  std::uint64_t next_version_;
  std::uint64_t round_ = 0;
  MonoTime next_change_;
  bool following_ = false;
};

}  // namespace linkpilot::collector
