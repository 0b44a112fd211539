#include "optimizer/planner_run.h"

#include <algorithm>
#include <array>
#include <utility>

namespace linkpilot::optimizer {

bool PlanRun::has_suspect(std::size_t from, std::size_t to, const Candidate& path) const {
  const CostMatrix& costs = data_.costs;
  if (path.direct()) return costs.at(from, to).first.suspect;
  const std::size_t last = path.second == kNoRelay ? path.first : path.second;
  return costs.at(from, path.first).first.suspect || costs.at(last, to).first.suspect ||
         (path.second != kNoRelay && costs.at(path.first, path.second).first.suspect);
}

// The same path is asked for from both ends: pushed by `from`, pulled by `to`.
bool PlanRun::meets_mark(std::size_t from, std::size_t to, const Candidate& path) const {
  return meets_live_mark(live_, Direction::push, from, to, path) ||
         meets_live_mark(live_, Direction::pull, to, from, reversed(path));
}

void PlanRun::await(std::size_t from, std::size_t to, const Candidate& path) {
  awaited_.push_back({Direction::push, from, to, path});
  awaited_.push_back({Direction::pull, to, from, reversed(path)});
}

std::vector<NodeId> PlanRun::relays(const Candidate& path) const {
  std::vector<NodeId> ids;
  for (const std::uint16_t relay : {path.first, path.second}) {
    if (relay != kNoRelay) ids.push_back(data_.nodes[relay].node.id);
  }
  return ids;
}

void PlanRun::suppress(std::size_t from, std::size_t to, const PairDecision& decision,
                       PathUnits in_use_cost, const NodePath& best) {
  const PairMemory& memory = data_.pairs[at(from, to)];
  suppressed_.push_back({data_.nodes[from].node.id, data_.nodes[to].node.id, *decision.suppressed,
                         relays({memory.first_relay, memory.second_relay}),
                         relays(candidate_of(best)), in_use_cost / kUnitsPerMs,
                         best.cost / kUnitsPerMs, decision.left});
}

void PlanRun::note_move(std::size_t from, std::size_t to, MoveReason reason,
                        const PairMemory& before, PathUnits before_cost, const NodePath& after) {
  RouteMove move;
  move.from = data_.nodes[from].node.id;
  move.to = data_.nodes[to].node.id;
  move.reason = reason;
  move.was_reachable = before.reachable;
  move.reachable = after.reachable();
  if (before.reachable) move.before = relays({before.first_relay, before.second_relay});
  if (after.reachable()) move.after = relays(candidate_of(after));
  if (before_cost != kUnreachable) move.before_ms = before_cost / kUnitsPerMs;
  if (after.reachable()) move.after_ms = after.cost / kUnitsPerMs;
  moves_.push_back(std::move(move));
}

// Bad news cannot wait for a mark to be withdrawn: the cheapest path that no live mark can send
// back.
NodePath PlanRun::safest(std::size_t from, std::size_t to, const NodePath& best) {
  if (!best.reachable() || !meets_mark(from, to, candidate_of(best))) return best;
  await(from, to, candidate_of(best));
  NodePath chosen;
  const auto offer = [&](const Candidate& path) {
    const PathUnits cost = media_cost(from, to, path);
    if (cost < chosen.cost && !meets_mark(from, to, path)) chosen = node_path(path, cost);
  };
  offer({});
  offer(candidate_of(data_.solver.second(from, to)));
  if (data_.has_second[at(from, to)] != 0) offer(data_.seconds[at(from, to)]);
  for (std::uint16_t relay = 0; relay < data_.size(); ++relay) {
    if (relay != from && relay != to) offer({relay});
  }
  return chosen;
}

// Nothing for a path that names a node the fleet does not have.
std::optional<Candidate> PlanRun::candidate_over(std::size_t from, std::size_t to,
                                                 const std::vector<NodeId>& ids) const {
  std::array<std::uint16_t, kRelaysMax> relays = {kNoRelay, kNoRelay};
  if (ids.size() > relays.size()) return std::nullopt;
  for (std::size_t i = 0; i < ids.size(); ++i) {
    const std::size_t index = data_.index_of(ids[i]);
    if (index == data_.size() || index == from || index == to) return std::nullopt;
    relays[i] = static_cast<std::uint16_t>(index);
  }
  if (relays[0] != kNoRelay && relays[0] == relays[1]) return std::nullopt;
  return Candidate{relays[0], relays[1]};
}

std::optional<Candidate> PlanRun::pin_of(std::size_t from, std::size_t to) const {
  for (const PinnedPath& pin : view_.pins) {
    if (pin.from != data_.nodes[from].node.id || pin.to != data_.nodes[to].node.id) continue;
    return candidate_over(from, to, pin.relays);
  }
  return std::nullopt;
}

// Takes up what an earlier run decided, where this one has decided nothing.
void PlanRun::resume() {
  if (!data_.tables.empty()) return;
  for (const EarlierPath& earlier : view_.earlier) {
    const std::size_t from = data_.index_of(earlier.from);
    const std::size_t to = data_.index_of(earlier.to);
    if (from == data_.size() || to == data_.size() || from == to) continue;
    const std::optional<Candidate> path = candidate_over(from, to, earlier.relays);
    if (!path) continue;
    const PathUnits cost = media_cost(from, to, *path);
    PairMemory& memory = data_.pairs[at(from, to)];
    if (cost == kUnreachable || memory.reachable) continue;
    take_path(memory, node_path(*path, cost), MoveReason::better, now_.mono);
  }
}

// True if the operator's path is in use now, or is the next to be.
bool PlanRun::follow_pin(std::size_t from, std::size_t to) {
  const std::optional<Candidate> pin = pin_of(from, to);
  if (!pin) return false;
  const PathUnits cost = media_cost(from, to, *pin);
  if (cost == kUnreachable) return false;
  PairMemory& memory = data_.pairs[at(from, to)];
  const PairMemory before = memory;
  const Candidate in_use{memory.first_relay, memory.second_relay};
  if (memory.reachable && in_use.same_path(*pin)) {
    memory.pinned = true;
    return true;
  }
  const PathUnits in_use_cost = memory.reachable ? media_cost(from, to, in_use) : kUnreachable;
  if (meets_mark(from, to, *pin)) {
    await(from, to, *pin);
    if (in_use_cost == kUnreachable) return false;
    suppress(from, to, {false, {}, SuppressionReason::awaiting_alternate, policy_.mixing_window},
             in_use_cost, node_path(*pin, cost));
    return true;
  }
  take_path(memory, node_path(*pin, cost), MoveReason::pinned, now_.mono);
  note_move(from, to, MoveReason::pinned, before, in_use_cost, node_path(*pin, cost));
  return true;
}

// True if the pair stays where it is, or falls to the second it has.
bool PlanRun::hold(std::size_t from, std::size_t to) {
  PairMemory& memory = data_.pairs[at(from, to)];
  if (!memory.reachable || (!data_.nodes[from].held && !data_.nodes[to].held)) return false;
  const Candidate in_use{memory.first_relay, memory.second_relay};
  const PathUnits cost = media_cost(from, to, in_use);
  if (cost != kUnreachable) {
    const NodePath best = data_.solver.best(from, to);
    if (best.reachable() && best.cost < cost) {
      suppress(from, to, {false, {}, SuppressionReason::held, {}}, cost, best);
    }
    return true;
  }
  if (data_.has_second[at(from, to)] == 0) return false;
  const Candidate second = data_.seconds[at(from, to)];
  const PathUnits second_cost = media_cost(from, to, second);
  if (second_cost == kUnreachable) return false;
  const PairMemory before = memory;
  const NodePath after = node_path(second, second_cost);
  take_path(memory, after, MoveReason::path_lost, now_.mono);
  note_move(from, to, MoveReason::path_lost, before, cost, after);
  return true;
}

void PlanRun::decide_one(std::size_t from, std::size_t to) {
  if ((!view_.pins.empty() && follow_pin(from, to)) || hold(from, to)) return;
  PairMemory& memory = data_.pairs[at(from, to)];
  const bool unpinned = std::exchange(memory.pinned, false);
  const PairMemory before = memory;
  const NodePath best = data_.solver.best(from, to);
  const Candidate in_use{memory.first_relay, memory.second_relay};
  const PathUnits cost = memory.reachable ? media_cost(from, to, in_use) : kUnreachable;
  const PairQuestion question{
      .in_use_cost = cost,
      .best = best,
      .best_is_suspect = best.reachable() && has_suspect(from, to, candidate_of(best)),
      .counts_tick = request_.mode == PlanMode::tick,
      .forced = request_.forced || unpinned};
  PairDecision decision = decide_pair(memory, question, policy_.stability, now_.mono);
  NodePath after = best;
  if (decision.move) {
    const bool can_wait = decision.reason == MoveReason::better ||
                          decision.reason == MoveReason::forced ||
                          decision.reason == MoveReason::worse;
    if (can_wait && meets_mark(from, to, candidate_of(best))) {
      await(from, to, candidate_of(best));
      decision = {false, {}, SuppressionReason::awaiting_alternate, policy_.mixing_window};
      memory.pinned = unpinned;  // still on its way home
    } else if (!can_wait) {
      after = safest(from, to, best);
      if (!after.reachable() && !before.reachable) return;
    }
  }
  if (decision.suppressed) {
    suppress(from, to, decision, cost, best);
  } else if (!decision.move && question.counts_tick) {
    name_damped(from, to, cost);
  }
  if (!decision.move) return;
  take_path(memory, after, decision.reason, now_.mono);
  note_move(from, to, decision.reason, before, cost, after);
}

// The search has gone round flapping links by their surcharge: say so where that is what a route is
// waiting for.
void PlanRun::name_damped(std::size_t from, std::size_t to, PathUnits in_use_cost) {
  if (damped_.empty() || in_use_cost == kUnreachable) return;
  const auto way = way_over_damped(data_, policy_, damped_, from, to);
  const PairMemory& memory = data_.pairs[at(from, to)];
  if (!way || way->path == Candidate{memory.first_relay, memory.second_relay}) return;
  const double gain = static_cast<double>(in_use_cost) - static_cast<double>(way->undamped);
  if (gain <= margin_units(in_use_cost, policy_.stability)) return;
  suppress(from, to, {false, {}, SuppressionReason::damped_link, way->left}, in_use_cost,
           node_path(way->path, way->undamped));
}

// The best path that shares no relay with the one in use.
NodePath PlanRun::fresh_second(std::size_t from, std::size_t to, const Candidate& in_use) const {
  const auto disjoint = [&](const NodePath& path) {
    if (!path.reachable()) return false;
    const Candidate candidate = candidate_of(path);
    if (candidate.direct()) return !in_use.direct();
    return !in_use.passes(candidate.first) &&
           (candidate.second == kNoRelay || !in_use.passes(candidate.second));
  };
  const NodePath best = data_.solver.best(from, to);
  if (candidate_of(best) != in_use && disjoint(best)) return best;
  const NodePath second = data_.solver.second(from, to);
  if (disjoint(second)) return second;
  // The path in use is neither: it was kept by its margin. One relay or none is near enough.
  NodePath found;
  const auto offer = [&](const Candidate& path) {
    const NodePath offered = node_path(path, media_cost(from, to, path));
    if (offered.cost < found.cost && disjoint(offered)) found = offered;
  };
  offer({});
  for (std::uint16_t relay = 0; relay < data_.size(); ++relay) {
    if (relay != from && relay != to) offer({relay});
  }
  return found;
}

// The second is kept like the path in use, by its margin; nothing waits, nobody runs on it.
void PlanRun::decide_second(std::size_t from, std::size_t to) {
  const PairMemory& memory = data_.pairs[at(from, to)];
  Candidate& second = data_.seconds[at(from, to)];
  std::uint8_t& has = data_.has_second[at(from, to)];
  if (!memory.reachable) {
    has = 0;
    return;
  }
  const Candidate in_use{memory.first_relay, memory.second_relay};
  const NodePath fresh = fresh_second(from, to, in_use);
  if (has != 0) {
    const PathUnits cost = media_cost(from, to, second);
    const bool shares = second.direct()
                            ? in_use.direct()
                            : in_use.passes(second.first) ||
                                  (second.second != kNoRelay && in_use.passes(second.second));
    const double gain = static_cast<double>(cost) - static_cast<double>(fresh.cost);
    if (!shares && cost != kUnreachable && gain <= margin_units(cost, policy_.stability)) return;
    has = 0;
  }
  if (!fresh.reachable()) return;
  if (meets_mark(from, to, candidate_of(fresh))) {
    await(from, to, candidate_of(fresh));
    return;
  }
  second = candidate_of(fresh);
  has = 1;
}

void PlanRun::decide() {
  if (data_.current.nodes == data_.size()) live_.push_back(&data_.current);
  for (const ListSet& lists : data_.superseded) live_.push_back(&lists);
  damped_ = damped_crossings(data_);
  resume();
  for (std::size_t from = 0; from < data_.size(); ++from) {
    for (std::size_t to = 0; to < data_.size(); ++to) {
      if (from == to) continue;
      decide_one(from, to);
      decide_second(from, to);
    }
  }
}

}  // namespace linkpilot::optimizer
