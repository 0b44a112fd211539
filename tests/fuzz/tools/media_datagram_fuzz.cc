// Datagrams from the network, as a media process of the demo meets them.
#include <cstddef>
#include <cstdint>

#include "base/assert.h"
#include "tests/fuzz/fuzz_target.h"
#include "tools/media/datagram.h"
#include "tools/media/forwarding.h"

using namespace linkpilot;

FUZZ_TARGET(media_datagram_fuzz, data, size) {
  const auto datagram = media::parse({data, size});
  if (!datagram) return 0;
  const auto again = media::parse(media::encode(*datagram));
  LP_ASSERT(again.has_value() && *again == *datagram);
  const media::Action action = media::advance(*datagram, datagram->addressee());
  if (action.fate == media::Fate::forwarded) {
    LP_ASSERT(action.datagram.hop_budget < datagram->hop_budget);
    LP_ASSERT(media::parse(media::encode(action.datagram)).has_value());
  }
  return 0;
}
