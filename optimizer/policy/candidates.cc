#include "optimizer/policy/candidates.h"

#include <algorithm>

#include "optimizer/policy/stability.h"

namespace linkpilot::optimizer {
namespace {

// One hop asked from `near` to `far`, in the media's direction.
PathUnits hop_cost(const CandidateInput& input, Direction direction, std::size_t near,
                   std::size_t far) {
  return direction == Direction::push ? input.costs.at(near, far).first.cost
                                      : input.costs.at(far, near).first.cost;
}

PathUnits distance(const CandidateInput& input, Direction direction, std::size_t me,
                   std::size_t target) {
  if (me == target) return 0;
  return direction == Direction::push ? input.solver.best(me, target).cost
                                      : input.solver.best(target, me).cost;
}

// Marks of one (direction, target) over all live tables and the new one.
class MarkBoard {
 public:
  explicit MarkBoard(std::size_t nodes)
      : nodes_(nodes), marked_(nodes, 0), inside_(nodes, 0), before_(nodes * nodes, 0) {}

  void add_path(std::size_t me, const Candidate& path) {
    if (path.direct()) return;
    before_[path.first * nodes_ + me] = 1;
    if (path.second == kNoRelay) return;
    before_[path.second * nodes_ + me] = 1;
    before_[path.second * nodes_ + path.first] = 1;
  }
  void add_mark(std::size_t me, const Candidate& path) {
    if (path.direct()) return;
    marked_[me] = 1;
    inside_[path.first] = 1;
    if (path.second != kNoRelay) inside_[path.second] = 1;
  }
  // Rules 2 and 3.
  [[nodiscard]] bool admits(std::size_t me, const Candidate& path) const {
    if (inside_[me] != 0) return false;
    return admits_relay(me, path.first) &&
           (path.second == kNoRelay || admits_relay(me, path.second));
  }
  [[nodiscard]] bool can_mark(std::size_t me) const { return inside_[me] == 0; }

 private:
  [[nodiscard]] bool admits_relay(std::size_t me, std::size_t relay) const {
    return marked_[relay] == 0 && before_[me * nodes_ + relay] == 0;
  }

  std::size_t nodes_;
  std::vector<std::uint8_t> marked_;  // holds a mark onto a path with relays
  std::vector<std::uint8_t> inside_;  // stands on such a path
  std::vector<std::uint8_t> before_;  // [x][y]: y stands before x on somebody's candidate
};

// Rule 4, for the first hop.
bool satisfies_rfc5286(const CandidateInput& input, Direction direction, std::size_t me,
                       std::size_t target, const Candidate& path) {
  if (path.direct()) return true;
  const std::uint32_t around =
      cost_sum(distance(input, direction, path.first, me), distance(input, direction, me, target));
  return distance(input, direction, path.first, target) < around;
}

// The relays of `target`'s paths in use, the busiest first: those are worth protecting. `load` is
// their number of paths, by node.
std::vector<std::size_t> busiest_relays(const ListSet& lists, Direction direction,
                                        std::size_t target, std::vector<std::uint32_t>& load) {
  load.assign(lists.nodes, 0);
  for (std::size_t me = 0; me < lists.nodes; ++me) {
    const CandidateList& list = lists.at(direction, me, target);
    if (list.count == 0) continue;
    if (list.candidates[0].first != kNoRelay) ++load[list.candidates[0].first];
    if (list.candidates[0].second != kNoRelay) ++load[list.candidates[0].second];
  }
  std::vector<std::size_t> order;
  for (std::size_t node = 0; node < lists.nodes; ++node) {
    if (load[node] > 0) order.push_back(node);
  }
  std::ranges::stable_sort(order, [&](std::size_t a, std::size_t b) { return load[a] > load[b]; });
  return order;
}

// The alternate for a relay whose next hop dies: the mark it has, if it still holds and costs no
// more than the margin above the best one; else the cheapest over one relay, first over nodes that
// are not busy relays themselves (they would have to give up their own marks).
Candidate find_alternate(const CandidateInput& input, const MarkBoard& board, Direction direction,
                         std::size_t me, std::size_t target, const CandidateList& list,
                         const std::vector<std::uint32_t>& load) {
  const auto fits = [&](const Candidate& path) {
    return !path.direct() && path.first != list.candidates[0].first && board.admits(me, path) &&
           satisfies_rfc5286(input, direction, me, target, path);
  };
  Candidate best;
  PathUnits best_cost = kUnreachable;
  for (const bool busy : {false, true}) {
    for (std::size_t relay = 0; relay < load.size(); ++relay) {
      if (relay == me || relay == target || (load[relay] > 0) != busy) continue;
      const Candidate path{static_cast<std::uint16_t>(relay), kNoRelay, false, false};
      const PathUnits cost = candidate_cost(input, direction, me, target, path);
      if (cost < best_cost && fits(path)) {
        best = path;
        best_cost = cost;
      }
    }
    if (best_cost != kUnreachable) break;
  }
  if (input.live.empty()) return best;
  for (const Candidate& path : input.live.front()->at(direction, me, target).view()) {
    if (!path.loop_free || path.direct() || !fits(path)) continue;
    const PathUnits cost = candidate_cost(input, direction, me, target, path);
    if (cost == kUnreachable) continue;
    const double limit =
        best_cost == kUnreachable ? 65535.0 : best_cost + margin_units(best_cost, input.stability);
    if (cost <= limit) return path;
  }
  return best;
}

// Room for a mark: the last slot goes if the list is full (it is the dearest).
Candidate& slot_for(CandidateList& list, const Candidate& path) {
  for (std::size_t i = 0; i < list.count; ++i) {
    if (list.candidates[i].same_path(path)) return list.candidates[i];
  }
  if (list.count == kCandidatesMax) --list.count;
  list.candidates[list.count] = path;
  return list.candidates[list.count++];
}

void add_direct(const CandidateInput& input, Direction direction, std::size_t me,
                std::size_t target, CandidateList& list) {
  if (list.count == 0) return;
  const Crossing& crossing =
      direction == Direction::push ? input.costs.at(me, target) : input.costs.at(target, me);
  for (const bool other : {false, true}) {
    Candidate direct;
    direct.other_ports = other;
    if ((other ? crossing.other : crossing.first).usable() && !list.contains(direct) &&
        list.count < kCandidatesMax) {
      list.add(direct);
    }
  }
}

void mark_target(const CandidateInput& input, std::span<const AwaitedPath> awaited,
                 Direction direction, std::size_t target, ListSet& lists) {
  MarkBoard board(lists.nodes);
  for (const ListSet* live : input.live) {
    for (std::size_t me = 0; me < lists.nodes; ++me) {
      for (const Candidate& path : live->at(direction, me, target).view()) {
        board.add_path(me, path);
        if (path.loop_free) board.add_mark(me, path);
      }
    }
  }
  for (std::size_t me = 0; me < lists.nodes; ++me) {
    for (const Candidate& path : lists.at(direction, me, target).view()) board.add_path(me, path);
  }
  for (const AwaitedPath& path : awaited) {
    if (path.direction == direction && path.target == target) board.add_path(path.me, path.path);
  }
  std::vector<std::uint32_t> load;
  for (const std::size_t relay : busiest_relays(lists, direction, target, load)) {
    CandidateList& list = lists.at(direction, relay, target);
    if (list.count == 0 || !board.can_mark(relay)) continue;
    const Candidate alternate = find_alternate(input, board, direction, relay, target, list, load);
    if (alternate.direct()) continue;
    Candidate& slot = slot_for(list, alternate);
    slot.loop_free = true;
    board.add_path(relay, slot);
    board.add_mark(relay, slot);
  }
}

}  // namespace

bool CandidateList::contains(const Candidate& path) const {
  return std::ranges::any_of(view(), [&](const Candidate& c) { return c.same_path(path); });
}

PathUnits candidate_cost(const CandidateInput& input, Direction direction, std::size_t me,
                         std::size_t target, const Candidate& path) {
  if (path.direct()) {
    const Crossing& crossing =
        direction == Direction::push ? input.costs.at(me, target) : input.costs.at(target, me);
    return (path.other_ports ? crossing.other : crossing.first).cost;
  }
  std::uint32_t cost = hop_cost(input, direction, me, path.first);
  cost = cost_sum(cost, input.relay_cost[path.first]);
  std::size_t last = path.first;
  if (path.second != kNoRelay) {
    cost = cost_sum(cost, hop_cost(input, direction, path.first, path.second));
    cost = cost_sum(cost, input.relay_cost[path.second]);
    last = path.second;
  }
  return static_cast<PathUnits>(cost_sum(cost, hop_cost(input, direction, last, target)));
}

bool meets_live_mark(std::span<const ListSet* const> live, Direction direction, std::size_t me,
                     std::size_t target, const Candidate& path) {
  if (path.direct()) return false;
  const auto sends_back = [&](std::size_t relay, std::size_t earlier) {
    for (const ListSet* lists : live) {
      for (const Candidate& mark : lists->at(direction, relay, target).view()) {
        if (mark.loop_free && mark.passes(earlier)) return true;
      }
    }
    return false;
  };
  if (sends_back(path.first, me)) return true;
  return path.second != kNoRelay &&
         (sends_back(path.second, me) || sends_back(path.second, path.first));
}

void add_alternates(const CandidateInput& input, std::span<const AwaitedPath> awaited,
                    ListSet& lists) {
  for (const Direction direction : kDirections) {
    for (std::size_t me = 0; me < lists.nodes; ++me) {
      for (std::size_t target = 0; target < lists.nodes; ++target) {
        if (me != target) {
          add_direct(input, direction, me, target, lists.at(direction, me, target));
        }
      }
    }
    for (std::size_t target = 0; target < lists.nodes; ++target) {
      mark_target(input, awaited, direction, target, lists);
      for (std::size_t me = 0; me < lists.nodes; ++me) {
        CandidateList& list = lists.at(direction, me, target);
        for (std::size_t i = 0; i < list.count; ++i) {
          if (list.candidates[i].direct()) list.candidates[i].loop_free = true;  // rule 1
        }
      }
    }
  }
}

}  // namespace linkpilot::optimizer
