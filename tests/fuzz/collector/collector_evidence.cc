// A file of evidence that somebody wrote: refused, or read, explained and written again the same.
#include <cstdint>
#include <cstdlib>
#include <string_view>

#include "collector/evidence/diagnosis_causes.h"
#include "collector/evidence/evidence_record.h"
#include "tests/fuzz/fuzz_target.h"

FUZZ_TARGET(collector_evidence, data, size) {
  using namespace linkpilot::collector;
  const auto record = decode_evidence({reinterpret_cast<const char*>(data), size});
  if (!record) return 0;
  const std::string text = encode_evidence(*record);
  const auto again = decode_evidence(text);
  if (!again || encode_evidence(*again) != text) std::abort();
  // What is quadratic in groups takes its time on the largest ones.
  if (record->regions.size() > 64 || record->isps.size() > 64 || record->node_names.size() > 256) {
    return 0;
  }
  const RecordNames names = names_of(*record);
  for (const auto& cause :
       linkpilot::optimizer::localise(record->evidence, record->options).causes) {
    (void)cause_text(cause.id, record->evidence, names.index, names.nodes);
  }
  for (const auto& cause : record->causes) {
    (void)cause_text(cause.id, record->evidence, names.index, names.nodes);
  }
  return 0;
}
