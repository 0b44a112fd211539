// RouteMoves: the routes that moved lately, to tell which of them moved because of a fault. Keeps
// the newest kKept. Pure.
#pragma once

#include <deque>
#include <vector>

#include "base/ids.h"
#include "base/time.h"
#include "collector/faults/causes.h"
#include "collector/faults/fault.h"
#include "optimizer/planner.h"

namespace linkpilot::collector {

class RouteMoves {
 public:
  static constexpr std::size_t kKept = 8'192;
  // Routes leave what gets worse before it is bad enough to be a fault.
  static constexpr Duration kBeforeDead = std::chrono::seconds(5);
  static constexpr Duration kBeforeDegraded = std::chrono::seconds(30);

  void add(const std::vector<optimizer::RouteMove>& moves, UnixNanos now);
  // Fills in `routes` and `routes_total`: those whose way led through what the fault is about, and
  // no longer does; one line for those to or from a node that is down.
  void explain(Fault& fault, const NodeTable& nodes) const;

 private:
  struct Moved {
    UnixNanos at;
    optimizer::RouteMove move;
  };
  std::deque<Moved> moves_;
};

}  // namespace linkpilot::collector
