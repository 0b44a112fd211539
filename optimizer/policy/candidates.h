// The candidate lists of every node, and which alternates are loop-free.
//
// A list is [path in use, second, others by cost]. Paths are written from the node outwards; the
// cost follows the media's direction. The remaining path travels with the request, so a request can
// only come back where a relay turns aside to a candidate marked loop-free. The marks follow four
// rules that make every walk visit a node at most once, in any mixture of live tables and any
// pattern of dead hops:
//   1. the direct path to the target is always marked: whoever takes it arrives or drops;
//   2. a marked path leads only over nodes that hold no mark of their own for that target (but rule
//   1),
//      so a request turns aside onto a path with relays at most once;
//   3. none of these relays stands before the marking node on any candidate of anybody, so the
//   turned
//      request cannot meet where it has been;
//   4. RFC 5286 s3.1 inequality 1 holds with today's distances: d(n,t) < d(n,me) + d(me,t).
// "Anybody" and "no mark" include tables that were superseded less than the mixing window ago.
#pragma once

#include <array>
#include <cstdint>
#include <span>
#include <vector>

#include "base/route_table.h"
#include "base/time.h"
#include "optimizer/paths/path_solver.h"
#include "optimizer/policy/cost_matrix.h"
#include "optimizer/policy/policy.h"

namespace linkpilot::optimizer {

struct Candidate {
  std::uint16_t first = kNoRelay;  // relays from the node outwards
  std::uint16_t second = kNoRelay;
  bool other_ports = false;  // direct, over the pair of ports that is not the first choice
  bool loop_free = false;
  [[nodiscard]] bool direct() const { return first == kNoRelay; }
  [[nodiscard]] bool passes(std::size_t node) const {
    return first != kNoRelay && (first == node || (second != kNoRelay && second == node));
  }
  [[nodiscard]] bool same_path(const Candidate& o) const {
    return first == o.first && second == o.second && other_ports == o.other_ports;
  }
  friend bool operator==(const Candidate&, const Candidate&) = default;
};

struct CandidateList {
  std::array<Candidate, kCandidatesMax> candidates{};
  std::uint8_t count = 0;
  [[nodiscard]] std::span<const Candidate> view() const { return {candidates.data(), count}; }
  [[nodiscard]] bool contains(const Candidate& path) const;
  void add(const Candidate& path) {
    if (count < kCandidatesMax) candidates[count++] = path;
  }
  friend bool operator==(const CandidateList&, const CandidateList&) = default;
};

// All lists of one publication; index = me * nodes + target.
struct ListSet {
  std::size_t nodes = 0;
  std::vector<CandidateList> push;
  std::vector<CandidateList> pull;
  MonoTime superseded;  // when the next one was decided
  [[nodiscard]] const CandidateList& at(Direction direction, std::size_t me,
                                        std::size_t target) const {
    return (direction == Direction::push ? push : pull)[me * nodes + target];
  }
  [[nodiscard]] CandidateList& at(Direction direction, std::size_t me, std::size_t target) {
    return (direction == Direction::push ? push : pull)[me * nodes + target];
  }
};

// What the lists are made from.
struct CandidateInput {
  const PathSolver& solver;
  const CostMatrix& costs;
  std::span<const PathUnits> relay_cost;
  const StabilityPolicy& stability;
  std::span<const ListSet* const> live;  // published and perhaps still in use, newest first
};

// Cost of a candidate in the media's direction, without surcharges; kUnreachable if a hop is dead.
[[nodiscard]] PathUnits candidate_cost(const CandidateInput& input, Direction direction,
                                       std::size_t me, std::size_t target, const Candidate& path);

// Could a request on this new path be sent back by a mark in a live table? Such a path waits until
// that mark has been withdrawn.
[[nodiscard]] bool meets_live_mark(std::span<const ListSet* const> live, Direction direction,
                                   std::size_t me, std::size_t target, const Candidate& path);

// A path that someone would take but for `meets_live_mark`: marks against it are not renewed.
struct AwaitedPath {
  Direction direction = Direction::push;
  std::size_t me = 0;
  std::size_t target = 0;
  Candidate path;
};

// `lists` comes with the paths in use and the seconds; direct paths, alternates and marks are
// added.
void add_alternates(const CandidateInput& input, std::span<const AwaitedPath> awaited,
                    ListSet& lists);

}  // namespace linkpilot::optimizer
