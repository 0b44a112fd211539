// What a collector's store says of the reports that were sent to it.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "base/ids.h"
#include "base/result.h"
#include "tools/fleet/report_mill.h"

namespace linkpilot::fleet {

// One agent's: sequences 1 to `acked` of the epoch were acknowledged; the mill made them.
struct SentReports {
  NodeId node;
  std::uint64_t epoch = 0;
  std::uint64_t acked = 0;
  ReportMill* mill = nullptr;
};

struct StoreCheck {
  std::uint64_t reports = 0;
  std::uint64_t twice = 0;
  std::uint64_t missing = 0;  // between the oldest that is kept and the newest acknowledged
  std::uint64_t samples_compared = 0;
  bool reread_equal = false;  // those samples, drawn at random, are as they were sent
};
// `samples`: how many to compare.
[[nodiscard]] Result<StoreCheck> check_store(const std::vector<SentReports>& sent,
                                             const std::string& store_path, std::size_t samples);

}  // namespace linkpilot::fleet
