// What the nodes are told: each pair's candidates in order, the tables made of them, the guard.
#include <algorithm>
#include <utility>

#include "optimizer/planner_run.h"

namespace linkpilot::optimizer {

void PlanRun::list_pair(std::size_t from, std::size_t to) {
  const PairMemory& memory = data_.pairs[at(from, to)];
  if (!memory.reachable) return;
  const auto add = [&](const Candidate& path) {
    lists_.at(Direction::push, from, to).add(path);
    lists_.at(Direction::pull, to, from).add(reversed(path));
  };
  add({memory.first_relay, memory.second_relay});
  // A direct path over other ports shares neither relay nor port pair with a direct one.
  Candidate other;
  other.other_ports = true;
  const bool direct = memory.first_relay == kNoRelay;
  const PathUnits other_cost = direct ? media_cost(from, to, other) : kUnreachable;
  const bool has_second = data_.has_second[at(from, to)] != 0;
  const PathUnits second_cost =
      has_second ? media_cost(from, to, data_.seconds[at(from, to)]) : kUnreachable;
  if (other_cost < second_cost) add(other);
  if (second_cost != kUnreachable) add(data_.seconds[at(from, to)]);
}

// The alternates by cost, but in the published order while they are the same ones.
void PlanRun::order_alternates() {
  const CandidateInput input = data_.input(policy_, live_);
  for (const Direction direction : kDirections) {
    for (std::size_t me = 0; me < data_.size(); ++me) {
      for (std::size_t target = 0; target < data_.size(); ++target) {
        CandidateList& list = lists_.at(direction, me, target);
        if (list.count < 3) continue;
        if (!live_.empty() && live_.front() == &data_.current) {
          const CandidateList& before = data_.current.at(direction, me, target);
          if (before.count == list.count && before.candidates[0].same_path(list.candidates[0]) &&
              std::ranges::is_permutation(before.view(), list.view())) {
            list = before;
            continue;
          }
        }
        std::stable_sort(list.candidates.begin() + 2, list.candidates.begin() + list.count,
                         [&](const Candidate& a, const Candidate& b) {
                           return candidate_cost(input, direction, me, target, a) <
                                  candidate_cost(input, direction, me, target, b);
                         });
      }
    }
  }
}

void PlanRun::make_lists() {
  const std::size_t n = data_.size();
  lists_ = {n, std::vector<CandidateList>(n * n), std::vector<CandidateList>(n * n), {}};
  for (std::size_t from = 0; from < n; ++from) {
    for (std::size_t to = 0; to < n; ++to) {
      if (from != to) list_pair(from, to);
    }
  }
  add_alternates(data_.input(policy_, live_), awaited_, lists_);
  order_alternates();
}

GuardVerdict PlanRun::finish(PlannerResult& result) {
  std::vector<std::size_t> changed = changed_tables(data_, lists_, policy_, now_);
  // Nothing to publish, so nothing to look at but whether it might be.
  BuiltTables built;
  if (!changed.empty() || data_.tables.size() != data_.size()) {
    built = build_tables(data_, lists_, policy_, view_.stages, now_, std::move(changed));
  }
  std::vector<NodeId> ids;
  GuardInput input;
  for (const NodeView& view : data_.nodes) {
    ids.push_back(view.node.id);
    input.agents_reporting += view.reporting ? 1 : 0;
  }
  input.tables = built.all;
  input.nodes = ids;
  input.agents_enrolled =
      view_.agents_enrolled == 0 ? static_cast<std::uint32_t>(ids.size()) : view_.agents_enrolled;
  input.forced = request_.forced;
  for (const RouteTable& table : built.all) input.routes_total += table.routes.size();
  for (const RouteMove& move : moves_) {
    input.routes_moved += move.reason == MoveReason::better ? 2 : 0;  // a push and a pull route
  }
  GuardVerdict verdict = check_tables(input, policy_.guard);
  result.suppressed = std::move(suppressed_);
  if (!verdict.publish) return verdict;

  result.moves = std::move(moves_);
  for (const std::size_t index : built.changed) result.tables.push_back(built.all[index]);
  if (built.all.size() == data_.size()) data_.tables = std::move(built.all);
  if (!result.tables.empty()) {
    if (data_.current.nodes == data_.size() && data_.size() > 0) {
      data_.current.superseded = now_.mono;
      data_.superseded.insert(data_.superseded.begin(), std::move(data_.current));
      if (data_.superseded.size() > kSupersededMax) data_.superseded.pop_back();
    }
    data_.current = std::move(lists_);
  }
  return verdict;
}

}  // namespace linkpilot::optimizer
