#include "prober/media/codec/nalu_walker.h"

#include <algorithm>

#include "prober/media/codec/bit_reader.h"

namespace linkpilot::prober {
namespace {

enum class UnitKind : std::uint8_t { slice, random_access_slice, sei, filler, other };

// H.264 table 7-1, H.265 table 7-1.
UnitKind avc_unit_kind(std::uint8_t header) {
  const unsigned type = header & 0x1fU;
  if (type == 5) return UnitKind::random_access_slice;
  if (type >= 1 && type <= 4) return UnitKind::slice;
  if (type == 6) return UnitKind::sei;
  return type == 12 ? UnitKind::filler : UnitKind::other;
}

UnitKind hevc_unit_kind(std::uint8_t header) {
  const unsigned type = header >> 1 & 0x3fU;
  if (type >= 16 && type <= 21) return UnitKind::random_access_slice;  // BLA, IDR, CRA
  if (type < 16) return UnitKind::slice;
  if (type == 39) return UnitKind::sei;
  return type == 38 ? UnitKind::filler : UnitKind::other;
}

UnitKind unit_kind(VideoCodec codec, std::uint8_t header) {
  return codec == VideoCodec::hevc ? hevc_unit_kind(header) : avc_unit_kind(header);
}

// H.264 s7.3.3: first_mb_in_slice, slice_type; 2 and 7 are I, 4 and 9 SI.
bool is_intra_slice(std::span<const std::uint8_t> behind_header) {
  BitReader reader(behind_header, Emulation::escaped);
  (void)reader.ue();
  const std::uint32_t type = reader.ue();
  return reader.ok() && (type % 5 == 2 || type % 5 == 4) && type < 10;
}

}  // namespace

void NaluWalker::begin(VideoCodec codec, std::uint8_t length_octets, std::uint32_t octets) {
  codec_ = codec;
  length_octets_ = length_octets;
  length_seen_ = 0;
  length_ = 0;
  in_unit_ = false;
  broken_ = false;
  frame_left_ = octets;
  findings_ = {};
}

void NaluWalker::feed(std::span<const std::uint8_t> part) {
  while (!part.empty() && frame_left_ > 0 && !broken_) {
    if (!in_unit_) {
      part = part.subspan(take_length(part));
      continue;
    }
    const bool heading = head_size_ < head_wanted_;
    const std::size_t want = heading ? head_wanted_ - head_size_ : unit_left_;
    const std::size_t count = std::min({want, part.size(), static_cast<std::size_t>(unit_left_)});
    if (heading) {
      std::copy_n(part.begin(), count, head_.begin() + static_cast<std::ptrdiff_t>(head_size_));
      head_size_ += count;
    }
    unit_left_ -= static_cast<std::uint32_t>(count);
    frame_left_ -= static_cast<std::uint32_t>(count);
    part = part.subspan(count);
    if (heading && head_size_ == head_wanted_) look_at_head();
    if (unit_left_ == 0) in_unit_ = false;
  }
}

// Returns how many octets of the length field it took.
std::size_t NaluWalker::take_length(std::span<const std::uint8_t> part) {
  const std::size_t count = std::min({static_cast<std::size_t>(length_octets_ - length_seen_),
                                      part.size(), static_cast<std::size_t>(frame_left_)});
  for (std::size_t i = 0; i < count; ++i) length_ = length_ << 8 | part[i];
  frame_left_ -= static_cast<std::uint32_t>(count);
  length_seen_ = static_cast<std::uint8_t>(length_seen_ + count);
  if (length_seen_ == length_octets_) begin_unit();
  return count;
}

void NaluWalker::begin_unit() {
  ++findings_.units;
  if (length_ > frame_left_) {
    findings_.length_error = true;
    broken_ = true;
    return;
  }
  length_seen_ = 0;
  if (length_ == 0) {
    ++findings_.empty_units;
    return;
  }
  in_unit_ = true;
  unit_left_ = length_;
  unit_octets_ = length_;
  length_ = 0;
  head_size_ = 0;
  head_wanted_ = std::min<std::size_t>(unit_octets_, kHeadOctets);
}

// The head is complete: decide whether more of it is worth keeping.
void NaluWalker::look_at_head() {
  const std::span<const std::uint8_t> head(head_.data(), head_size_);
  const std::size_t header = codec_ == VideoCodec::hevc ? 2 : 1;
  switch (unit_kind(codec_, head[0])) {
    case UnitKind::sei:
      head_wanted_ = std::min<std::size_t>(unit_octets_, kSeiOctets);
      if (head_size_ == head_wanted_ && head_size_ > header) {
        const SeiFindings sei = read_sei(head.subspan(header));
        findings_.recovery_point = findings_.recovery_point || sei.recovery_point;
        if (sei.clock) findings_.clock = sei.clock;
      }
      break;
    case UnitKind::random_access_slice:
      if (findings_.first_picture == PictureKind::unknown) {
        findings_.first_picture = PictureKind::random_access;
      }
      break;
    case UnitKind::slice:
      if (findings_.first_picture == PictureKind::unknown) {
        // HEVC's slice type lies behind fields of the PPS; what is no IRAP is not decodable alone.
        const bool intra = codec_ == VideoCodec::avc && is_intra_slice(head.subspan(header));
        findings_.first_picture = intra ? PictureKind::intra : PictureKind::predicted;
      }
      break;
    case UnitKind::filler:
      findings_.filler_octets += unit_octets_;
      break;
    case UnitKind::other:
      break;
  }
}

const NaluFindings& NaluWalker::end() {
  if (!broken_ && (in_unit_ || length_seen_ != 0)) findings_.length_error = true;
  return findings_;
}

}  // namespace linkpilot::prober
