// The last look at a whole set of route tables before any of them leaves (design: "guard"). Pure; a
// refusal names its reason and nothing is published.
//
// Checked: every table names its node and every target exactly once per direction, as a route or as
// a dropped target with a reason; every path is well formed (ends at its target, visits no node
// twice, at most kRelaysMax relays, known nodes and ports); costs are positive; candidates come
// best first; the alternates marked loop-free cannot come back, alone or mixed with superseded
// tables still in use; no more routes moved than policy allows unless forced; a quorum of agents is
// reporting.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "base/route_table.h"
#include "optimizer/policy/policy.h"

namespace linkpilot::optimizer {

struct GuardInput {
  std::span<const RouteTable> tables;  // what every node would have after this publication
  std::span<const NodeId> nodes;       // the fleet, sorted
  std::uint64_t routes_total = 0;
  std::uint64_t routes_moved = 0;  // first candidate changed without bad news
  std::uint32_t agents_enrolled = 0;
  std::uint32_t agents_reporting = 0;
  bool forced = false;  // the operator's hand: churn and quorum do not hold it
};

struct GuardVerdict {
  bool publish = true;
  std::string reason;  // when not: what is wrong and where, for an event
  friend bool operator==(const GuardVerdict&, const GuardVerdict&) = default;
};

// Walks every candidate of every table with every way its relays may turn aside; empty if no node
// can be visited twice, else what could. `tables` may hold several versions of one node's table:
// that is how mixtures are checked.
[[nodiscard]] std::string find_loop(std::span<const RouteTable> tables);

[[nodiscard]] GuardVerdict check_tables(const GuardInput& input, const GuardPolicy& policy);

}  // namespace linkpilot::optimizer
