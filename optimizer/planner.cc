#include "optimizer/planner.h"

#include <utility>

#include "optimizer/planner_run.h"

namespace linkpilot::optimizer {

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

  PlanRun run(view, policy, data, request, now);
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
