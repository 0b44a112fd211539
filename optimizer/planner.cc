#include "optimizer/planner.h"

#include <algorithm>
#include <optional>
#include <utility>

#include "optimizer/planner_data.h"

namespace linkpilot::optimizer {
namespace {

Candidate candidate_of(const NodePath& path) { return {path.first_relay, path.second_relay}; }

NodePath node_path(const Candidate& path, PathUnits cost) {
  return {cost, path.first, path.second};
}

// One planning run; the steps in the order of their functions.
class Run {
 public:
  Run(const NetworkView& view, const Policy& policy, PlannerState::Data& data,
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

bool Run::has_suspect(std::size_t from, std::size_t to, const Candidate& path) const {
  const CostMatrix& costs = data_.costs;
  if (path.direct()) return costs.at(from, to).first.suspect;
  const std::size_t last = path.second == kNoRelay ? path.first : path.second;
  return costs.at(from, path.first).first.suspect || costs.at(last, to).first.suspect ||
         (path.second != kNoRelay && costs.at(path.first, path.second).first.suspect);
}

// The same path is asked for from both ends: pushed by `from`, pulled by `to`.
bool Run::meets_mark(std::size_t from, std::size_t to, const Candidate& path) const {
  return meets_live_mark(live_, Direction::push, from, to, path) ||
         meets_live_mark(live_, Direction::pull, to, from, reversed(path));
}

void Run::await(std::size_t from, std::size_t to, const Candidate& path) {
  awaited_.push_back({Direction::push, from, to, path});
  awaited_.push_back({Direction::pull, to, from, reversed(path)});
}

std::vector<NodeId> Run::relays(const Candidate& path) const {
  std::vector<NodeId> ids;
  for (const std::uint16_t relay : {path.first, path.second}) {
    if (relay != kNoRelay) ids.push_back(data_.nodes[relay].node.id);
  }
  return ids;
}

void Run::suppress(std::size_t from, std::size_t to, const PairDecision& decision,
                   PathUnits in_use_cost, const NodePath& best) {
  const PairMemory& memory = data_.pairs[at(from, to)];
  suppressed_.push_back({data_.nodes[from].node.id, data_.nodes[to].node.id, *decision.suppressed,
                         relays({memory.first_relay, memory.second_relay}),
                         relays(candidate_of(best)), in_use_cost / kUnitsPerMs,
                         best.cost / kUnitsPerMs, decision.left});
}

void Run::note_move(std::size_t from, std::size_t to, MoveReason reason, const PairMemory& before,
                    PathUnits before_cost, const NodePath& after) {
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
NodePath Run::safest(std::size_t from, std::size_t to, const NodePath& best) {
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
std::optional<Candidate> Run::candidate_over(std::size_t from, std::size_t to,
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

std::optional<Candidate> Run::pin_of(std::size_t from, std::size_t to) const {
  for (const PinnedPath& pin : view_.pins) {
    if (pin.from != data_.nodes[from].node.id || pin.to != data_.nodes[to].node.id) continue;
    return candidate_over(from, to, pin.relays);
  }
  return std::nullopt;
}

// Takes up what an earlier run decided, where this one has decided nothing.
void Run::resume() {
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
bool Run::follow_pin(std::size_t from, std::size_t to) {
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
bool Run::hold(std::size_t from, std::size_t to) {
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

void Run::decide_one(std::size_t from, std::size_t to) {
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
void Run::name_damped(std::size_t from, std::size_t to, PathUnits in_use_cost) {
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
NodePath Run::fresh_second(std::size_t from, std::size_t to, const Candidate& in_use) const {
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
void Run::decide_second(std::size_t from, std::size_t to) {
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

void Run::decide() {
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

void Run::list_pair(std::size_t from, std::size_t to) {
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
void Run::order_alternates() {
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

void Run::make_lists() {
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

GuardVerdict Run::finish(PlannerResult& result) {
  BuiltTables built = build_tables(data_, lists_, policy_, view_.stages, now_);
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
  data_.tables = std::move(built.all);
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

}  // namespace

PlannerState::PlannerState() : data_(std::make_unique<Data>()) {}
PlannerState::PlannerState(const PlannerState& other)
    : data_(std::make_unique<Data>(*other.data_)) {}
PlannerState::PlannerState(PlannerState&&) noexcept = default;
PlannerState& PlannerState::operator=(const PlannerState& other) {
  if (this != &other) data_ = std::make_unique<Data>(*other.data_);
  return *this;
}
PlannerState& PlannerState::operator=(PlannerState&&) noexcept = default;
PlannerState::~PlannerState() = default;

const std::vector<RouteTable>& PlannerState::tables() const { return data_->tables; }

PlannerResult plan_routes(const NetworkView& view, const Policy& policy, PlannerState previous,
                          const PlanRequest& request, Now now) {
  PlannerResult result;
  result.next = std::move(previous);
  PlannerState::Data& data = result.next.data();
  adopt_nodes(data, view.nodes);
  std::erase_if(data.superseded, [&](const ListSet& lists) {
    return now.mono - lists.superseded > policy.mixing_window;
  });
  price_and_solve(data, view, policy, request);

  // What a refusal brings back.
  const std::vector<PairMemory> pairs = data.pairs;
  const std::vector<Candidate> seconds = data.seconds;
  const std::vector<std::uint8_t> has_second = data.has_second;

  Run run(view, policy, data, request, now);
  run.decide();
  run.make_lists();
  result.guard = run.finish(result);
  if (!result.guard.publish) {
    data.pairs = pairs;
    data.seconds = seconds;
    data.has_second = has_second;
  }
  return result;
}

std::string_view to_string(SuppressionReason reason) {
  switch (reason) {
    case SuppressionReason::below_margin:
      return "below_margin";
    case SuppressionReason::unconfirmed:
      return "unconfirmed";
    case SuppressionReason::dwelling:
      return "dwelling";
    case SuppressionReason::damped_link:
      return "damped_link";
    case SuppressionReason::suspect_link:
      return "suspect_link";
    case SuppressionReason::awaiting_alternate:
      return "awaiting_alternate";
    case SuppressionReason::held:
      return "held";
  }
  return "?";
}

std::string_view to_string(MoveReason reason) {
  switch (reason) {
    case MoveReason::first:
      return "first";
    case MoveReason::better:
      return "better";
    case MoveReason::path_lost:
      return "path_lost";
    case MoveReason::worse:
      return "worse";
    case MoveReason::forced:
      return "forced";
    case MoveReason::withdrawn:
      return "withdrawn";
    case MoveReason::pinned:
      return "pinned";
  }
  return "?";
}

}  // namespace linkpilot::optimizer
