// What a damaged database may hold where a fault was: refused, or read and written again the same.
#include <cstdint>
#include <cstdlib>
#include <string_view>

#include "collector/faults/fault_codec.h"
#include "tests/fuzz/fuzz_target.h"

FUZZ_TARGET(collector_fault_codec, data, size) {
  using namespace linkpilot::collector;
  const auto fault = decode_fault({reinterpret_cast<const char*>(data), size});
  if (!fault) return 0;
  if (fault->links.size() > kFaultLinksKept || fault->members.size() > kFaultMembersMax)
    std::abort();
  const std::string text = encode_fault(*fault);
  const auto again = decode_fault(text);
  if (text.size() <= kFaultTextMax && (!again || encode_fault(*again) != text)) std::abort();
  return 0;
}
