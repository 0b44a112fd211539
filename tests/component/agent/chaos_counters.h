// What chaos_reader counts, in a file that both it and the test map.
#pragma once

#include <cstdint>

namespace linkpilot::test {

struct ChaosCounters {
  volatile std::uint64_t lookups;
  volatile std::uint64_t found;
  volatile std::uint64_t failed;  // neither found nor dropped with a reason, once one was found
  volatile std::uint64_t torn;    // table files that were refused
};

}  // namespace linkpilot::test
