// The solve on a thread of its own: an immutable view in, the planner's answer out. The queue holds
// one job: a newer one takes its place and inherits its urgency, so a busy solver is never more
// than one solve behind the newest measurements.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>

#include "optimizer/planner.h"

namespace linkpilot::collector {

struct SolveJob {
  optimizer::NetworkView view;  // without links
  // Beliefs of all links, made on the solver's thread: tens of milliseconds for a large fleet.
  std::function<std::vector<optimizer::LinkBelief>()> make_links;
  optimizer::Policy policy;
  optimizer::PlanRequest request;
  Now now;
  bool all_tables = false;  // answer with every node's table, not the changed ones alone
};

struct SolveOutcome {
  std::vector<RouteTable> tables;  // changed ones, or all
  bool all_tables = false;
  std::vector<optimizer::Suppression> suppressed;
  std::vector<optimizer::RouteMove> moves;
  optimizer::GuardVerdict guard;
  optimizer::PlanMode mode = optimizer::PlanMode::tick;
  std::vector<optimizer::LinkBelief> links;  // what it was decided on; of ticks only
  Duration took{};
};

// `older` was not begun when `newer` came: one job that does the work of both.
[[nodiscard]] SolveJob merge_jobs(const SolveJob& older, SolveJob newer);

class Solver {
 public:
  // `on_outcome` comes on the solver's thread.
  using OnOutcome = std::function<void(SolveOutcome)>;
  explicit Solver(OnOutcome on_outcome);
  ~Solver();
  Solver(const Solver&) = delete;
  Solver& operator=(const Solver&) = delete;

  void submit(SolveJob job);
  // Jobs that a newer one replaced before they began.
  [[nodiscard]] std::uint64_t replaced() const;

 private:
  struct State;
  std::unique_ptr<State> state_;
};

}  // namespace linkpilot::collector
