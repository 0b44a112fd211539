// FaultJudge: what is wrong with the fleet and worth telling, from what is believed of nodes and
// links at each look (about once a second). Waits for patience before it speaks, keeps silent about
// what a larger cause explains, and calls a fault over only on good evidence: missing data is never
// good news. Pure; one thread.
//
// Bounds: kOpenMax open faults (further ones are counted and not told), one watch per link looked
// at.
#pragma once

#include <map>
#include <string>
#include <unordered_map>
#include <vector>

#include "collector/faults/causes.h"
#include "collector/faults/fault.h"
#include "collector/faults/fault_rules.h"
#include "collector/faults/link_watch.h"
#include "collector/ingest/link_history.h"
#include "optimizer/weight/link_belief.h"

namespace linkpilot::collector {

struct FleetFacts {
  const NodeTable& nodes;
  const std::vector<optimizer::LinkBelief>& links;
  const LinkHistories& histories;
};

class FaultJudge {
 public:
  static constexpr std::size_t kOpenMax = 1'000;
  // A fault whose links are no longer measured by anybody ends after this.
  static constexpr Duration kForgottenAfter = std::chrono::minutes(10);

  // `open`: what an earlier run told and did not resolve.
  FaultJudge(FaultRules rules, std::vector<Fault> open);

  // What people should hear of now.
  [[nodiscard]] std::vector<FaultChange> look(const FleetFacts& facts, Now now);
  // Which routes moved because of it, found by others: kept with the open fault.
  void note_routes(const Fault& fault);
  void set_rules(const FaultRules& rules) { rules_ = rules; }

  [[nodiscard]] std::vector<Fault> open() const;
  [[nodiscard]] std::size_t open_count() const { return open_.size(); }
  // Causes that waited for no other reason than kOpenMax.
  [[nodiscard]] std::uint64_t suppressed() const { return suppressed_; }

 private:
  struct Open {
    Fault fault;
    MonoTime good_since;     // zero: it is not good
    MonoTime unknown_since;  // zero: there is something to judge by
    bool resumed = false;    // of an earlier run, its links not met yet
  };
  enum class Standing : std::uint8_t { good, bad, unknown, left };

  [[nodiscard]] std::vector<LookedLink> look_at_links(const FleetFacts& facts, Now now);
  void note_dead_nodes(const NodeTable& nodes, Now now);
  void resume_links();
  [[nodiscard]] Standing standing_of(const Fault& fault, const NodeTable& nodes,
                                     const std::vector<LookedLink>& links) const;
  [[nodiscard]] Standing standing_of_node(NodeId node, std::optional<PortIndex> port,
                                          const NodeTable& nodes,
                                          const std::vector<LookedLink>& links) const;
  void review(const FleetFacts& facts, const Causes& causes, const std::vector<LookedLink>& links,
              Now now, std::vector<FaultChange>& changes);
  void open_new(const FleetFacts& facts, const Causes& causes, Now now,
                std::vector<FaultChange>& changes);
  [[nodiscard]] Duration patience(FaultGrade grade) const;
  void describe(Fault& fault, const Cause& cause, const FleetFacts& facts) const;

  FaultRules rules_;
  std::unordered_map<LinkId, LinkWatch> watches_;
  std::map<NodeId, Now> dead_since_;
  std::map<std::string, Open> open_;  // by key
  std::uint64_t suppressed_ = 0;
};

}  // namespace linkpilot::collector
