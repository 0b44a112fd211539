// Anything an enrolled agent may send, as often as it likes: nothing ends the collector, and
// nothing is acknowledged that was not stored. The first octet of the input says who speaks.
#include <algorithm>
#include <cstdlib>

#include "base/runtime/log.h"
#include "tests/fuzz/fuzz_target.h"
#include "tests/support/collector_fakes.h"

FUZZ_TARGET(collector_ingest, data, size) {
  using namespace linkpilot;
  using namespace linkpilot::collector;
  set_log_level(LogLevel::error);
  IngestBench bench;
  bench.hello("a", "x");
  bench.hello("b", "y");
  if (size == 0) return 0;
  const std::string key = data[0] % 2 == 0 ? "ka" : "kb";
  const std::string connection = data[0] % 3 == 0 ? "z" : key == "ka" ? "x" : "y";
  std::vector<std::uint64_t> words((size - 1 + 7) / 8);
  if (size > 1) std::copy_n(data + 1, size - 1, reinterpret_cast<std::uint8_t*>(words.data()));
  const std::span<const std::uint8_t> bytes(reinterpret_cast<const std::uint8_t*>(words.data()),
                                            words.size() * 8);
  bench.ingest.on_message({connection, key}, bytes, bench.now);
  bench.ingest.on_message({connection, key}, bytes, bench.now);
  bench.ingest.on_commit(bench.store.commit());
  if (bench.store.reports.size() > 1) std::abort();  // the same message twice
  for (const ReportAck& ack : bench.sent<ReportAck>(connection)) {
    if (bench.store.reports.empty() || ack.up_to.sequence > bench.store.reports[0].id.sequence) {
      std::abort();
    }
  }
  return 0;
}
