// Writes FLV (Adobe FLV 10.1, annex E): the file header and whole tags, appended to a byte vector
// the caller empties. Plain functions.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "prober/media/flv/flv_demuxer.h"
#include "prober/media/tag_sink.h"

namespace linkpilot::prober {

// One audio, video or script tag in memory: what the synthetic stream makes and a carrier sends.
struct OwnedTag {
  TagType type = TagType::script;
  std::uint32_t timestamp_ms = 0;
  std::vector<std::uint8_t> body;  // at most 0xffffff octets
};

// Nine octets and PreviousTagSize0.
void append_flv_header(FlvFlags flags, std::vector<std::uint8_t>& out);

// Header, body, PreviousTagSize. A body of more than 0xffffff octets is a programming mistake.
void append_flv_tag(const OwnedTag& tag, std::vector<std::uint8_t>& out);

// The parts of append_flv_tag, for a carrier's tags that pass through to a file: the 11 octets
// before a body of `tag.octets`, and the 4 behind it.
void append_flv_tag_header(const TagHeader& tag, std::vector<std::uint8_t>& out);
void append_flv_tag_trailer(const TagHeader& tag, std::vector<std::uint8_t>& out);

}  // namespace linkpilot::prober
