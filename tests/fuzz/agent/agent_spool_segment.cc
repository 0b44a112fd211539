// What a crash, a power cut or a failing disk may leave where a spool segment was.
#include <cstdint>
#include <cstdlib>

#include "agent/spool/spool_format.h"
#include "tests/fuzz/fuzz_target.h"

FUZZ_TARGET(agent_spool_segment, data, size) {
  using namespace linkpilot::agent;
  constexpr std::uint64_t kNumber = 7;
  const std::span<const std::uint8_t> bytes(data, size);
  const ScannedSegment segment = scan_segment(kNumber, bytes);
  if (segment.whole_bytes > size) std::abort();
  // What was read, written again, is what was there.
  std::vector<std::uint8_t> again;
  if (segment.is_segment) again = encode_segment_header(kNumber);
  for (const ScannedRecord& record : segment.records) {
    if (record.offset != again.size()) std::abort();
    if (record.kind == RecordKind::mark) {
      encode_mark(kNumber, mark_of(record), again);
    } else {
      encode_report(kNumber, record.id, record.payload, again);
    }
  }
  if (again.size() != segment.whole_bytes) std::abort();
  return 0;
}
