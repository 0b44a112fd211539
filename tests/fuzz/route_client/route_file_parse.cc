// The C check of a route file, and then what a look-up library may do with what it passed: follow
// every offset. The digest is made to fit, or no change would get past it.
#include <cstdint>
#include <cstring>
#include <vector>

#include "schemas/route_file_check.h"
#include "tests/fuzz/fuzz_target.h"

namespace {

std::uint64_t touch_text(const lp_route_view& view, lp_route_text text) {
  std::uint64_t sum = 0;
  for (std::uint32_t i = 0; i <= text.length; ++i) {
    sum += static_cast<unsigned char>(view.strings[text.offset + i]);
  }
  return sum;
}

std::uint64_t touch_all(const lp_route_view& view) {
  std::uint64_t sum = 0;
  for (std::uint32_t i = 0; i < view.node_count; ++i) {
    const lp_route_node& node = view.nodes[i];
    sum += touch_text(view, node.name) + touch_text(view, node.region);
    sum += touch_text(view, node.media_base);
    for (int port = 0; port < node.port_count; ++port)
      sum += touch_text(view, node.addresses[port]);
    const lp_route_target& target = view.targets[view.numbers[node.id] - 1];
    if (target.node != node.id) __builtin_trap();
    for (std::uint32_t c = 0; c < target.push_count; ++c) {
      sum += view.candidates[target.push_first + c].cost_us;
    }
    for (std::uint32_t c = 0; c < target.pull_count; ++c) {
      sum += view.candidates[target.pull_first + c].cost_us;
    }
  }
  for (std::uint32_t i = 0; i < view.dropped_count; ++i) {
    sum += touch_text(view, view.dropped[i].reason);
  }
  return sum;
}

}  // namespace

FUZZ_TARGET(route_file_parse, data, size) {
  if (size > (std::size_t{1} << 16)) return 0;
  // Exactly as many octets as there are, so that a read behind them is seen.
  std::vector<std::uint8_t> octets(data, data + size);
  if (size >= sizeof(lp_route_header)) {
    std::uint64_t total;
    std::memcpy(&total, octets.data() + 16, sizeof total);
    if (total <= size && total % 8 == 0 && total >= sizeof(lp_route_header)) {
      const std::uint64_t digest = lp_route_digest(octets.data(), total);
      std::memcpy(octets.data() + LP_ROUTE_DIGEST_OFFSET, &digest, sizeof digest);
    }
  }
  lp_route_view view;
  const lp_route_verdict verdict = lp_route_file_check(octets.data(), octets.size(), &view);
  if (verdict.fault == LP_ROUTE_FAULT_NONE) {
    volatile std::uint64_t sum = touch_all(view);
    static_cast<void>(sum);
  }
  return lp_route_fault_text(verdict.fault) == nullptr;
}
