#include "prober/media/rtmp/chunk_reader.h"

#include <fmt/format.h>

#include <algorithm>

#include "base/assert.h"

namespace linkpilot::rtmp {
namespace {

constexpr std::array<std::size_t, 4> kFieldOctets{11, 7, 3, 0};  // by fmt, RTMP 5.3.1.2
constexpr std::size_t kExtensionOctets = 4;

std::uint32_t load_24(std::span<const std::uint8_t> bytes, std::size_t at) {
  return static_cast<std::uint32_t>(bytes[at] << 16 | bytes[at + 1] << 8 | bytes[at + 2]);
}

std::uint32_t load_32(std::span<const std::uint8_t> bytes, std::size_t at) {
  return static_cast<std::uint32_t>(bytes[at]) << 24 | load_24(bytes, at + 1);
}

// The only little-endian number of RTMP (7.1.2: the message stream id).
std::uint32_t load_32_little(std::span<const std::uint8_t> bytes, std::size_t at) {
  return static_cast<std::uint32_t>(bytes[at] | bytes[at + 1] << 8 | bytes[at + 2] << 16) |
         static_cast<std::uint32_t>(bytes[at + 3]) << 24;
}

}  // namespace

struct ChunkReader::BasicHeader {
  std::uint8_t fmt = 0;
  std::uint32_t chunk_stream = 0;
  std::size_t octets = 0;
};

ChunkReader::Parsed ChunkReader::fail(std::string words) {
  failure_ = std::move(words);
  return Parsed::failed;
}

std::uint8_t ChunkReader::find(std::uint32_t chunk_stream) const {
  if (chunk_stream < slot_of_small_.size()) return slot_of_small_[chunk_stream];
  for (std::size_t slot = 0; slot < streams_known_; ++slot) {
    if (streams_[slot].header.chunk_stream == chunk_stream) return static_cast<std::uint8_t>(slot);
  }
  return kNone;
}

// A place for a chunk stream that has none, or kNone if every place holds an unfinished message.
std::uint8_t ChunkReader::claim(std::uint32_t chunk_stream) {
  std::uint8_t slot = kNone;
  if (streams_known_ < kChunkStreamsMax) {
    slot = static_cast<std::uint8_t>(streams_known_++);
  } else {
    for (std::uint8_t i = 0; i < kChunkStreamsMax; ++i) {
      if (streams_[i].in_message) continue;
      if (slot == kNone || streams_[i].used < streams_[slot].used) slot = i;
    }
    if (slot == kNone) return kNone;
    const std::uint32_t evicted = streams_[slot].header.chunk_stream;
    if (evicted < slot_of_small_.size()) slot_of_small_[evicted] = kNone;
  }
  streams_[slot] = ChunkStream{};
  streams_[slot].header.chunk_stream = chunk_stream;
  if (chunk_stream < slot_of_small_.size()) slot_of_small_[chunk_stream] = slot;
  return slot;
}

ChunkReader::Parsed ChunkReader::parse_header(std::span<const std::uint8_t> in, std::size_t& used) {
  if (in.empty()) return Parsed::need_more;
  BasicHeader basic{.fmt = static_cast<std::uint8_t>(in[0] >> 6),
                    .chunk_stream = static_cast<std::uint32_t>(in[0] & 63),
                    .octets = 1};
  if (basic.chunk_stream < 2) {  // RTMP 5.3.1.1; the third octet is the more significant one
    basic.octets = 2 + basic.chunk_stream;
    if (in.size() < basic.octets) return Parsed::need_more;
    basic.chunk_stream =
        64U + in[1] + (basic.octets == 3 ? static_cast<std::uint32_t>(in[2]) << 8 : 0U);
  }
  used = basic.octets;
  return parse_fields(basic, in.subspan(basic.octets), used);
}

// `in` begins after the basic header; nothing is changed before all of the header is there.
ChunkReader::Parsed ChunkReader::parse_fields(const BasicHeader& basic,
                                              std::span<const std::uint8_t> in, std::size_t& used) {
  std::uint8_t slot = find(basic.chunk_stream);
  if (basic.fmt == 3) {
    if (slot == kNone) {
      return fail(fmt::format("chunk stream {} begins without a message header (fmt 3)",
                              basic.chunk_stream));
    }
    if (streams_[slot].has_extended) {
      const Parsed parsed = parse_repeated_extension(streams_[slot].extended, in, used);
      if (parsed != Parsed::complete) return parsed;
    }
    begin_chunk(slot);
    return Parsed::complete;
  }
  const std::size_t fields = kFieldOctets[basic.fmt];
  if (in.size() < fields) return Parsed::need_more;
  std::uint32_t time = load_24(in, 0);
  const bool extended = time == kExtendedTimestamp;
  if (extended) {
    if (in.size() < fields + kExtensionOctets) return Parsed::need_more;
    time = load_32(in, fields);
  }
  if (slot != kNone && streams_[slot].in_message) {
    return fail(fmt::format(
        "a new message header (fmt {}) on chunk stream {} while {} of {} octets "
        "of its message are missing",
        basic.fmt, basic.chunk_stream, streams_[slot].remaining, streams_[slot].header.octets));
  }
  if (slot == kNone && basic.fmt == 2) {
    return fail(
        fmt::format("chunk stream {} begins without a message length (fmt 2)", basic.chunk_stream));
  }
  if (slot == kNone) slot = claim(basic.chunk_stream);
  if (slot == kNone) {
    return fail(fmt::format("more than {} unfinished messages at once", kChunkStreamsMax));
  }
  ChunkStream& stream = streams_[slot];
  stream.delta = time;
  stream.has_extended = extended;
  stream.extended = time;
  if (basic.fmt < 2) {
    stream.header.octets = load_24(in, 3);
    stream.header.type = static_cast<MessageType>(in[6]);
  }
  if (basic.fmt == 0) {
    stream.header.stream = load_32_little(in, 7);
    stream.header.timestamp_ms = 0;  // the delta that begin_chunk adds is the timestamp
  }
  used += fields + (extended ? kExtensionOctets : 0);
  begin_chunk(slot);
  return Parsed::complete;
}

ChunkReader::Parsed ChunkReader::parse_repeated_extension(std::uint32_t expected,
                                                          std::span<const std::uint8_t> in,
                                                          std::size_t& used) {
  for (std::size_t i = 0; i < kExtensionOctets; ++i) {
    if (i == in.size()) return Parsed::need_more;
    const auto octet = static_cast<std::uint8_t>(expected >> (24 - 8 * i));
    if (in[i] == octet || extension_repeated_) continue;
    return Parsed::complete;  // not repeated: these octets are body
  }
  extension_repeated_ = true;
  used += kExtensionOctets;
  return Parsed::complete;
}

void ChunkReader::begin_chunk(std::uint8_t slot) {
  ChunkStream& stream = streams_[slot];
  ++chunks_;
  begins_ = !stream.in_message;
  if (begins_) {
    stream.header.timestamp_ms += stream.delta;  // modulo 2^32
    stream.remaining = stream.header.octets;
    stream.control = 0;
    stream.in_message = true;
    stream.used = ++messages_;
    ++unfinished_;
  }
  in_chunk_ = true;
  slot_ = slot;
  chunk_left_ = std::min(chunk_octets_, stream.remaining);
}

// Reads one header from what is carried and `in`. False: more is needed, or reading failed.
bool ChunkReader::read_header(std::span<const std::uint8_t>& in) {
  std::size_t used = 0;
  if (carry_begin_ == carry_end_) {
    carry_begin_ = carry_end_ = 0;
    const Parsed parsed = parse_header(in, used);
    if (parsed == Parsed::complete) {
      in = in.subspan(used);
      return true;
    }
    if (parsed == Parsed::failed) return false;
    LP_ASSERT(in.size() < carry_.size());
    std::copy(in.begin(), in.end(), carry_.begin());
    carry_end_ = in.size();
    in = {};
    return false;
  }
  std::copy(carry_.begin() + static_cast<std::ptrdiff_t>(carry_begin_),
            carry_.begin() + static_cast<std::ptrdiff_t>(carry_end_), carry_.begin());
  carry_end_ -= carry_begin_;
  carry_begin_ = 0;
  while (true) {
    const Parsed parsed = parse_header({carry_.data(), carry_end_}, used);
    if (parsed == Parsed::complete) {
      carry_begin_ = used;
      return true;
    }
    if (parsed == Parsed::failed || in.empty()) return false;
    LP_ASSERT(carry_end_ < carry_.size());
    carry_[carry_end_++] = in.front();
    in = in.subspan(1);
  }
}

ChunkPart ChunkReader::take_body(std::span<const std::uint8_t> source, std::size_t octets) {
  ChunkStream& stream = streams_[slot_];
  stream.remaining -= static_cast<std::uint32_t>(octets);
  chunk_left_ -= static_cast<std::uint32_t>(octets);
  const ChunkPart part{.message = &stream.header,
                       .body = source.first(octets),
                       .slot = slot_,
                       .begins = begins_,
                       .ends = stream.remaining == 0};
  begins_ = false;
  in_chunk_ = chunk_left_ > 0;
  if (part.ends) {
    stream.in_message = false;
    --unfinished_;
  }
  return part;
}

std::optional<ChunkPart> ChunkReader::next(std::span<const std::uint8_t>& in) {
  while (failure_.empty()) {
    if (!in_chunk_ && !read_header(in)) return std::nullopt;
    std::span<const std::uint8_t> source = in;
    const bool carried = carry_begin_ < carry_end_;
    if (carried) source = std::span(carry_).subspan(carry_begin_, carry_end_ - carry_begin_);
    if (source.empty() && chunk_left_ > 0) return std::nullopt;
    const std::size_t octets = std::min<std::size_t>(chunk_left_, source.size());
    if (carried) {
      carry_begin_ += octets;
    } else {
      in = in.subspan(octets);
    }
    const ChunkPart part = take_body(source, octets);
    if (part.message->type != MessageType::set_chunk_size &&
        part.message->type != MessageType::abort) {
      return part;
    }
    if (const auto aborted = obey(part)) return aborted;
  }
  return std::nullopt;
}

// Octets past the fourth have no meaning (RTMP 5.4.1, 5.4.2).
std::optional<ChunkPart> ChunkReader::obey(const ChunkPart& part) {
  ChunkStream& stream = streams_[part.slot];
  const std::size_t before = stream.header.octets - stream.remaining - part.body.size();
  for (std::size_t i = 0; i < part.body.size() && before + i < 4; ++i) {
    stream.control = stream.control << 8 | part.body[i];
  }
  if (!part.ends) return std::nullopt;
  const bool whole = stream.header.octets >= 4;
  if (stream.header.type == MessageType::abort) {
    return whole ? abort(stream.control) : std::nullopt;
  }
  if (!whole) {
    fail(fmt::format("Set Chunk Size of {} octets", stream.header.octets));
  } else if (stream.control == 0 || stream.control > 0x7fffffff) {
    fail(fmt::format("Set Chunk Size {:#x}", stream.control));
  } else {
    chunk_octets_ = std::min(stream.control, kMessageOctetsMax);
  }
  return std::nullopt;
}

std::optional<ChunkPart> ChunkReader::abort(std::uint32_t chunk_stream) {
  const std::uint8_t slot = find(chunk_stream);
  if (slot == kNone || !streams_[slot].in_message) return std::nullopt;
  streams_[slot].in_message = false;
  streams_[slot].remaining = 0;
  --unfinished_;
  return ChunkPart{.message = &streams_[slot].header, .body = {}, .slot = slot, .aborted = true};
}

}  // namespace linkpilot::rtmp
