#include <algorithm>

#include "optimizer/planner_data.h"
#include "optimizer/weight/link_cost.h"

namespace linkpilot::optimizer {
namespace {

// More flapping links than this are a fleet in trouble, not a reason for one route.
constexpr std::size_t kDampedMax = 64;

const Crossing& crossing(const PlannerState::Data& data, std::size_t from, std::size_t to) {
  return data.costs.at(from, to);
}

}  // namespace

std::vector<DampedCrossing> damped_crossings(const PlannerState::Data& data) {
  std::vector<DampedCrossing> found;
  for (std::size_t from = 0; from < data.size(); ++from) {
    for (std::size_t to = 0; to < data.size() && found.size() < kDampedMax; ++to) {
      if (from == to || !crossing(data, from, to).first.damped) continue;
      found.push_back({static_cast<std::uint16_t>(from), static_cast<std::uint16_t>(to)});
    }
  }
  return found;
}

std::optional<DampedWay> way_over_damped(const PlannerState::Data& data, const Policy& policy,
                                         std::span<const DampedCrossing> damped, std::size_t from,
                                         std::size_t to) {
  const PathUnits surcharge = quantise(policy.weights.damped_ms);
  const CandidateInput input = data.input(policy, {});
  std::optional<DampedWay> best;
  for (const DampedCrossing& link : damped) {
    if (link.to == from || link.from == to) continue;
    Candidate path;
    if (link.from != from) path.first = link.from;
    if (link.to != to) (path.first == kNoRelay ? path.first : path.second) = link.to;
    const PathUnits cost = candidate_cost(input, Direction::push, from, to, path);
    if (cost == kUnreachable) continue;
    DampedWay way{path, cost, Duration{}};
    std::size_t at = from;
    const auto cross = [&](std::size_t next) {
      const PortPair& pair = crossing(data, at, next).first;
      at = next;
      if (!pair.damped) return;
      way.undamped = way.undamped > surcharge ? static_cast<PathUnits>(way.undamped - surcharge)
                                              : PathUnits{1};
      way.left = std::max(way.left, pair.damped_left);
    };
    for (const std::uint16_t relay : {path.first, path.second}) {
      if (relay != kNoRelay) cross(relay);
    }
    cross(to);
    if (!best || way.undamped < best->undamped) best = way;
  }
  return best;
}

}  // namespace linkpilot::optimizer
