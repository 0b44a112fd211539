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
  if (found != LinkIndex::kNone) return found;
  if (entries_.size() >= links_max_) {
    ++refused_;
    return kNone;
  }
  const auto place = static_cast<std::uint32_t>(entries_.size());
  entries_.push_back({LinkEstimate(link), kNone});
  index_.add(link, place);
  return place;
}

const FleetEstimates::Entry* FleetEstimates::find(LinkId link) const {
  const std::uint32_t place = index_.find(link);
  return place == LinkIndex::kNone ? nullptr : &entries_[place];
}

void FleetEstimates::expect(LinkId link) const {
  const Entry* entry = find(link);
  if (entry == nullptr) return;
  entry->estimate.prefetch();
  if (entry->reversed != kNone) entries_[entry->reversed].estimate.prefetch();
}

bool FleetEstimates::fold(const LinkSample& sample, MonoTime at) {
  const std::uint32_t forward = find_or_create(sample.link);
  if (forward == kNone) return false;
  std::uint32_t backward = entries_[forward].reversed;
  entries_[forward].estimate.fold(sample, LinkEnd::near, at, parameters_);
  if (backward == kNone) {
    backward = find_or_create(sample.link.reversed());
    if (backward == kNone) return false;
    entries_[forward].reversed = backward;
    entries_[backward].reversed = forward;
  }
  entries_[backward].estimate.fold(sample, LinkEnd::far, at, parameters_);
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
  LinkEstimate& link = entries_[place].estimate;
  const LinkState before = link.state();
  link.apply(alarm, near ? LinkEnd::near : LinkEnd::far, at, parameters_);
  return link.state() != before;
}

void FleetEstimates::agent_restarted(NodeId node) {
  for (Entry& entry : entries_) {
    const LinkId link = entry.estimate.link();
    if (link.from.node == node) entry.estimate.forget_word(LinkEnd::near);
    if (link.to.node == node) entry.estimate.forget_word(LinkEnd::far);
  }
}

void FleetEstimates::forget(NodeId node) {
  std::erase_if(entries_, [node](const Entry& entry) {
    const LinkId link = entry.estimate.link();
    return link.from.node == node || link.to.node == node;
  });
  index_.clear();
  for (std::size_t i = 0; i < entries_.size(); ++i) {
    entries_[i].reversed = kNone;
    index_.add(entries_[i].estimate.link(), static_cast<std::uint32_t>(i));
  }
}

LinkState FleetEstimates::state(LinkId link) const {
  const Entry* entry = find(link);
  return entry == nullptr ? LinkState::alive : entry->estimate.state();
}

bool FleetEstimates::known(LinkId link, MonoTime now) const {
  const Entry* entry = find(link);
  return entry != nullptr && entry->estimate.known(now, parameters_);
}

double FleetEstimates::fleet_loss_ratio() const {
  std::vector<double> ratios;
  ratios.reserve(entries_.size());
  for (const Entry& entry : entries_) {
    const double ratio = entry.estimate.own_loss_ratio(parameters_);
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
  beliefs.reserve(entries_.size());
  for (const Entry& entry : entries_) {
    beliefs.push_back(entry.estimate.belief(fleet, now, parameters_));
  }
  std::ranges::sort(beliefs, {}, &LinkBelief::link);
  return beliefs;
}

LinkBelief FleetEstimates::belief(LinkId link, MonoTime now) const {
  const Entry* found = find(link);
  if (found == nullptr) {
    LinkBelief unknown;
    unknown.link = link;
    unknown.stale = true;
    return unknown;
  }
  return found->estimate.belief(fleet_loss_ratio(), now, parameters_);
}

}  // namespace linkpilot::optimizer
