// Whether an answer is about a probe of ours, and which. Pure.
//
// A source NAT changes addresses, ports, the echo identifier and checksums of what is quoted, so
// they may differ, and are a note if they do. What it leaves alone must fit: the identification,
// the protocol, the destination, lengths, and the token wherever the quote reaches so far. Only
// with the whole token quoted may the destination differ (NAT in front of it).
#pragma once

#include <cstdint>
#include <optional>
#include <span>

#include "prober/path/answer.h"
#include "prober/path/probe_packet.h"

namespace linkpilot::prober {

// The sequence an answer claims to be about; `next` is the number of the next probe. What it claims
// is then looked up and judged by `fits`.
[[nodiscard]] std::optional<std::uint32_t> claimed_sequence(const PathAnswer& answer,
                                                            const ProbeIds& ids,
                                                            std::uint32_t next);

struct Fit {
  bool ours = false;
  bool nat = false;  // addresses, ports or checksum are not what was sent
};
// `octets`: the size of the probe as sent.
[[nodiscard]] Fit fits(const PathAnswer& answer, const PathFlow& flow, std::uint32_t sequence,
                       std::size_t octets, const ProbeIds& ids);

}  // namespace linkpilot::prober
