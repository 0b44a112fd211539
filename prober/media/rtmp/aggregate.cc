#include "prober/media/rtmp/aggregate.h"

#include <algorithm>

#include "prober/stamp/bytes.h"

namespace linkpilot::rtmp {
namespace {

constexpr std::size_t kTagHeaderOctets = 11;  // Adobe FLV 10.1 E.4.1
constexpr std::size_t kBackPointerOctets = 4;

bool is_media(std::uint8_t type) { return type == 8 || type == 9 || type == 18; }

}  // namespace

void AggregateReader::begin(std::uint32_t octets, std::uint32_t timestamp_ms) {
  state_ = State::tag_header;
  field_octets_ = 0;
  left_ = octets;
  timestamp_ms_ = timestamp_ms;
  first_ = true;
  begun_ = 0;
}

bool AggregateReader::take_header(Deinterleaver& out, std::uint8_t lane, Now now, bool& fits) {
  const std::span<const std::uint8_t> field(field_);
  const std::uint8_t type = field[0] & 0x1f;
  tag_octets_ = prober::load_big<std::uint32_t>(field, 0) & 0xffffff;
  // 24 bits, and eight more above them (E.4.1).
  const std::uint32_t time =
      (prober::load_big<std::uint32_t>(field, 4) >> 8) | std::uint32_t{field[7]} << 24;
  if (!is_media(type) || tag_octets_ > left_) return false;
  if (first_) first_ms_ = time;
  first_ = false;
  begun_ |= 1U << type;
  tag_left_ = tag_octets_;
  fits = out.begin(lane,
                   {.type = static_cast<prober::TagType>(type),
                    .octets = tag_octets_,
                    .timestamp_ms = timestamp_ms_ + (time - first_ms_)},
                   now);
  return true;
}

void AggregateReader::end_tag(Deinterleaver& out, std::uint8_t lane, Now now) {
  out.end(lane, now);
  ++tags_;
  state_ = State::back_pointer;
}

bool AggregateReader::body(std::span<const std::uint8_t> part, Deinterleaver& out,
                           std::uint8_t lane, Now now) {
  while (!part.empty() && state_ != State::skip) {
    if (state_ == State::tag_body) {
      const auto octets = static_cast<std::uint32_t>(std::min<std::size_t>(tag_left_, part.size()));
      if (!out.body(lane, part.first(octets))) return false;
      part = part.subspan(octets);
      tag_left_ -= octets;
      left_ -= octets;
      if (tag_left_ > 0) return true;
      end_tag(out, lane, now);
      continue;
    }
    field_[field_octets_++] = part.front();
    part = part.subspan(1);
    --left_;
    if (state_ == State::back_pointer && field_octets_ == kBackPointerOctets) {
      if (prober::load_big<std::uint32_t>(field_, 0) != tag_octets_ + kTagHeaderOctets) ++faults_;
      field_octets_ = 0;
      state_ = State::tag_header;
    } else if (state_ == State::tag_header && field_octets_ == kTagHeaderOctets) {
      field_octets_ = 0;
      bool fits = true;
      if (!take_header(out, lane, now, fits)) {
        ++faults_;
        state_ = State::skip;
      } else if (!fits) {
        return false;
      } else if (tag_left_ == 0) {
        end_tag(out, lane, now);
      } else {
        state_ = State::tag_body;
      }
    }
  }
  return true;
}

void AggregateReader::end(Deinterleaver& out, std::uint8_t lane) {
  if (state_ == State::tag_body) {
    out.abort(lane);
    ++faults_;
  } else if (state_ == State::tag_header && field_octets_ > 0) {
    ++faults_;
  }
  state_ = State::skip;
}

}  // namespace linkpilot::rtmp
