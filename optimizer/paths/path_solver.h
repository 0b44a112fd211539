// PathSolver: for every ordered pair of N nodes the best path with at most two relays, and a second
// one that shares no relay with it. Exact, in weights quantised once to 0.1 ms; equal on every
// instruction set. Nodes are indices 0..N-1 here; who they are is the planner's business.
//
// Order of paths: by (cost, first relay, second relay), a missing relay counting as lowest; so ties
// go to fewer relays, then to the lowest index. A path visits no node twice. The second path of a
// pair whose best path is direct is the best one with a relay. Memory: about 40 N^2 octets. A
// value: copy it to try something. One thread at a time.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string_view>
#include <vector>

#include "optimizer/paths/path_kernel.h"

namespace linkpilot::optimizer {

using PathUnits = std::uint16_t;  // 0.1 ms
inline constexpr PathUnits kUnreachable = 0xffff;
inline constexpr std::uint16_t kNoRelay = 0xffff;
inline constexpr std::size_t kSolverNodesMax = 4096;
inline constexpr double kUnitsPerMs = 10.0;

// Of two costs that may both be kUnreachable; more than that is unreachable, too.
[[nodiscard]] inline std::uint32_t cost_sum(std::uint32_t a, std::uint32_t b) {
  return a + b < kUnreachable ? a + b : kUnreachable;
}

// Milliseconds to units: rounded once, at least 1 (no free link, so no free loop); what is missing,
// not finite or not positive, or 6 553.4 ms and more, is kUnreachable.
[[nodiscard]] PathUnits quantise(double cost_ms);

struct PathProblem {
  std::size_t nodes = 0;
  std::vector<PathUnits> weight;      // nodes x nodes, row = from; the diagonal is ignored
  std::vector<PathUnits> relay_cost;  // nodes; kUnreachable: never a relay. Empty: all zero
  std::uint8_t relays_max = 2;
};

// At most two relays; cost == kUnreachable: no such path.
struct NodePath {
  PathUnits cost = kUnreachable;
  std::uint16_t first_relay = kNoRelay;
  std::uint16_t second_relay = kNoRelay;
  [[nodiscard]] bool reachable() const { return cost != kUnreachable; }
  [[nodiscard]] bool uses_relay(std::uint16_t node) const {
    return node != kNoRelay && (first_relay == node || second_relay == node);
  }
  friend bool operator==(const NodePath&, const NodePath&) = default;
};

enum class InstructionSet : std::uint8_t { baseline, avx2, avx512 };
[[nodiscard]] std::string_view to_string(InstructionSet set);
// Those this machine can run, the fastest last.
[[nodiscard]] std::vector<InstructionSet> available_instruction_sets();
[[nodiscard]] const PathKernel& kernel_of(InstructionSet set);

struct WeightChange {
  std::uint16_t from = 0;
  std::uint16_t to = 0;
  PathUnits weight = kUnreachable;
};

class PathSolver {
 public:
  PathSolver() = default;  // the fastest set
  explicit PathSolver(InstructionSet set) : set_(set) {}

  // Solves anew. `problem.nodes` <= kSolverNodesMax.
  void solve(const PathProblem& problem);
  // Changes some weights; the outcome equals a full solve. Cheap for few changes; falls back to a
  // full solve by itself when there are many.
  void update(std::span<const WeightChange> changes);
  // The same, always one link after the other (but with fewer relays than two, where a full solve
  // is half the work).
  void update_each(std::span<const WeightChange> changes);

  [[nodiscard]] std::size_t nodes() const { return nodes_; }
  [[nodiscard]] std::uint8_t relays_max() const { return relays_max_; }
  [[nodiscard]] NodePath best(std::size_t from, std::size_t to) const;
  [[nodiscard]] NodePath second(std::size_t from, std::size_t to) const;
  // Cost of any path under the current weights; kUnreachable if a link is missing or a node
  // repeats.
  [[nodiscard]] PathUnits cost_of(std::size_t from, std::size_t to, NodePath path) const;
  [[nodiscard]] PathUnits weight(std::size_t from, std::size_t to) const {
    return weight_[from * stride_ + to];
  }
  // Best cost from a relay's point of view: at most one relay further on. Strictly decreasing along
  // every best path towards `to` (see optimizer/policy/loop_order.h).
  [[nodiscard]] PathUnits tail_cost(std::size_t from, std::size_t to) const;
  // Pairs whose best or second path may differ from before the last solve() or update(), sorted;
  // empty with `all_touched()` after a full solve.
  [[nodiscard]] std::span<const std::uint32_t> touched() const { return touched_; }
  [[nodiscard]] bool all_touched() const { return all_touched_; }

 private:
  // A matrix of 16-bit values, nodes_ x stride_.
  using Matrix = std::vector<std::uint16_t>;

  [[nodiscard]] PathArrays arrays();
  void resolve(std::span<const WeightChange> changes);
  void update_one(const WeightChange& change);
  void set_weight(std::size_t from, std::size_t to, PathUnits weight);
  void find_dirty(const WeightChange& change, PathUnits before);
  void refresh_tails(std::size_t from, std::size_t to, bool cheaper);
  void refresh_tail(std::size_t relay, std::size_t to, std::size_t over, bool cheaper);
  void refresh_pair(std::size_t from, std::size_t to);
  void prepare();
  void direct_tails();

  InstructionSet set_ = available_instruction_sets().back();
  std::size_t nodes_ = 0;
  std::size_t stride_ = 0;
  std::uint8_t relays_max_ = 2;
  bool all_touched_ = true;
  std::vector<PathUnits> relay_cost_;
  // See PathArrays; [from][to], and [to][from] where the name says so.
  Matrix weight_;
  Matrix onward_, onward_to_;
  Matrix tail_cost_, tail_relay_, tail2_cost_, tail2_relay_;
  Matrix tail_cost_to_, tail_relay_to_, tail2_cost_to_, tail2_relay_to_;
  Matrix best_cost_, best_first_, best_last_;
  Matrix second_cost_, second_first_, second_last_;
  std::vector<std::uint8_t> third_used_;  // see PathArrays
  std::vector<std::uint32_t> scratch_;
  std::vector<std::uint32_t> dirty_;
  std::vector<std::uint32_t> touched_;
};

}  // namespace linkpilot::optimizer
