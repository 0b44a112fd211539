// Anything a node may write to its device: parsed, changed and answered as the emulator does.
#include <cstdint>
#include <vector>

#include "tests/fuzz/fuzz_target.h"
#include "tools/lab/packet.h"
#include "tools/lab/topology.h"

FUZZ_TARGET(lab_packet_parse, data, size) {
  using namespace linkpilot::lab;
  std::vector<std::uint8_t> bytes(data, data + size);
  const auto fields = parse_packet(bytes);
  if (!fields) return 0;
  (void)choose_flow(*fields, 4);
  (void)node_of_address(fields->destination, 14);
  for (const IcmpError error : {IcmpError::time_exceeded, IcmpError::packet_too_big}) {
    const auto router = hop_address(fields->version == 6, 1, 2, 3, 6);
    const auto answer = make_icmp_error(error, router, bytes, *fields, 1300);
    if (answer && !parse_packet(*answer)) __builtin_trap();
  }
  if (fields->ttl > 3) lower_ttl(bytes, 3);
  return 0;
}
