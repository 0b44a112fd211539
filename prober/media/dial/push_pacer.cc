#include "prober/media/dial/push_pacer.h"

#include <algorithm>

namespace linkpilot::prober {

void PushPacer::begin(MonoTime at) {
  if (began_) {
    feeder_.begin_anew();
  } else {
    began_ = at;
  }
  origin_ = at - feeder_.due();
  waiting_since_.reset();
}

std::optional<OwnedTag> PushPacer::take_due(Now now) {
  if (!began_) return std::nullopt;
  const MonoTime due = origin_ + feeder_.due();
  if (now.mono < due) return std::nullopt;
  report.late_max = std::max(report.late_max, now.mono - due);
  return feeder_.next(now.wall);
}

void PushPacer::note(std::optional<std::size_t> queued) {
  if (!queued) {
    ++report.tags_left_out;
    return;
  }
  ++report.tags;
  report.octets += *queued;
}

void PushPacer::on_offered(std::size_t taken, std::size_t left, MonoTime now) {
  if (taken > 0) moved_at_ = now;
  if (waiting_since_) report.queue_max = std::max(report.queue_max, now - *waiting_since_);
  if (left == 0) {
    waiting_since_.reset();
  } else if (!waiting_since_) {
    waiting_since_ = now;
    moved_at_ = now;
  }
}

bool PushPacer::is_stuck(MonoTime now) const {
  return waiting_since_ && now - moved_at_ > kStuckAfter;
}

std::optional<MonoTime> PushPacer::next_wakeup() const {
  if (!began_) return std::nullopt;
  return origin_ + feeder_.due();
}

}  // namespace linkpilot::prober
