// The seam between the carriers of a live stream (rtmp/, and flv/ as HTTP carries it) and those who
// look at it (codec headers, playback/, a file being saved). Both carriers bring the same tags: an
// RTMP audio, video or data message has the body of an FLV tag of the same type number.
//
// A body comes in parts as the network brings them and is never gathered here: a sink keeps the
// first octets it needs, so a 16 MB key frame costs no memory. A carrier calls begin, body (any
// number of times, together exactly `octets`), end, and never nests tags. A tag that is cut off, by
// the connection's end or by the sender's abort (RTMP message 2), gets no end: the next begin, if
// one comes, is a tag of its own. Virtual, because either carrier feeds either sink. Single thread.
#pragma once

#include <cstdint>
#include <span>

#include "base/time.h"

namespace linkpilot::prober {

// Adobe FLV 10.1 E.4.1; the numbers of RTMP message types 8, 9 and 18.
enum class TagType : std::uint8_t { audio = 8, video = 9, script = 18 };

struct TagHeader {
  TagType type = TagType::script;
  std::uint32_t octets = 0;  // of the body
  std::uint32_t timestamp_ms =
      0;  // as on the wire: wraps at 2^32; unwrapping is the reader's business
};

class TagSink {
 public:
  virtual ~TagSink() = default;
  virtual void on_tag_begin(const TagHeader& tag, Now now) = 0;
  virtual void on_tag_body(std::span<const std::uint8_t> part) = 0;
  virtual void on_tag_end(Now now) = 0;
};

}  // namespace linkpilot::prober
