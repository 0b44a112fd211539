// What operators decide: which links may be used, what a route must gain before it moves, and what
// a set of tables must fulfil before it leaves. Plain values; collector.toml fills them.
#pragma once

#include <cstdint>
#include <string>

#include "base/fleet.h"
#include "base/time.h"
#include "optimizer/weight/link_cost.h"

namespace linkpilot::optimizer {

// Links between ports of different ISPs (both known): not at all, at a surcharge, or like any
// other. A link is always allowed when either node has several ports (a multi-line node bridges
// ISPs).
enum class CrossIsp : std::uint8_t { never, penalty, free };

struct LinkPolicy {
  CrossIsp cross_isp = CrossIsp::free;
  double cross_isp_ms = 20.0;  // surcharge under CrossIsp::penalty
};

// When a better path replaces a good one. Bad news - a path that died, a candidate that was lost, a
// clear worsening - skips margin, confirmation and dwell.
struct StabilityPolicy {
  double margin_ratio = 0.10;  // both margins must be exceeded
  double margin_ms = 5.0;
  // Confirmed in k of the last n ticks.
  std::uint8_t confirm_k = 4;
  std::uint8_t confirm_n = 5;
  Duration dwell = std::chrono::seconds(20);  // since the path was last changed
  // Clear worsening: the path in use costs this much more than when it was chosen, both exceeded.
  double worse_ratio = 0.30;
  double worse_ms = 20.0;
};

struct GuardPolicy {
  // Share of all routes that one publication may move unless forced; moves that bad news forces do
  // not count. Tables of small fleets may always move `moves_free` routes.
  double churn_max = 0.25;
  std::uint32_t moves_free = 50;
  std::uint32_t quorum_percent = 51;  // of the enrolled agents must be reporting
};

struct Policy {
  LinkPolicy links;
  WeightParameters weights;
  StabilityPolicy stability;
  GuardPolicy guard;
  std::uint8_t relays_max = 2;  // 0: direct paths only, 1, 2
  // How long nodes may still run a superseded table: alternates stay loop-free against it that
  // long.
  Duration mixing_window = std::chrono::seconds(10);
  Duration valid_soft = std::chrono::minutes(10);
  Duration valid_hard = std::chrono::hours(24);
};

// May packets of ours travel from port `a` of `from` to port `b` of `to`?
[[nodiscard]] bool link_allowed(const Node& from, const Port& a, const Node& to, const Port& b,
                                const LinkPolicy& policy);
[[nodiscard]] double link_surcharge_ms(const Node& from, const Port& a, const Node& to,
                                       const Port& b, const LinkPolicy& policy);

}  // namespace linkpilot::optimizer
