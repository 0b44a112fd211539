#include "collector/ingest/absences.h"

#include <algorithm>

namespace linkpilot::collector {

namespace {

bool is_lossy(const LinkSample& sample) {
  return sample.lost_forward > 0 || sample.lost_backward > 0 || sample.lost_unplaced > 0;
}

}  // namespace

Duration Absences::leave(NodeId node, Duration grace, MonoTime now) {
  const auto known = absences_.find(node);
  const MonoTime first = known == absences_.end() ? now : known->second.first_left_at;
  grace = std::min(grace, Duration(first + kInARowMax - now));
  if (grace <= Duration::zero()) return Duration::zero();
  Absence& absence = absences_[node];  // one that leaves again keeps what was held
  absence.first_left_at = first;
  absence.left_at = now;
  absence.until = now + grace;
  absence.came_back = false;
  absence.measured.clear();
  return grace;
}

bool Absences::back(NodeId node, MonoTime now) {
  const auto found = absences_.find(node);
  if (found == absences_.end() || found->second.came_back) return false;
  found->second.came_back = true;
  found->second.back_at = now;
  found->second.until = now + kSettle;
  return true;
}

void Absences::forget(NodeId node) {
  const auto found = absences_.find(node);
  if (found == absences_.end()) return;
  alarms_ -= found->second.alarms.size();
  absences_.erase(found);
}

bool Absences::holds(NodeId node, MonoTime now) const {
  const auto found = absences_.find(node);
  return found != absences_.end() && now < found->second.until;
}

// Of the end that was measured again least: an absence of either holds the link.
Absences::Absence* Absences::of(LinkId link, MonoTime now) {
  Absence* held = nullptr;
  for (const NodeId node : {link.from.node, link.to.node}) {
    const auto found = absences_.find(node);
    if (found == absences_.end() || now >= found->second.until) continue;
    if (held == nullptr || !found->second.came_back) held = &found->second;
  }
  return held;
}

bool Absences::hold(const Alarm& alarm, NodeId reporter, MonoTime now) {
  if (absences_.empty()) return false;
  Absence* const absence = of(alarm.link, now);
  if (absence == nullptr) return false;
  const auto key = std::make_pair(reporter, alarm.link);
  if (alarm.state == LinkState::alive) {
    alarms_ -= absence->alarms.erase(key);
    return false;  // good news needs nobody's patience
  }
  if (absence->came_back && absence->measured.contains(alarm.link)) return false;
  const auto known = absence->alarms.find(key);
  if (known != absence->alarms.end()) {
    known->second = alarm;
    return true;
  }
  if (alarms_ >= kAlarmsHeldMax) return false;
  absence->alarms.emplace(key, alarm);
  ++alarms_;
  return true;
}

bool Absences::admits(const LinkSample& sample, MonoTime start, MonoTime now) {
  Absence* const absence = of(sample.link, now);
  if (absence == nullptr) return true;
  if (is_lossy(sample)) {
    if (start + sample.length <= absence->left_at) return true;
    return absence->came_back && start >= absence->back_at &&
           absence->measured.contains(sample.link);
  }
  if (absence->came_back && sample.answered > 0 && start >= absence->back_at) {
    absence->measured.insert(sample.link);
    absence->measured.insert(sample.link.reversed());
  }
  return true;
}

std::vector<Absences::Ended> Absences::take_ended(MonoTime now) {
  std::vector<Ended> ended;
  for (auto it = absences_.begin(); it != absences_.end();) {
    Absence& absence = it->second;
    if (now < absence.until) {
      ++it;
      continue;
    }
    Ended& end = ended.emplace_back(Ended{it->first, absence.came_back, {}});
    for (const auto& [key, alarm] : absence.alarms) end.alarms.push_back({key.first, alarm});
    alarms_ -= absence.alarms.size();
    it = absences_.erase(it);
  }
  return ended;
}

}  // namespace linkpilot::collector
