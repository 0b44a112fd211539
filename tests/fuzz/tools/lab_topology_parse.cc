#include <cstdint>
#include <string_view>

#include "tools/lab/topology_file.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  (void)linkpilot::lab::parse_topology({reinterpret_cast<const char*>(data), size}, "fuzz");
  return 0;
}
