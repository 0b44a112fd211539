#include "prober/media/playback/player.h"

#include <algorithm>

namespace linkpilot::prober {
namespace {

double seconds_of(Duration duration) { return std::chrono::duration<double>(duration).count(); }

Duration lateness(MonoTime arrived, Duration at) { return (arrived - MonoTime{}) - at; }

}  // namespace

double PlayerReport::stall_ratio() const {
  const double whole = seconds_of(played + stalled);
  return whole <= 0 ? 0 : seconds_of(stalled) / whole;
}

double PlayerReport::stalls_per_100s() const {
  const double whole = seconds_of(played + stalled);
  return whole <= 0 ? 0 : 100.0 * stalls / whole;
}

double PlayerReport::stall_ms_per_100s() const { return stall_ratio() * 100'000.0; }

void VirtualPlayer::start(MonoTime arrived, Duration at) {
  const PlayerRule rule = report_.rule;
  report_ = {};
  report_.rule = rule;
  started_ = true;
  stalled_ = false;
  settled_ = !rule.live_edge;
  started_at_ = arrived;
  begin_ = at;
  frontier_ = at;
  least_lateness_ = lateness(arrived, at);
  offset_ = least_lateness_ + (rule.live_edge ? rule.margin : rule.start);
  begin_offset_ = offset_;
}

void VirtualPlayer::settle_live_edge() {
  settled_ = true;
  offset_ = least_lateness_ + report_.rule.margin;
  begin_offset_ = offset_;
}

void VirtualPlayer::arrive(MonoTime arrived, Duration at, Duration threshold) {
  if (!settled_) {
    if (arrived - started_at_ < kLiveEdgeWindow) {
      least_lateness_ = std::min(least_lateness_, lateness(arrived, at));
      offset_ = least_lateness_ + report_.rule.margin;
      frontier_ = std::max(frontier_, at);
      return;
    }
    settle_live_edge();
  }
  if (at <= frontier_) return;
  frontier_ = at;
  if (!stalled_ && arrived > due(at)) {
    stalled_ = true;
    stalled_since_ = due(at);
    needed_ = at;
  }
  if (stalled_ && frontier_ - needed_ >= report_.rule.resume) {
    stalled_ = false;
    count(report_, {.start = stalled_since_, .length = arrived - stalled_since_}, threshold);
    offset_ = lateness(arrived, needed_);
  }
}

void VirtualPlayer::count(PlayerReport& report, const Stall& stall, Duration threshold) {
  if (stall.length < threshold) {
    report.short_total += stall.length;
    return;
  }
  ++report.stalls;
  report.stalled += stall.length;
  report.longest = std::max(report.longest, stall.length);
  if (report.list.size() < PlayerReport::kStallsMax) report.list.push_back(stall);
}

Duration VirtualPlayer::buffered(MonoTime now) const {
  if (!started_) return Duration(0);
  if (stalled_) return Duration(0);
  return std::max(Duration(0), due(frontier_) - std::max(now, due(begin_)));
}

PlayerReport VirtualPlayer::report(MonoTime now, Duration step, Duration threshold) const {
  PlayerReport report = report_;
  if (!started_) return report;
  const MonoTime next_due = stalled_ ? stalled_since_ : due(frontier_ + step);
  if (now > next_due) {
    const Stall open{.start = next_due, .length = now - next_due, .open = true};
    count(report, open, threshold);
  }
  // A live-edge player skips what a burst brought, so it begins no earlier than the first frame
  // came.
  const MonoTime play_began = std::max(started_at_, MonoTime{} + (begin_ + begin_offset_));
  report.played = std::max(Duration(0), (now - play_began) - report.stalled - report.short_total);
  return report;
}

}  // namespace linkpilot::prober
