#include "collector/notify/link_trails.h"

#include <algorithm>
#include <cmath>

namespace linkpilot::collector {

namespace {

constexpr double kPacketsMin = 3;  // to speak of loss at all

// Packets of this direction, sent and lost, as both ends counted them so far.
std::pair<double, double> direction_totals(LinkId link, const LinkHistories& histories) {
  double sent = 0;
  double lost = 0;
  if (const LinkHistory* near = histories.find(link)) {
    sent += static_cast<double>(near->sent);
    lost +=
        static_cast<double>(near->lost_forward) + 0.5 * static_cast<double>(near->lost_unplaced);
  }
  if (const LinkHistory* far = histories.find(link.reversed())) {
    const double unplaced = 0.5 * static_cast<double>(far->lost_unplaced);
    sent += static_cast<double>(far->sent) - static_cast<double>(far->lost_forward) - unplaced;
    lost += static_cast<double>(far->lost_backward) + unplaced;
  }
  return {sent, lost};
}

std::uint16_t packed(double value) {
  return static_cast<std::uint16_t>(std::lround(std::clamp(value, 0.0, 65'534.0)));
}

}  // namespace

LinkTrails::Point LinkTrails::point_of(Trail& trail, const optimizer::LinkBelief& belief,
                                       const LinkHistories& histories) {
  const auto [sent, lost] = direction_totals(belief.link, histories);
  const double new_sent = sent - trail.sent;
  const double new_lost = lost - trail.lost;
  const bool counted = trail.sent >= 0 && new_sent >= kPacketsMin && new_lost >= 0;
  trail.sent = sent;
  trail.lost = lost;
  Point point;
  if (belief.state == LinkState::dead) {
    point.loss = packed(10'000);
    return point;
  }
  if (belief.measured && !belief.stale) {
    point.rtt = packed(static_cast<double>(belief.rtt_p50.count()) * 1e-5);
  }
  if (counted) point.loss = packed(10'000 * std::min(1.0, new_lost / new_sent));
  return point;
}

void LinkTrails::look(const std::vector<optimizer::LinkBelief>& beliefs,
                      const LinkHistories& histories, Now now) {
  if (looked_ != MonoTime{} && now.mono - looked_ < kStep) return;
  looked_ = now.mono;
  const std::size_t slot = next_;
  next_ = (next_ + 1) % kPoints;
  times_[slot] = now.wall;
  for (auto& [link, trail] : trails_) trail.points[slot] = {};
  for (const optimizer::LinkBelief& belief : beliefs) {
    auto found = trails_.find(belief.link);
    if (found == trails_.end()) {
      if (trails_.size() >= kLinksMax) continue;
      found = trails_.try_emplace(belief.link).first;
    }
    found->second.points[slot] = point_of(found->second, belief, histories);
  }
  if (next_ != 0) return;
  std::erase_if(trails_, [](const auto& each) {  // links that left the fleet
    return std::all_of(
        each.second.points.begin(), each.second.points.end(),
        [](const Point& point) { return point.rtt == kUnknown && point.loss == kUnknown; });
  });
}

std::vector<TracePoint> LinkTrails::trail(LinkId link) const {
  std::vector<TracePoint> out;
  const auto found = trails_.find(link);
  if (found == trails_.end()) return out;
  for (std::size_t i = 0; i < kPoints; ++i) {
    const std::size_t slot = (next_ + i) % kPoints;
    const Point& point = found->second.points[slot];
    if (times_[slot].ns == 0 || (out.empty() && point.rtt == kUnknown && point.loss == kUnknown)) {
      continue;
    }
    out.push_back({times_[slot],
                   point.rtt == kUnknown ? -1.0F : static_cast<float>(point.rtt) / 10.0F,
                   point.loss == kUnknown ? -1.0F : static_cast<float>(point.loss) / 10'000.0F});
  }
  return out;
}

}  // namespace linkpilot::collector
