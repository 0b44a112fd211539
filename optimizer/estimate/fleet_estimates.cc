#include "optimizer/estimate/fleet_estimates.h"

#include <algorithm>

namespace linkpilot::optimizer {

FleetEstimates::FleetEstimates(EstimateParameters parameters, std::size_t links_max)
    : parameters_(parameters), links_max_(links_max) {}

std::uint32_t FleetEstimates::find_or_create(LinkId link) {
  if (link.from.node == link.to.node) {
    ++refused_;
    return kNone;
  }
  const std::uint32_t found = index_.find(link);
  if (found != kNone) return found;
  if (estimates_.size() + 2 > links_max_) {
    ++refused_;
    return kNone;
  }
  const auto place = static_cast<std::uint32_t>(estimates_.size());
  for (const LinkId direction : {link, link.reversed()}) {
    index_.add(direction, static_cast<std::uint32_t>(estimates_.size()));
    estimates_.emplace_back(direction);
  }
  return place;
}

const LinkEstimate* FleetEstimates::find(LinkId link) const {
  const std::uint32_t place = index_.find(link);
  return place == kNone ? nullptr : &estimates_[place];
}

void FleetEstimates::expect(LinkId link) const {
  const std::uint32_t place = index_.find(link);
  if (place == kNone) return;
  estimates_[place].prefetch();
  estimates_[place ^ 1].prefetch();
}

void FleetEstimates::expect_slot(LinkId link) const {
  const std::uint32_t place = index_.find(link);
  if (place == kNone) return;
  estimates_[place].prefetch_slot();
  estimates_[place ^ 1].prefetch_slot();
}

bool FleetEstimates::fold(const LinkSample& sample, MonoTime at) {
  const std::uint32_t forward = find_or_create(sample.link);
  if (forward == kNone) return false;
  const RttPoints points(sample);
  estimates_[forward].fold(sample, points, LinkEnd::near, at, parameters_);
  estimates_[forward ^ 1].fold(sample, points, LinkEnd::far, at, parameters_);
  return true;
}

bool FleetEstimates::apply(const Alarm& alarm, NodeId reporter, MonoTime at) {
  const bool near = reporter == alarm.link.from.node;
  if (!near && reporter != alarm.link.to.node) {
    ++refused_;
    return false;
  }
  const std::uint32_t place = find_or_create(alarm.link);
  if (place == kNone) return false;
  LinkEstimate& link = estimates_[place];
  const LinkState before = link.state();
  link.apply(alarm, near ? LinkEnd::near : LinkEnd::far, at, parameters_);
  return link.state() != before;
}

void FleetEstimates::agent_restarted(NodeId node) {
  for (LinkEstimate& estimate : estimates_) {
    if (estimate.link().from.node == node) estimate.forget_word(LinkEnd::near);
    if (estimate.link().to.node == node) estimate.forget_word(LinkEnd::far);
  }
}

void FleetEstimates::forget(NodeId node) {
  std::erase_if(estimates_, [node](const LinkEstimate& estimate) {
    return estimate.link().from.node == node || estimate.link().to.node == node;
  });
  index_.clear();
  for (std::size_t i = 0; i < estimates_.size(); ++i) {
    index_.add(estimates_[i].link(), static_cast<std::uint32_t>(i));
  }
}

LinkState FleetEstimates::state(LinkId link) const {
  const LinkEstimate* estimate = find(link);
  return estimate == nullptr ? LinkState::alive : estimate->state();
}

bool FleetEstimates::known(LinkId link, MonoTime now) const {
  const LinkEstimate* estimate = find(link);
  return estimate != nullptr && estimate->known(now, parameters_);
}

double FleetEstimates::fleet_loss_ratio() const {
  std::vector<double> ratios;
  ratios.reserve(estimates_.size());
  for (const LinkEstimate& estimate : estimates_) {
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
  beliefs.reserve(estimates_.size());
  for (const LinkEstimate& estimate : estimates_) {
    if (estimate.touched()) beliefs.push_back(estimate.belief(fleet, now, parameters_));
  }
  std::ranges::sort(beliefs, {}, &LinkBelief::link);
  return beliefs;
}

LinkBelief FleetEstimates::belief(LinkId link, MonoTime now) const {
  const LinkEstimate* found = find(link);
  if (found == nullptr) {
    LinkBelief unknown;
    unknown.link = link;
    unknown.stale = true;
    return unknown;
  }
  return found->belief(fleet_loss_ratio(), now, parameters_);
}

}  // namespace linkpilot::optimizer
