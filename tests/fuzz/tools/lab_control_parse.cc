#include <cstdint>
#include <string_view>

#include "tools/lab/control_codec.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  (void)linkpilot::lab::parse_control({reinterpret_cast<const char*>(data), size});
  return 0;
}
