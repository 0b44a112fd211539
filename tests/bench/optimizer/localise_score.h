// How the `localise` bench scores reported against planted causes, and the simple judges that run
// on the same evidence for comparison.
#pragma once

#include <array>
#include <cstdint>
#include <vector>

#include "tests/bench/optimizer/localise_cases.h"

namespace linkpilot::bench {

inline constexpr std::size_t kKinds = optimizer::kCauseKinds;

struct Tally {
  std::uint32_t cases = 0;
  std::uint32_t exact = 0;  // cases with nothing missed and nothing false
  std::uint32_t planted = 0;
  std::uint32_t found = 0;
  std::uint32_t reported = 0;
  std::uint32_t right = 0;
  std::uint32_t overlapped = 0;  // planted ones that some report touches ...
  std::uint32_t kind_right = 0;  // ... and whose nearest report is of its kind
  std::uint32_t sick = 0;        // agents made sick so that it can be seen by somebody
  std::uint32_t sick_found = 0;
  std::uint32_t false_when_quiet = 0;  // reports in cases without a fault
  std::array<std::uint32_t, kKinds> planted_by{};
  std::array<std::uint32_t, kKinds> found_by{};
  std::array<std::uint32_t, kKinds> reported_by{};
  std::array<std::uint32_t, kKinds> right_by{};
  std::array<std::array<std::uint32_t, kKinds + 1>, kKinds> confusion{};  // last column: missed

  [[nodiscard]] double precision() const {
    return reported == 0 ? 1.0 : static_cast<double>(right) / reported;
  }
  [[nodiscard]] double recall() const {
    return planted == 0 ? 1.0 : static_cast<double>(found) / planted;
  }
  [[nodiscard]] double kind_accuracy() const {
    return overlapped == 0 ? 1.0 : static_cast<double>(kind_right) / overlapped;
  }
};

// `reported` in order of strength. A report is right if it names a planted cause, or one with the
// same footprint. Naming an agent that was made sick is neither right nor wrong; it is counted in
// `sick_found`.
void score(const Case& one, const std::vector<CauseId>& reported, Tally& tally);

// Every link above 2 % or 15 ms.
[[nodiscard]] std::vector<CauseId> judge_by_thresholds(const Evidence& evidence);
// Nodes most of whose row and column are bad, then links.
[[nodiscard]] std::vector<CauseId> judge_by_rows(const Evidence& evidence);
// 007 (NSDI 2018): each bad link gives every component on its way an equal share of a vote; the
// component with most is blamed and its links leave, until none has 1 % of the votes.
[[nodiscard]] std::vector<CauseId> judge_by_votes(const Evidence& evidence);

}  // namespace linkpilot::bench
