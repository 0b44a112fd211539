#include "collector/ingest/report_dedup.h"

#include <algorithm>
#include <iterator>

#include "base/assert.h"

namespace linkpilot::collector {

void ReportDedup::close_up(Epoch& epoch) {
  auto next = epoch.ahead.begin();
  while (next != epoch.ahead.end() && *next == epoch.mark.high + 1) {
    epoch.mark.high = *next;
    next = epoch.ahead.erase(next);
  }
}

void ReportDedup::restore(const EpochMark& mark, const std::vector<std::uint64_t>& ahead,
                          MonoTime now) {
  Epoch& epoch = epochs_[mark.epoch];
  epoch.mark = mark;
  epoch.used = now;
  for (const std::uint64_t sequence : ahead) {
    if (sequence > mark.high && epoch.ahead.size() < kAheadMax) epoch.ahead.insert(sequence);
  }
  close_up(epoch);
  if (!epoch.ahead.empty()) epoch.gap_since = now;
}

ReportDedup::Verdict ReportDedup::judge(ReportId id, std::uint64_t spool_dropped, MonoTime now) {
  LP_ASSERT(id.sequence > 0);
  const Epoch& epoch = open(id, spool_dropped, now);
  if (id.sequence <= epoch.mark.high || epoch.ahead.contains(id.sequence))
    return Verdict::duplicate;
  if (id.sequence != epoch.mark.high + 1 && epoch.ahead.size() >= kAheadMax) {
    return Verdict::too_far_ahead;
  }
  return Verdict::fresh;
}

// An epoch not seen before starts at its first report: on one connection reports come in order, and
// what the agent has kept of older ones is not asked for. What it dropped so far was older too.
ReportDedup::Epoch& ReportDedup::open(ReportId id, std::uint64_t spool_dropped, MonoTime now) {
  const auto found = epochs_.find(id.epoch);
  if (found != epochs_.end()) return found->second;
  if (epochs_.size() >= kEpochsMax) {
    epochs_.erase(std::min_element(
        epochs_.begin(), epochs_.end(),
        [](const auto& a, const auto& b) { return a.second.used < b.second.used; }));
  }
  Epoch& epoch = epochs_[id.epoch];
  epoch.mark.epoch = id.epoch;
  epoch.mark.high = id.sequence - 1;
  epoch.mark.skipped = spool_dropped;
  epoch.used = now;
  return epoch;
}

ReportDedup::Judgement ReportDedup::take(ReportId id, std::uint64_t spool_dropped, MonoTime now) {
  LP_ASSERT(id.sequence > 0);
  Epoch& epoch = open(id, spool_dropped, now);
  epoch.used = now;
  Judgement out;
  epoch.ahead.insert(id.sequence);
  close_up(epoch);
  if (epoch.ahead.empty()) {
    epoch.gap_since.reset();
  } else {
    const std::uint64_t missing = *epoch.ahead.begin() - epoch.mark.high - 1;
    const bool declared = epoch.mark.skipped + missing <= spool_dropped;
    if (!epoch.gap_since) epoch.gap_since = now;
    if (declared || now - *epoch.gap_since >= kGapPatience) {
      if (!declared) out.gap_lost = missing;
      epoch.mark.skipped += missing;
      epoch.mark.high += missing;
      close_up(epoch);
      epoch.gap_since.reset();
      if (!epoch.ahead.empty()) epoch.gap_since = now;
    }
  }
  out.mark = epoch.mark;
  return out;
}

void ReportDedup::give_up(ReportId up_to, std::uint64_t spool_dropped, MonoTime now) {
  Epoch& epoch = open({up_to.epoch, up_to.sequence + 1}, spool_dropped, now);
  epoch.used = now;
  if (up_to.sequence <= epoch.mark.high) return;
  const auto beyond = epoch.ahead.upper_bound(up_to.sequence);
  const auto came = static_cast<std::uint64_t>(std::distance(epoch.ahead.begin(), beyond));
  epoch.mark.skipped += up_to.sequence - epoch.mark.high - came;
  epoch.mark.high = up_to.sequence;
  epoch.ahead.erase(epoch.ahead.begin(), beyond);
  close_up(epoch);
  epoch.gap_since.reset();
  if (!epoch.ahead.empty()) epoch.gap_since = now;
}

std::optional<EpochMark> ReportDedup::mark(std::uint64_t epoch) const {
  const auto found = epochs_.find(epoch);
  if (found == epochs_.end()) return std::nullopt;
  return found->second.mark;
}

}  // namespace linkpilot::collector
