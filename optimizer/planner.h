// The optimizer's one door for the collector: from what is believed of the links, the policy and
// what was decided before, to the route tables that change. Pure: the same arguments give the same
// answer, so any decision can be replayed.
//
//   estimates --beliefs--> plan_routes --tables--> version, sign, publish
//
// A tick (once a second) solves everything and is where margins, confirmation and dwell count time;
// an alarm is called for changed links between ticks, as soon as they are known, and only lets bad
// news (and links that returned) through. Cost: well under 1 ms for 14 nodes.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string_view>
#include <vector>

#include "base/fleet.h"
#include "base/ids.h"
#include "base/route_table.h"
#include "base/stage_times.h"
#include "base/time.h"
#include "optimizer/guard/guard.h"
#include "optimizer/policy/policy.h"
#include "optimizer/weight/link_belief.h"
#include "optimizer/weight/link_cost.h"

namespace linkpilot::optimizer {

struct NodeView {
  Node node;
  bool reporting = true;   // its agent is heard; silent nodes keep routes while their links live
  bool drained = false;    // never a relay; still a source and a target
  bool held = false;       // routes from and to it stay where they are, see below
  double relay_ms = -1.0;  // measured cost of relaying here; negative: the policy's
  double utilisation = 0.0;
};

// The operator's word for one pair: media goes from `from` to `to` by these relays, whatever the
// search says, for as long as every hop of that path is usable. While it is not, the pair is
// decided as if there were no pin. When the pin is withdrawn the pair goes straight to the best.
//
// A held node's pairs keep the path in use while it is usable, then the second that is already in
// the table; only a pair left with neither gets a new path. Pins stand above that.
struct PinnedPath {
  NodeId from;
  NodeId to;
  std::vector<NodeId> relays;  // in the media's direction, at most kRelaysMax
};

// What nodes run on though this planner has decided nothing yet: the collector was started anew. A
// pair begins with its earlier path, if that is usable, as if it had just been chosen; so a restart
// by itself moves nothing, and margin, confirmation and dwell hold what follows.
struct EarlierPath {
  NodeId from;
  NodeId to;
  std::vector<NodeId> relays;  // in the media's direction, at most kRelaysMax
};

struct NetworkView {
  std::vector<NodeView> nodes;        // any order, ids unique
  std::vector<LinkBelief> links;      // any order, at most one per link; unknown links are unusable
  std::uint32_t agents_enrolled = 0;  // 0: as many as nodes
  StageTimes stages;                  // carried into the tables
  std::vector<PinnedPath> pins{};     // any order, at most one per pair
  std::vector<EarlierPath> earlier{};  // any order, at most one per pair
};

enum class PlanMode : std::uint8_t { tick, alarm };

struct PlanRequest {
  PlanMode mode = PlanMode::tick;
  // Alarm: the links whose belief changed. Others are taken as they were at the last tick.
  std::vector<LinkId> changed;
  bool forced = false;  // the operator's hand: margins, dwell and churn do not hold it
};

// What was decided and when; opaque, cheap to move, copyable. Default: nothing decided yet.
class PlannerState {
 public:
  struct Data;
  PlannerState();
  PlannerState(const PlannerState&);
  PlannerState(PlannerState&&) noexcept;
  PlannerState& operator=(const PlannerState&);
  PlannerState& operator=(PlannerState&&) noexcept;
  ~PlannerState();

  // Every node's table as last decided (version fields zero), sorted by node.
  [[nodiscard]] const std::vector<RouteTable>& tables() const;

  [[nodiscard]] Data& data() { return *data_; }
  [[nodiscard]] const Data& data() const { return *data_; }

 private:
  std::unique_ptr<Data> data_;
};

enum class SuppressionReason : std::uint8_t {
  below_margin,        // better, but not by enough
  unconfirmed,         // not yet better in enough ticks
  dwelling,            // the path in use was chosen too recently
  damped_link,         // the better path has a flapping link
  suspect_link,        // the better path has a link under suspicion
  awaiting_alternate,  // another node's older table could send it back; that node is told first
  held                 // the operator's hand
};
[[nodiscard]] std::string_view to_string(SuppressionReason reason);

// A better path that was not taken, and why. `from` to `to` is the way the media travels.
struct Suppression {
  NodeId from;
  NodeId to;
  SuppressionReason reason = SuppressionReason::below_margin;
  std::vector<NodeId> in_use;  // relays
  std::vector<NodeId> better;
  double in_use_ms = 0.0;
  double better_ms = 0.0;
  Duration left{};  // at the earliest; zero: no clock decides it
};

enum class MoveReason : std::uint8_t { first, better, path_lost, worse, forced, withdrawn, pinned };
[[nodiscard]] std::string_view to_string(MoveReason reason);

// The first candidate of a pair changed.
struct RouteMove {
  NodeId from;
  NodeId to;
  MoveReason reason = MoveReason::first;
  std::vector<NodeId> before;  // relays; both empty and `was_reachable` false for a first route
  std::vector<NodeId> after;
  bool was_reachable = false;
  bool reachable = false;
  double before_ms = 0.0;  // under today's costs; 0: unusable
  double after_ms = 0.0;
};

struct PlannerResult {
  PlannerState next;               // keep it, whatever the verdict
  std::vector<RouteTable> tables;  // those that changed, sorted by node; version, previous unset
  std::vector<Suppression> suppressed;
  std::vector<RouteMove> moves;
  GuardVerdict guard;  // not publish: `tables` is empty and `next` holds the old ones
};

[[nodiscard]] PlannerResult plan_routes(const NetworkView& view, const Policy& policy,
                                        PlannerState previous, const PlanRequest& request, Now now);

// Why a route is what it is: the terms of every hop of every candidate, and what would change it.
struct HopExplanation {
  LinkId link;
  CostTerms terms;
  LinkBelief belief;
  double relay_ms = 0.0;  // of the node this hop starts from, when it is a relay
};
struct CandidateExplanation {
  std::vector<HopExplanation> hops;  // in the media's direction
  double cost_ms = 0.0;
  bool usable = true;
};
struct RouteExplanation {
  NodeId from;
  NodeId to;
  bool reachable = false;
  CandidateExplanation in_use;
  std::vector<CandidateExplanation> others;    // second and alternates, best first
  std::optional<CandidateExplanation> better;  // what the search finds best now, when it differs
  std::optional<Suppression> suppressed;
  MonoTime since;  // when the path in use was chosen
};
// `from` to `to` is the way the media travels.
[[nodiscard]] RouteExplanation explain_route(const NetworkView& view, const Policy& policy,
                                             const PlannerState& state, NodeId from, NodeId to,
                                             Now now);

}  // namespace linkpilot::optimizer
