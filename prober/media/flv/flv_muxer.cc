#include "prober/media/flv/flv_muxer.h"

#include "base/assert.h"

namespace linkpilot::prober {
namespace {

constexpr std::uint32_t kBodyOctetsMax = 0xffffff;

void append_number(std::uint32_t value, unsigned octets, std::vector<std::uint8_t>& out) {
  for (unsigned i = octets; i-- > 0;) out.push_back(static_cast<std::uint8_t>(value >> (8 * i)));
}

}  // namespace

void append_flv_header(FlvFlags flags, std::vector<std::uint8_t>& out) {
  out.insert(out.end(), {'F', 'L', 'V', 1});
  out.push_back(static_cast<std::uint8_t>((flags.audio ? 4 : 0) | (flags.video ? 1 : 0)));
  append_number(9, 4, out);
  append_number(0, 4, out);
}

void append_flv_tag_header(const TagHeader& tag, std::vector<std::uint8_t>& out) {
  LP_ASSERT(tag.octets <= kBodyOctetsMax);
  out.push_back(static_cast<std::uint8_t>(tag.type));
  append_number(tag.octets, 3, out);
  append_number(tag.timestamp_ms & 0xffffff, 3, out);
  append_number(tag.timestamp_ms >> 24, 1, out);
  append_number(0, 3, out);
}

void append_flv_tag_trailer(const TagHeader& tag, std::vector<std::uint8_t>& out) {
  append_number(tag.octets + 11, 4, out);
}

void append_flv_tag(const OwnedTag& tag, std::vector<std::uint8_t>& out) {
  LP_ASSERT(tag.body.size() <= kBodyOctetsMax);
  const TagHeader header{.type = tag.type,
                         .octets = static_cast<std::uint32_t>(tag.body.size()),
                         .timestamp_ms = tag.timestamp_ms};
  append_flv_tag_header(header, out);
  out.insert(out.end(), tag.body.begin(), tag.body.end());
  append_flv_tag_trailer(header, out);
}

}  // namespace linkpilot::prober
