#include "prober/media/flv/flv_demuxer.h"

#include <algorithm>
#include <string>

namespace linkpilot::prober {
namespace {

constexpr std::size_t kFileHeaderOctets = 9;
constexpr std::size_t kPreviousSizeOctets = 4;
constexpr std::size_t kTagHeaderOctets = 11;
constexpr std::uint8_t kFilterBit = 0x20;
constexpr std::uint8_t kTypeMask = 0x1f;

std::uint32_t load_number(std::span<const std::uint8_t> bytes, std::size_t at, std::size_t octets) {
  std::uint32_t value = 0;
  for (std::size_t i = 0; i < octets; ++i) value = value << 8 | bytes[at + i];
  return value;
}

// What the stream begins with, for an operator: an error page says "<htm".
std::string printable(std::span<const std::uint8_t> bytes) {
  std::string text;
  for (const std::uint8_t octet : bytes) {
    text.push_back(octet >= 0x20 && octet < 0x7f ? static_cast<char>(octet) : '.');
  }
  return text;
}

}  // namespace

Status FlvDemuxer::consume(std::span<const std::uint8_t> bytes, Now now) {
  while (!bytes.empty() && state_ != State::broken) {
    if (state_ != State::gap && state_ != State::body) {
      take_fixed(bytes, now);
      continue;
    }
    const auto part = bytes.first(std::min<std::size_t>(left_, bytes.size()));
    bytes = bytes.subspan(part.size());
    left_ -= static_cast<std::uint32_t>(part.size());
    if (state_ == State::body && delivering_) sink_->on_tag_body(part);
    if (left_ > 0) continue;
    if (state_ == State::body) {
      end_tag(now);
    } else {
      enter(State::previous_size, kPreviousSizeOctets);
    }
  }
  if (state_ == State::broken) return fail(error_);
  return {};
}

bool FlvDemuxer::at_boundary() const {
  return (state_ == State::tag_header && have_ == 0) || state_ == State::previous_size;
}

void FlvDemuxer::take_fixed(std::span<const std::uint8_t>& bytes, Now now) {
  const std::size_t count = std::min(wanted_ - have_, bytes.size());
  std::copy_n(bytes.begin(), count, fixed_.begin() + static_cast<std::ptrdiff_t>(have_));
  have_ += count;
  bytes = bytes.subspan(count);
  // A body that is no FLV shall be refused at its first octets, not after nine.
  constexpr std::array<std::uint8_t, 3> kSignature{'F', 'L', 'V'};
  if (state_ == State::file_header &&
      !std::equal(fixed_.begin(),
                  fixed_.begin() + static_cast<std::ptrdiff_t>(std::min<std::size_t>(have_, 3)),
                  kSignature.begin())) {
    refuse("no FLV: it begins with \"" + printable(std::span(fixed_).first(have_)) + "\"");
    return;
  }
  if (have_ < wanted_) return;
  switch (state_) {
    case State::file_header:
      read_file_header();
      break;
    case State::previous_size:
      read_previous_size();
      break;
    case State::tag_header:
      begin_tag(now);
      break;
    case State::gap:
    case State::body:
    case State::broken:
      break;
  }
}

void FlvDemuxer::read_file_header() {
  if (fixed_[3] != 1) {
    refuse("FLV version " + std::to_string(fixed_[3]) + ": only 1 is known");
    return;
  }
  flags_ = {.audio = (fixed_[4] & 4) != 0, .video = (fixed_[4] & 1) != 0};
  const std::uint32_t offset = load_number(fixed_, 5, 4);
  if (offset < kFileHeaderOctets || offset > kDataOffsetMax) {
    refuse("FLV header: DataOffset " + std::to_string(offset) + " cannot be");
    return;
  }
  has_header_ = true;
  left_ = offset - static_cast<std::uint32_t>(kFileHeaderOctets);
  previous_size_ = 0;
  if (left_ > 0) {
    enter(State::gap, 0);
  } else {
    enter(State::previous_size, kPreviousSizeOctets);
  }
}

void FlvDemuxer::read_previous_size() {
  const bool wrong = load_number(fixed_, 0, 4) != previous_size_;
  counters_.wrong_previous_size += wrong ? 1 : 0;
  lost_in_a_row_ = wrong && suspicious_ ? lost_in_a_row_ + 1 : 0;
  if (lost_in_a_row_ >= kLostAfter) {
    refuse("FLV framing is lost: unknown tags with wrong sizes follow each other");
    return;
  }
  enter(State::tag_header, kTagHeaderOctets);
}

void FlvDemuxer::begin_tag(Now now) {
  const std::uint8_t type = fixed_[0] & kTypeMask;
  const bool encrypted = (fixed_[0] & kFilterBit) != 0;
  const bool known = type == static_cast<std::uint8_t>(TagType::audio) ||
                     type == static_cast<std::uint8_t>(TagType::video) ||
                     type == static_cast<std::uint8_t>(TagType::script);
  left_ = load_number(fixed_, 1, 3);
  previous_size_ = left_ + static_cast<std::uint32_t>(kTagHeaderOctets);
  suspicious_ = !known;
  counters_.unknown_tags += known ? 0 : 1;
  counters_.encrypted_tags += encrypted ? 1 : 0;
  counters_.empty_tags += left_ == 0 ? 1 : 0;
  counters_.nonzero_stream_ids += load_number(fixed_, 8, 3) != 0 ? 1 : 0;
  delivering_ = known && !encrypted;
  if (delivering_) {
    sink_->on_tag_begin(
        {.type = static_cast<TagType>(type),
         .octets = left_,
         // Three octets, then the eighth to the most significant end (E.4.1).
         .timestamp_ms = load_number(fixed_, 4, 3) | static_cast<std::uint32_t>(fixed_[7]) << 24},
        now);
  }
  if (left_ == 0) {
    end_tag(now);
  } else {
    enter(State::body, 0);
  }
}

void FlvDemuxer::end_tag(Now now) {
  if (delivering_) {
    ++counters_.tags;
    sink_->on_tag_end(now);
  }
  enter(State::previous_size, kPreviousSizeOctets);
}

void FlvDemuxer::enter(State state, std::size_t octets) {
  state_ = state;
  wanted_ = octets;
  have_ = 0;
}

void FlvDemuxer::refuse(std::string_view why) {
  state_ = State::broken;
  error_ = {ErrorCode::corrupt, std::string(why)};
}

}  // namespace linkpilot::prober
