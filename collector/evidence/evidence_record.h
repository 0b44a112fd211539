// EvidenceRecord: what the localiser knew at one moment, what its indices stand for, and what it
// made of it; enough to explain the diagnosis and to make it again. As text: one line of JSON with
// a version, numbers exact, so that a replay gives the same diagnosis to the last digit.
//
// Bounds: kEvidenceTextMax octets, kRecordFindingsMax findings (a record of more is cut, and says
// so), and every index is judged against what it points into before anything uses it. Unknown keys
// are skipped; a higher version is refused.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "base/time.h"
#include "collector/evidence/evidence_maker.h"
#include "optimizer/localise/localise.h"

namespace linkpilot::collector {

inline constexpr int kEvidenceVersion = 1;
inline constexpr std::size_t kEvidenceTextMax = std::size_t{8} << 20;
inline constexpr std::size_t kRecordFindingsMax = 100'000;
inline constexpr std::size_t kRecordGroupsMax = 1'024;  // regions, and ISPs

struct EvidenceRecord {
  std::string fault;                    // its id; may be empty
  std::string key;                      // and what it is about
  UnixNanos at;                         // when the diagnosis was made
  bool cut = false;                     // not all findings are here: a replay may differ
  std::vector<std::string> node_names;  // by dense index
  std::vector<std::string> regions;
  std::vector<std::string> isps;
  optimizer::Evidence evidence{optimizer::FleetShape{}};
  optimizer::LocaliseOptions options;
  std::vector<optimizer::Cause> causes;  // of the diagnosis, without their alternatives' names
  std::uint32_t doubtful = 0;
};

[[nodiscard]] EvidenceRecord record_evidence(const optimizer::Evidence& evidence,
                                             const optimizer::Diagnosis& diagnosis,
                                             const optimizer::LocaliseOptions& options,
                                             const FleetIndex& index, const NodeTable& nodes,
                                             UnixNanos at);

[[nodiscard]] std::string encode_evidence(const EvidenceRecord& record);
[[nodiscard]] Result<EvidenceRecord> decode_evidence(std::string_view text);

// The same causes, as told and as found again: kinds, members, effects, gains to a thousandth.
[[nodiscard]] bool same_diagnosis(const std::vector<optimizer::Cause>& a,
                                  const std::vector<optimizer::Cause>& b);

// Names for the indices of a record, as cause_text wants them.
struct RecordNames {
  FleetIndex index;
  NodeTable nodes;
};
[[nodiscard]] RecordNames names_of(const EvidenceRecord& record);

}  // namespace linkpilot::collector
