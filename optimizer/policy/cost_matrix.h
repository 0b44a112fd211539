// From nodes and link beliefs to node-level matrices: between two nodes the path search sees the
// best allowed pair of ports. The pair in use is kept until it dies or another is better by the
// margin, so that two equal lines do not alternate.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "base/ids.h"
#include "optimizer/paths/path_solver.h"
#include "optimizer/planner.h"
#include "optimizer/policy/policy.h"

namespace linkpilot::optimizer {

// A surcharge in the search only, like CostTerms::unsteadiness: nothing new moves onto a link under
// suspicion while there is anything else, and what uses it stays.
inline constexpr double kSuspectSurchargeMs = 500.0;

// One way to cross from a node to another.
struct PortPair {
  PortIndex near;
  PortIndex far;
  PathUnits cost = kUnreachable;    // what a route in use pays
  PathUnits search = kUnreachable;  // with the surcharges of suspicion and unsteadiness
  PathUnits unsteady = 0;           // the latter
  bool suspect = false;
  bool damped = false;     // its cost has the surcharge of a flapping link
  Duration damped_left{};  // until it loses it
  Duration delay{};
  [[nodiscard]] bool usable() const { return cost != kUnreachable; }
};

// Of an ordered pair of nodes: the pair of ports in use, and one that shares no port with it (or,
// if there is none, not both).
struct Crossing {
  PortPair first;
  PortPair other;
};

class CostMatrix {
 public:
  CostMatrix() = default;
  explicit CostMatrix(std::size_t nodes) : nodes_(nodes), crossings_(nodes * nodes) {}

  [[nodiscard]] std::size_t nodes() const { return nodes_; }
  [[nodiscard]] Crossing& at(std::size_t from, std::size_t to) {
    return crossings_[from * nodes_ + to];
  }
  [[nodiscard]] const Crossing& at(std::size_t from, std::size_t to) const {
    return crossings_[from * nodes_ + to];
  }

 private:
  std::size_t nodes_ = 0;
  std::vector<Crossing> crossings_;
};

// The crossing for one ordered pair out of the beliefs of its links (all from `from` to `to`).
// `before`: the crossing of the last time, whose pair of ports is kept where that is no loss.
[[nodiscard]] Crossing choose_crossing(const NodeView& from, const NodeView& to,
                                       std::span<const LinkBelief> links, const Crossing& before,
                                       const Policy& policy);

// A relay's price in units; kUnreachable for a drained node.
[[nodiscard]] PathUnits relay_units(const NodeView& node, const Policy& policy);

}  // namespace linkpilot::optimizer
