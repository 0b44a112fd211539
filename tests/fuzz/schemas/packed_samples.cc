// Any octets as packed samples: refused, or samples that survive their own bytes.
#include "schemas/packed_samples.h"

#include <cstdlib>

#include "schemas/wire_values.h"
#include "tests/fuzz/fuzz_target.h"

FUZZ_TARGET(packed_samples, data, size) {
  using namespace linkpilot;
  constexpr UnixNanos kCreated{1'800'000'000'000'000'000};
  std::vector<LinkSample> samples;
  try {
    schemas::unpack_samples({data, size}, kCreated, samples);
  } catch (const schemas::MessageError&) {
    return 0;
  }
  std::vector<std::uint8_t> again;
  schemas::pack_samples(samples, kCreated, again);
  std::vector<LinkSample> back;
  schemas::unpack_samples(again, kCreated, back);
  if (back != samples) std::abort();
  return 0;
}
