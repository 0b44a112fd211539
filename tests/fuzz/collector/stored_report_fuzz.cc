// What a damaged database may hold where a report was.
#include <cstdint>
#include <cstdlib>

#include "collector/store/blob_codec.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  constexpr std::size_t kOctetsMax = 1 << 16;
  const auto blob = linkpilot::collector::unpack_blob({data, size}, kOctetsMax);
  if (blob && blob->octets > kOctetsMax) std::abort();
  return 0;
}
