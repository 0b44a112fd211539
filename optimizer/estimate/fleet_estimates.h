// FleetEstimates: the estimates of every directed link of the fleet, fed by reports and alarms. One
// sample feeds two links: its own (forward half) and the reversed one (backward half).
//
// Bounded by `links_max`: samples of further links are refused and counted. One thread.
#pragma once

#include <cstdint>
#include <vector>

#include "base/huge_pages.h"
#include "base/ids.h"
#include "base/link_sample.h"
#include "base/report.h"
#include "base/time.h"
#include "optimizer/estimate/link_estimate.h"
#include "optimizer/estimate/link_index.h"
#include "optimizer/weight/link_belief.h"

namespace linkpilot::optimizer {

class FleetEstimates {
 public:
  explicit FleetEstimates(EstimateParameters parameters = {}, std::size_t links_max = 2'000'000);

  // `sample.link.from.node` must be the agent that reported it (the caller knows who spoke). False
  // if refused: no room, or a link from a node to itself.
  // `at` is the collector's monotonic time at the end of the sample's interval: when the report
  // came in, less (report.created - end of interval), so that no agent's clock is trusted. Samples
  // that were spooled for long should not be folded.
  bool fold(const LinkSample& sample, MonoTime at);
  // `reporter` is one of the two nodes of the alarm's link; any other is refused. Returns true if
  // the combined state of the link changed (dead, alive or suspect): only then is a solve worth its
  // while.
  bool apply(const Alarm& alarm, NodeId reporter, MonoTime at);
  // The node's agent started anew: its words of before (dead, suspect) are void, its samples stay.
  void agent_restarted(NodeId node);
  // The node left the fleet: all its links are dropped.
  void forget(NodeId node);

  // Beliefs of all links, sorted by link.
  [[nodiscard]] std::vector<LinkBelief> beliefs(MonoTime now) const;
  // Of one link; an unknown one is unmeasured. Looks at all links for the fleet's median: who needs
  // less asks `state` or `known`, which cost one look-up.
  [[nodiscard]] LinkBelief belief(LinkId link, MonoTime now) const;
  // What the words of both ends come to; an unknown link is alive.
  [[nodiscard]] LinkState state(LinkId link) const;
  // Its fate is known: usable, or dead.
  [[nodiscard]] bool known(LinkId link, MonoTime now) const;
  // Calls `visit(LinkId, LinkState)` for every link, in no order.
  template <typename Visit>
  void visit_states(Visit visit) const {
    for (const LinkEstimate& estimate : estimates_) visit(estimate.link(), estimate.state());
  }
  // Says that the link of a sample will soon be folded, a handful of samples ahead: estimates lie
  // far apart, and memory is slower than all the rest of a fold. Three steps, each needs what the
  // one before brought: the index, the head of the estimate, the slot that the head points at.
  [[gnu::always_inline]] void expect_index(LinkId link) const { index_.prefetch(link); }
  void expect(LinkId link) const;
  void expect_slot(LinkId link) const;

  [[nodiscard]] std::size_t size() const { return estimates_.size(); }
  [[nodiscard]] std::uint64_t refused() const { return refused_; }
  [[nodiscard]] const EstimateParameters& parameters() const { return parameters_; }

 private:
  static constexpr std::uint32_t kNone = LinkIndex::kNone;
  // kNone: refused.
  std::uint32_t find_or_create(LinkId link);
  [[nodiscard]] const LinkEstimate* find(LinkId link) const;
  // Median loss ratio over links with enough probes of their own; what fills up slow links.
  [[nodiscard]] double fleet_loss_ratio() const;

  EstimateParameters parameters_;
  std::size_t links_max_;
  // In pairs: the two directions of a link stand at 2k and 2k + 1, so that one is found by the
  // other.
  std::vector<LinkEstimate, HugePages<LinkEstimate>> estimates_;
  LinkIndex index_;  // into estimates_
  std::uint64_t refused_ = 0;
};

}  // namespace linkpilot::optimizer
