// PlanRun: one planning run over the planner's memory, in the order of its public functions. Which
// path each pair uses is in planner_run.cc; what nodes are told of it in planner_lists.cc.
// Internal to optimizer/planner*.cc.
#pragma once

#include <cstddef>
#include <optional>
#include <vector>

#include "optimizer/planner_data.h"

namespace linkpilot::optimizer {

inline Candidate candidate_of(const NodePath& path) {
  return {path.first_relay, path.second_relay};
}

inline NodePath node_path(const Candidate& path, PathUnits cost) {
  return {cost, path.first, path.second};
}

class PlanRun {
 public:
  PlanRun(const NetworkView& view, const Policy& policy, PlannerState::Data& data,
          const PlanRequest& request, Now now)
      : view_(view), policy_(policy), data_(data), request_(request), now_(now) {}

  void decide();
  void make_lists();
  [[nodiscard]] GuardVerdict finish(PlannerResult& result);

 private:
  [[nodiscard]] std::size_t at(std::size_t from, std::size_t to) const {
    return from * data_.size() + to;
  }
  [[nodiscard]] PathUnits media_cost(std::size_t from, std::size_t to,
                                     const Candidate& path) const {
    // A path of more relays than the policy has now is as good as dead: its pair moves at once.
    if (path.second != kNoRelay && policy_.relays_max < 2) return kUnreachable;
    return candidate_cost(data_.input(policy_, {}), Direction::push, from, to, path);
  }
  [[nodiscard]] bool has_suspect(std::size_t from, std::size_t to, const Candidate& path) const;
  [[nodiscard]] bool meets_mark(std::size_t from, std::size_t to, const Candidate& path) const;
  void await(std::size_t from, std::size_t to, const Candidate& path);
  [[nodiscard]] std::optional<Candidate> candidate_over(std::size_t from, std::size_t to,
                                                        const std::vector<NodeId>& relays) const;
  [[nodiscard]] std::optional<Candidate> pin_of(std::size_t from, std::size_t to) const;
  void resume();
  [[nodiscard]] bool follow_pin(std::size_t from, std::size_t to);
  [[nodiscard]] bool hold(std::size_t from, std::size_t to);
  void decide_one(std::size_t from, std::size_t to);
  void name_damped(std::size_t from, std::size_t to, PathUnits in_use_cost);
  [[nodiscard]] NodePath safest(std::size_t from, std::size_t to, const NodePath& best);
  [[nodiscard]] NodePath fresh_second(std::size_t from, std::size_t to,
                                      const Candidate& in_use) const;
  void decide_second(std::size_t from, std::size_t to);
  void list_pair(std::size_t from, std::size_t to);
  void order_alternates();
  void suppress(std::size_t from, std::size_t to, const PairDecision& decision,
                PathUnits in_use_cost, const NodePath& best);
  void note_move(std::size_t from, std::size_t to, MoveReason reason, const PairMemory& before,
                 PathUnits before_cost, const NodePath& after);
  [[nodiscard]] std::vector<NodeId> relays(const Candidate& path) const;

  const NetworkView& view_;
  const Policy& policy_;
  PlannerState::Data& data_;
  const PlanRequest& request_;
  Now now_;
  std::vector<DampedCrossing> damped_;
  std::vector<const ListSet*> live_;
  std::vector<AwaitedPath> awaited_;
  ListSet lists_;
  std::vector<Suppression> suppressed_;
  std::vector<RouteMove> moves_;
};

}  // namespace linkpilot::optimizer
