#include "collector/evidence/fault_finder.h"

#include <algorithm>

#include "collector/evidence/diagnosis_causes.h"

namespace linkpilot::collector {

void FaultFinder::set_rules(const FaultRules& rules) {
  optimizer::LinkDetectorOptions detectors;
  // What is lost all day is usual up to a level; `usual_factor` times that is fine (loss_change.h).
  // Between `fine` and `bad`, two and a half times that, what is nearer to bad is found.
  constexpr double kFoundFrom = 1.8;
  detectors.usual_loss_max =
      std::min(rules.loss_leave, rules.loss_enter / kFoundFrom) / detectors.loss.usual_factor;
  detectors.delay_enter_ms = std::min(detectors.delay_enter_ms, rules.delay_enter_ms);
  detectors.delay_leave_ms = std::min(rules.delay_leave_ms, detectors.delay_enter_ms);
  links_.set_options(detectors);
  const optimizer::LocaliseOptions usual;
  options_.link_delay_ms = rules.delay_enter_ms;
  options_.group_delay_ms = usual.group_delay_ms * rules.delay_enter_ms / usual.link_delay_ms;
}

void FaultFinder::add(NodeId node, std::span<const FoldedSample> samples, const NodeLoad& load,
                      Now at) {
  constexpr std::size_t kAhead = 3;
  links_.find(samples, sessions_);
  optimizer::AgentLook look;
  for (std::size_t i = 0; i < samples.size(); ++i) {
    if (i + kAhead < samples.size()) links_.expect(sessions_[i + kAhead]);
    const LinkSample& sample = *samples[i].sample;
    AgentBook::count(sample, links_.add(sessions_[i], sample, samples[i].at), look);
  }
  agents_.add(node, look, load, at);
}

void FaultFinder::note_state(LinkId link, LinkState state, Now now) {
  links_.note_state(link, state, now);
  changed_ = true;
}

void FaultFinder::forget(NodeId node) {
  links_.forget(node);
  agents_.forget(node);
  // Places and indices are new.
  evidence_ = nullptr;
  causes_.clear();
}

void FaultFinder::resume(const Fault& fault) {
  constexpr double kLossApart = 0.005;
  for (const FaultLink& link : fault.links) {
    if (link.grade != FaultGrade::degraded) continue;
    const bool slow = link.rtt_ms_before >= 0 && link.rtt_ms > link.rtt_ms_before;
    const bool lossy = link.loss_ratio > std::max(0.0, link.loss_ratio_before) + kLossApart;
    links_.resume(link.link, slow ? link.rtt_ms_before : -1,
                  lossy ? std::max(0.0, link.loss_ratio_before) : -1);
  }
}

void FaultFinder::date_causes(Now now) {
  std::erase_if(first_, [this](const auto& each) { return !causes_.contains(each.first); });
  for (auto& [key, cause] : causes_) {
    const Now first = first_.emplace(key, now).first->second;
    if (cause.since.mono == MonoTime{}) cause.since = first;
    if (cause.grade_since.mono == MonoTime{}) cause.grade_since = cause.since;
  }
}

// Ends that go on contradicting each other, in spite of bursts, are not waited for for ever.
void FaultFinder::note_doubts(Now now) {
  std::map<LinkId, MonoTime> doubts;
  for (const optimizer::Question& question : diagnosis_.questions) {
    if (question.kind != optimizer::QuestionKind::reverse_check) continue;
    const LinkId link{evidence_->shape.ends[question.from].port,
                      evidence_->shape.ends[question.to].port};
    const auto known = doubts_.find(link);
    doubts[link] = known == doubts_.end() ? now.mono : known->second;
    if (now.mono - doubts[link] >= kDoubtMax) maker_.believe_worse(link, now.mono);
  }
  doubts_ = std::move(doubts);
}

bool FaultFinder::due(Now now) const {
  const Duration since = now.mono - looked_;
  if (looked_.ns == 0 || since >= kRound) return true;
  if (unconfirmed_ > 0 && since >= kRoundDoubt) return true;
  return changed_ && since >= kRoundMin;
}

void FaultFinder::look(NodeTable& nodes, Now now) {
  changed_ = false;
  looked_ = now.mono;
  for (auto& [id, node] : nodes) {
    if (!node.heard) continue;
    node.trouble = agents_.trouble(id);
    node.trouble_since = agents_.since(id);
  }
  const optimizer::Evidence& evidence = maker_.make(nodes, links_, now);
  evidence_ = &evidence;
  if (shape_number_ != maker_.shape_number()) {
    shape_number_ = maker_.shape_number();
    confirmer_ = {};  // its numbers mean others now
  }
  diagnosis_ = optimizer::localise(evidence, options_);
  const std::vector<optimizer::Cause> confirmed = confirmer_.look(diagnosis_, now.mono, {});
  causes_ = name_causes(confirmed, evidence, maker_.index(), nodes, links_, now);
  date_causes(now);
  note_doubts(now);
  requests_ = questioner_.ask(diagnosis_.questions, evidence, now.mono);
  ++rounds_;
  unconfirmed_ = diagnosis_.causes.size() - confirmed.size();
}

FinderFigures FaultFinder::figures() const {
  FinderFigures out;
  out.rounds = rounds_;
  out.findings = evidence_ == nullptr ? 0 : evidence_->findings.size();
  out.doubtful = diagnosis_.doubtful;
  out.unconfirmed = unconfirmed_;
  out.ends_left_out = maker_.left_out();
  out.pairs = links_.pairs();
  out.pairs_refused = links_.refused();
  out.asked = questioner_.asked();
  out.put_off = questioner_.put_off();
  return out;
}

}  // namespace linkpilot::collector
