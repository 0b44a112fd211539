// Link samples as octets without gaps: what Report.packedLinks of measurement.capnp holds. A sample
// with a sketch of a dozen cells takes about 75 octets, as a Cap'n Proto struct 216; whatever
// touches an octet (encryption, socket, disk, the agent's line) costs a third.
//
// The form, in order; all numbers are LEB128 varints of up to 64 bits, "signed" ones zigzag, sums
// and differences modulo 2^64. The count of samples, then of each sample:
//   flags: 1 same near port as the sample before, 2 same length, interval, flows and method,
//     4 TWAMP-Light peer, 8 troubles, 16 forward delay, 32 backward delay, 64 IPDV; others: refused
//   unless 1: from node * 8 + from port
//   to node less the one before, signed, * 8 + to port
//   start less the start before (the first: less the report's `created`), signed
//   unless 2: length, probe interval, flows * 4 + method
//   sent; answered less sent, signed
//   if 8: late, lost forward, backward, unplaced, duplicate forward, backward, reordered forward,
//     backward, missed by us, local send error
//   RTT min; max less min, signed; sum less min * answered, signed
//   cells of the sketch; of each: bucket less the one before (the first: the bucket), count
//   if 16, and again if 32: count less answered, signed; min, signed; sum less min * count, signed;
//     error less that of the sample before, signed
//   if 64: count less answered, signed; sum
// New fields need a new Data field beside `packedLinks`, or flags that old readers refuse.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "base/link_sample.h"
#include "base/time.h"

namespace linkpilot::schemas {

// Appends to `out`. At most kReportLinksMax samples.
void pack_samples(std::span<const LinkSample> samples, UnixNanos created,
                  std::vector<std::uint8_t>& out);

// Replaces what `samples` holds and uses its memory again. Nothing packed: no samples. Throws
// MessageError (wire_values.h) at the first wrong value, before it allocates for it.
void unpack_samples(std::span<const std::uint8_t> packed, UnixNanos created,
                    std::vector<LinkSample>& samples);

}  // namespace linkpilot::schemas
