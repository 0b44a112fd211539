// Any octets as AMF0: reading is bounded, and what was read is written and read again the same.
#include <cstdint>
#include <cstdlib>
#include <vector>

#include "prober/media/rtmp/amf0.h"
#include "tests/fuzz/fuzz_target.h"

namespace {

using namespace linkpilot::rtmp;

bool has_amf3(const AmfValue& value) {
  if (value.type == AmfType::amf3) return true;
  for (const AmfMember& member : value.members) {
    if (has_amf3(member.value)) return true;
  }
  return false;
}

std::size_t count(const AmfValue& value) {
  std::size_t total = 1;
  for (const AmfMember& member : value.members) total += count(member.value);
  return total;
}

}  // namespace

FUZZ_TARGET(rtmp_amf_fuzz, data, size) {
  const std::span<const std::uint8_t> bytes(data, size);
  AmfReader reader(bytes);
  std::size_t values = 0;
  while (!reader.at_end()) {
    const auto value = reader.next();
    if (!value) break;
    values += count(*value);
    require(values <= AmfLimits{}.items);
    if (has_amf3(*value)) continue;
    std::vector<std::uint8_t> written;
    AmfWriter(written).value(*value);
    const auto again = AmfReader(written).next();
    require(again && *again == *value);
  }
  (void)read_command(bytes, CommandForm::amf0);
  (void)read_command(bytes, CommandForm::amf3_envelope);
  return 0;
}
