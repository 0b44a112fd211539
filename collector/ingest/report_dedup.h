// Counts every report once, whatever is sent again: dedup on (agent, epoch, sequence), and what may
// be acknowledged. Pure; one per agent.
//
// Sequences of an epoch count up from 1 without gaps, so the state is a high-water mark plus the
// few that came early. A gap is closed by the missing reports; by the agent's word that it dropped
// them
// (`spool_dropped` counts all that it ever dropped) or never used their numbers (ReportsGone); or,
// lest the agent's window stays shut for ever, by time (kGapPatience), and is then told. Bounds:
// kEpochsMax epochs, kAheadMax early reports of each.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <set>
#include <vector>

#include "base/report.h"
#include "base/time.h"

namespace linkpilot::collector {

// What the store keeps of one epoch.
struct EpochMark {
  std::uint64_t epoch = 0;
  std::uint64_t high = 0;     // all sequences up to here were taken or are gone for good
  std::uint64_t skipped = 0;  // those of them that never came
  friend bool operator==(const EpochMark&, const EpochMark&) = default;
};

class ReportDedup {
 public:
  static constexpr std::size_t kEpochsMax = 16;
  static constexpr std::uint64_t kAheadMax = 1024;
  static constexpr Duration kGapPatience = std::chrono::seconds(30);

  enum class Verdict : std::uint8_t { fresh, duplicate, too_far_ahead };
  struct Judgement {
    Verdict verdict = Verdict::fresh;
    EpochMark mark;              // after this report; `high` may be acknowledged once it is durable
    std::uint64_t gap_lost = 0;  // sequences given up with this report without the agent's word
  };

  // Restores what was durable: a mark, and sequences above it that are stored.
  void restore(const EpochMark& mark, const std::vector<std::uint64_t>& ahead, MonoTime now);

  // Judges without taking; the first look at an epoch opens it there, so that a report which could
  // not be taken is still waited for. `sequence` > 0.
  [[nodiscard]] Verdict judge(ReportId id, std::uint64_t spool_dropped, MonoTime now);
  // Takes a report that `judge` called fresh.
  Judgement take(ReportId id, std::uint64_t spool_dropped, MonoTime now);

  // The agent's word that what is missing up to here will not come.
  void give_up(ReportId up_to, std::uint64_t spool_dropped, MonoTime now);

  [[nodiscard]] std::optional<EpochMark> mark(std::uint64_t epoch) const;

 private:
  struct Epoch {
    EpochMark mark;
    std::set<std::uint64_t> ahead;  // taken, above mark.high + 1
    std::optional<MonoTime> gap_since;
    MonoTime used;
  };
  static void close_up(Epoch& epoch);
  Epoch& open(ReportId id, std::uint64_t spool_dropped, MonoTime now);

  std::map<std::uint64_t, Epoch> epochs_;
};

}  // namespace linkpilot::collector
