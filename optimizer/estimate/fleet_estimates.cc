#include "optimizer/estimate/fleet_estimates.h"

#include <algorithm>

namespace linkpilot::optimizer {

FleetEstimates::FleetEstimates(EstimateParameters parameters, std::size_t links_max)
    : parameters_(parameters), links_max_(links_max) {}

LinkEstimate* FleetEstimates::find_or_create(LinkId link) {
  if (link.from.node == link.to.node) {
    ++refused_;
    return nullptr;
  }
  const auto found = links_.find(link);
  if (found != links_.end()) return &found->second;
  if (links_.size() >= links_max_) {
    ++refused_;
    return nullptr;
  }
  return &links_.emplace(link, LinkEstimate(link)).first->second;
}

bool FleetEstimates::fold(const LinkSample& sample, MonoTime at) {
  LinkEstimate* forward = find_or_create(sample.link);
  if (forward == nullptr) return false;
  forward->fold(sample, LinkEnd::near, at, parameters_);
  LinkEstimate* backward = find_or_create(sample.link.reversed());
  if (backward == nullptr) return false;
  backward->fold(sample, LinkEnd::far, at, parameters_);
  return true;
}

bool FleetEstimates::apply(const Alarm& alarm, NodeId reporter, MonoTime at) {
  const bool near = reporter == alarm.link.from.node;
  if (!near && reporter != alarm.link.to.node) {
    ++refused_;
    return false;
  }
  LinkEstimate* link = find_or_create(alarm.link);
  if (link == nullptr) return false;
  const LinkState before = link->state();
  link->apply(alarm, near ? LinkEnd::near : LinkEnd::far, at, parameters_);
  return link->state() != before;
}

void FleetEstimates::agent_restarted(NodeId node) {
  for (auto& [id, estimate] : links_) {
    if (id.from.node == node) estimate.forget_word(LinkEnd::near);
    if (id.to.node == node) estimate.forget_word(LinkEnd::far);
  }
}

void FleetEstimates::forget(NodeId node) {
  std::erase_if(links_, [node](const auto& entry) {
    return entry.first.from.node == node || entry.first.to.node == node;
  });
}

double FleetEstimates::fleet_loss_ratio() const {
  std::vector<double> ratios;
  ratios.reserve(links_.size());
  for (const auto& [id, estimate] : links_) {
    const double ratio = estimate.own_loss_ratio(parameters_);
    if (ratio >= 0.0) ratios.push_back(ratio);
  }
  if (ratios.empty()) return 0.0;
  const auto middle = ratios.begin() + static_cast<std::ptrdiff_t>(ratios.size() / 2);
  std::nth_element(ratios.begin(), middle, ratios.end());
  return *middle;
}

std::vector<LinkBelief> FleetEstimates::beliefs(MonoTime now) const {
  const double fleet = fleet_loss_ratio();
  std::vector<LinkBelief> beliefs;
  beliefs.reserve(links_.size());
  for (const auto& [id, estimate] : links_) {
    beliefs.push_back(estimate.belief(fleet, now, parameters_));
  }
  std::ranges::sort(beliefs, {}, &LinkBelief::link);
  return beliefs;
}

LinkBelief FleetEstimates::belief(LinkId link, MonoTime now) const {
  const auto found = links_.find(link);
  if (found == links_.end()) {
    LinkBelief unknown;
    unknown.link = link;
    unknown.stale = true;
    return unknown;
  }
  return found->second.belief(fleet_loss_ratio(), now, parameters_);
}

}  // namespace linkpilot::optimizer
