// What an agent has put into its spool, read from its files: the test's own account, against which
// the collector's is held. Acknowledged reports stay there for ten minutes.
#pragma once

#include <algorithm>
#include <filesystem>
#include <map>
#include <string>
#include <vector>

#include "agent/spool/spool_format.h"
#include "base/runtime/files.h"

namespace linkpilot::test {

using SpoolLedger = std::map<ReportId, std::vector<std::uint8_t>>;

// Adds every whole report; what the agent is just writing is seen the next time.
inline void read_spool(const std::string& directory, SpoolLedger& ledger) {
  std::error_code error;
  for (std::filesystem::directory_iterator it(directory, error), end; !error && it != end;
       it.increment(error)) {
    const std::string name = it->path().filename().string();
    if (!name.ends_with(".segment")) continue;
    const auto bytes = read_file(it->path().string(), std::size_t{64} << 20);
    if (!bytes) continue;
    const auto segment = agent::scan_segment(std::stoull(name, nullptr, 16), *bytes);
    for (const agent::ScannedRecord& record : segment.records) {
      if (record.kind != agent::RecordKind::report) continue;
      ledger[record.id].assign(record.payload.begin(), record.payload.end());
    }
  }
}

}  // namespace linkpilot::test
