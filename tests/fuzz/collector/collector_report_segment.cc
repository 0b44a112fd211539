// What a crash, a power cut or a failing disk may leave where reports were.
#include <fmt/format.h>
#include <sys/mman.h>
#include <unistd.h>

#include <cstdint>
#include <cstdlib>
#include <vector>

#include "base/runtime/files.h"
#include "collector/store/report_segment.h"
#include "tests/fuzz/fuzz_target.h"

FUZZ_TARGET(collector_report_segment, data, size) {
  using namespace linkpilot;
  using namespace linkpilot::collector;
  MarkBook book;
  if (book.decode({data, size})) {
    MarkBook again;
    if (!again.decode(book.encode()) || again.encode() != book.encode()) std::abort();
  }
  static const UniqueFd file(::memfd_create("segment", MFD_CLOEXEC));
  if (!file || ::ftruncate(file.get(), 0) != 0) std::abort();
  if (::pwrite(file.get(), data, size, 0) != static_cast<ssize_t>(size)) std::abort();
  SegmentFile segment;
  segment.path = fmt::format("/proc/self/fd/{}", file.get());
  std::uint64_t read_octets = 0;
  const Result<SegmentScan> scan = scan_segment(
      segment, [](const RecordHead& head) { return head.row % 2 == 0; },
      [&](const SegmentRecord& record) {
        if (record.head.octets != record.payload.size()) std::abort();
        if (record.head.crc != crc_of(record.head, record.payload)) std::abort();
        read_octets += record_octets(record.payload.size());
        return true;
      });
  if (!scan || read_octets > size + 8) std::abort();
  return 0;
}
