// Which hop loses packets, if any. Pure.
//
// Routers answer expired packets when they like: most limit how often (Linux: six at once, then one
// a second to each sender, icmp_ratelimit), so a hop that leaves probes unanswered while later ones
// answer loses nothing. A hop is blamed only if loss persists on every later hop of the same flow,
// the destination included. Two further cautions: loss at a hop that was asked oftener than such a
// limit lets pass is no evidence, nor are errors of a destination asked too often (answers to echo
// and TCP are not limited); and three lost of a few are the least that counts. What is between the
// last hop without loss and the first with loss is blamed together.
#pragma once

#include <span>
#include <vector>

#include "base/time.h"
#include "prober/path/trace_report.h"

namespace linkpilot::prober {

struct Blames {
  std::vector<Blame> blames;  // one a flow at most
  bool withheld = false;
};
// `over`: from the first probe to the last.
[[nodiscard]] Blames blamed_hops(std::span<const FlowPath> flows, Duration over);

}  // namespace linkpilot::prober
