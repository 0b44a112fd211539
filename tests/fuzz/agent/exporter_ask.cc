// What anybody on this host may send the exporter: a request head, whole.
#include <cstddef>
#include <cstdint>
#include <string_view>

#include "agent/exporter/ask.h"
#include "base/assert.h"
#include "tests/fuzz/fuzz_target.h"

FUZZ_TARGET(exporter_ask, data, size) {
  using namespace linkpilot;
  using namespace linkpilot::agent;
  const Ask ask = read_ask({reinterpret_cast<const char*>(data), size});
  if (ask.kind == AskKind::refused) {
    LP_ASSERT(ask.status >= 400 && !ask.words.empty());
  } else if (ask.kind == AskKind::dial) {
    LP_ASSERT(!ask.target.empty() && ask.target.size() <= size);
    LP_ASSERT(!ask.patience ||
              (*ask.patience >= Duration(0) && *ask.patience <= std::chrono::hours(1)));
  }
  return 0;
}
