#include <cstdint>
#include <string_view>

#include "tests/fuzz/fuzz_target.h"
#include "tools/lab/control_codec.h"

FUZZ_TARGET(lab_control_parse, data, size) {
  (void)linkpilot::lab::parse_control({reinterpret_cast<const char*>(data), size});
  return 0;
}
