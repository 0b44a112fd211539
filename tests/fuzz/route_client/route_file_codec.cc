// Whatever decodes must encode again, and come back the same.
#include <cstdint>
#include <cstring>
#include <vector>

#include "schemas/route_file.h"
#include "schemas/route_file_codec.h"
#include "tests/fuzz/fuzz_target.h"

FUZZ_TARGET(route_file_codec, data, size) {
  if (size > (std::size_t{1} << 16)) return 0;
  std::vector<std::uint8_t> octets(data, data + size);
  std::uint64_t total = 0;
  if (size >= sizeof(lp_route_header)) std::memcpy(&total, octets.data() + 16, sizeof total);
  if (total >= sizeof(lp_route_header) && total <= size && total % 8 == 0) {
    const std::uint64_t digest = lp_route_digest(octets.data(), total);
    std::memcpy(octets.data() + LP_ROUTE_DIGEST_OFFSET, &digest, sizeof digest);
  }
  const auto table = linkpilot::schemas::decode_route_file(octets);
  if (!table) return 0;
  const auto body = linkpilot::schemas::encode_route_file(*table);
  if (!body || linkpilot::schemas::decode_route_file(*body) != table) __builtin_trap();
  return 0;
}
