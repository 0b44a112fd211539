// Takes an aggregate message (type 22, RTMP 7.1.6) apart as its body streams by: FLV tags of 11
// octets of header, the body, and a back pointer of four. A tag's time is the aggregate's, plus how
// much later than the first tag it claims to be.
//
// A tag longer than what is left of the aggregate, and what is neither audio, video nor data
// (another aggregate above all), ends the reading of this aggregate; `faults` counts that. A back
// pointer that points elsewhere is only counted.
#pragma once

#include <array>
#include <cstdint>
#include <span>

#include "prober/media/rtmp/deinterleaver.h"

namespace linkpilot::rtmp {

class AggregateReader {
 public:
  void begin(std::uint32_t octets, std::uint32_t timestamp_ms);
  // Octets of the aggregate's body, to `out` as tags on `lane`. False: `out` is full.
  [[nodiscard]] bool body(std::span<const std::uint8_t> part, Deinterleaver& out, std::uint8_t lane,
                          Now now);
  // The aggregate is complete, or was aborted: an unfinished tag is given up.
  void end(Deinterleaver& out, std::uint8_t lane);

  [[nodiscard]] std::uint32_t faults() const { return faults_; }
  [[nodiscard]] std::uint32_t tags() const { return tags_; }  // completed in this aggregate
  // Whether a tag of that type has begun since the aggregate did.
  [[nodiscard]] bool has_begun(prober::TagType type) const {
    return (begun_ >> static_cast<unsigned>(type) & 1U) != 0;
  }

 private:
  enum class State : std::uint8_t { tag_header, tag_body, back_pointer, skip };
  bool take_header(Deinterleaver& out, std::uint8_t lane, Now now, bool& fits);

  void end_tag(Deinterleaver& out, std::uint8_t lane, Now now);

  State state_ = State::skip;
  std::array<std::uint8_t, 11> field_{};
  std::size_t field_octets_ = 0;
  std::uint32_t left_ = 0;      // of the aggregate, after the octets read
  std::uint32_t tag_left_ = 0;  // of the tag's body
  std::uint32_t tag_octets_ = 0;
  std::uint32_t timestamp_ms_ = 0;
  std::uint32_t first_ms_ = 0;
  bool first_ = true;
  std::uint32_t begun_ = 0;  // bits by tag type
  std::uint32_t faults_ = 0;
  std::uint32_t tags_ = 0;
};

}  // namespace linkpilot::rtmp
