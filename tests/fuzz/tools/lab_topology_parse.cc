#include <cstdint>
#include <string_view>

#include "tests/fuzz/fuzz_target.h"
#include "tools/lab/topology_file.h"

FUZZ_TARGET(lab_topology_parse, data, size) {
  (void)linkpilot::lab::parse_topology({reinterpret_cast<const char*>(data), size}, "fuzz");
  return 0;
}
