// FaultFinder: from what agents report to the causes of what is wrong. Keeps the detectors of all
// links and agents, makes a record of evidence of what stands out, lets the localiser explain it,
// and lets a cause pass only when rounds that follow one another keep naming it. One thread.
//
// A round is due each second, and at once when an alarm changed a link. Mail waits for it, routes
// do not: they follow the alarms by themselves.
#pragma once

#include <cstdint>
#include <map>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "collector/evidence/agent_book.h"
#include "collector/evidence/evidence_maker.h"
#include "collector/evidence/finder_figures.h"
#include "collector/evidence/link_book.h"
#include "collector/evidence/questioner.h"
#include "collector/faults/causes.h"
#include "collector/faults/fault_rules.h"
#include "optimizer/localise/confirm.h"
#include "optimizer/localise/localise.h"

namespace linkpilot::collector {

class FaultFinder {
 public:
  static constexpr Duration kRound = std::chrono::seconds(1);
  // While something waits for its confirmation.
  static constexpr Duration kRoundDoubt = std::chrono::milliseconds(250);
  // Of alarms that come one after the other.
  static constexpr Duration kRoundMin = std::chrono::milliseconds(100);

  // Two ends that contradict each other for longer: the one that sees more trouble is believed.
  static constexpr Duration kDoubtMax = std::chrono::seconds(60);

  explicit FaultFinder(const FaultRules& rules) { set_rules(rules); }
  void set_rules(const FaultRules& rules);

  // --- from ingest ---
  // The samples of one report.
  void add(NodeId node, std::span<const FoldedSample> samples, const NodeLoad& load, Now at);
  void note_state(LinkId link, LinkState state, Now now);
  void forget(NodeId node);
  // What an earlier run told and did not resolve: what was usual of its links is usual still.
  void resume(const Fault& fault);

  // --- from the clock ---
  [[nodiscard]] bool due(Now now) const;
  // `nodes` without their agents' troubles: those are filled in here.
  void look(NodeTable& nodes, Now now);

  // Of the last round.
  [[nodiscard]] const Causes& causes() const { return causes_; }
  [[nodiscard]] const optimizer::Evidence* evidence() const { return evidence_; }
  [[nodiscard]] const optimizer::Diagnosis& diagnosis() const { return diagnosis_; }
  // What to ask agents for now; taken out.
  [[nodiscard]] std::vector<ProbeRequest> take_requests() { return std::exchange(requests_, {}); }
  [[nodiscard]] const LinkBook& links() const { return links_; }
  [[nodiscard]] const EvidenceMaker& maker() const { return maker_; }
  [[nodiscard]] const optimizer::LocaliseOptions& options() const { return options_; }
  [[nodiscard]] FinderFigures figures() const;

 private:
  void date_causes(Now now);
  void note_doubts(Now now);

  LinkBook links_;
  std::vector<LinkBook::Session> sessions_;  // of the report under way; its memory is used again
  AgentBook agents_;
  EvidenceMaker maker_;
  optimizer::LocaliseOptions options_;
  optimizer::Confirmer confirmer_;
  std::uint64_t shape_number_ = 0;
  const optimizer::Evidence* evidence_ = nullptr;
  optimizer::Diagnosis diagnosis_;
  Causes causes_;
  std::map<std::string, Now> first_;   // named since, by key
  std::map<LinkId, MonoTime> doubts_;  // of the last round: since when
  Questioner questioner_;
  std::vector<ProbeRequest> requests_;
  std::uint64_t rounds_ = 0;
  std::uint64_t unconfirmed_ = 0;  // causes of the last round that are not confirmed yet
  MonoTime looked_;
  bool changed_ = false;  // an alarm came since
};

}  // namespace linkpilot::collector
