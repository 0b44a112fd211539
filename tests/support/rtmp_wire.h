// RTMP as a server would write it, octet by octet and as wrongly as a test wants, and a TagSink
// that remembers what it was given.
#pragma once

#include <algorithm>
#include <cstdint>
#include <initializer_list>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/assert.h"
#include "prober/media/rtmp/message.h"
#include "prober/media/tag_sink.h"

namespace linkpilot::rtmp {

using Bytes = std::vector<std::uint8_t>;

inline Bytes bytes_of(std::string_view text) { return {text.begin(), text.end()}; }

inline Bytes filler(std::size_t octets, std::uint8_t first = 0) {
  Bytes bytes(octets);
  for (std::size_t i = 0; i < octets; ++i) bytes[i] = static_cast<std::uint8_t>(first + i * 7);
  return bytes;
}

inline void append(Bytes& to, const Bytes& what) { to.insert(to.end(), what.begin(), what.end()); }

inline Bytes joined(std::initializer_list<Bytes> parts) {
  Bytes all;
  for (const Bytes& part : parts) append(all, part);
  return all;
}

inline Bytes big(std::uint64_t value, int octets) {
  Bytes bytes;
  for (int shift = 8 * (octets - 1); shift >= 0; shift -= 8) {
    bytes.push_back(static_cast<std::uint8_t>(value >> shift));
  }
  return bytes;
}

// The basic header in its shortest form.
inline Bytes basic_header(int fmt, std::uint32_t chunk_stream) {
  const auto first = [fmt](std::uint32_t low) {
    return static_cast<std::uint8_t>(static_cast<std::uint32_t>(fmt) << 6 | low);
  };
  if (chunk_stream < 64) return {first(chunk_stream)};
  const std::uint32_t rest = chunk_stream - 64;
  if (rest < 256) return {first(0), static_cast<std::uint8_t>(rest)};
  return {first(1), static_cast<std::uint8_t>(rest), static_cast<std::uint8_t>(rest >> 8)};
}

struct Fields {
  std::uint32_t chunk_stream = 4;
  std::uint32_t time = 0;  // 0xffffff and above go extended
  std::uint32_t octets = 0;
  int type = 9;
  std::uint32_t stream = 1;
};

// One chunk of format `fmt`; fmt 3 has no extended timestamp here (see `repeated`).
inline Bytes chunk(int fmt, const Fields& fields, const Bytes& payload) {
  Bytes bytes = basic_header(fmt, fields.chunk_stream);
  const bool extended = fields.time >= kExtendedTimestamp;
  if (fmt < 3) append(bytes, big(extended ? kExtendedTimestamp : fields.time, 3));
  if (fmt < 2) append(bytes, big(fields.octets, 3));
  if (fmt < 2) bytes.push_back(static_cast<std::uint8_t>(fields.type));
  if (fmt < 1) {
    const Bytes stream = big(fields.stream, 4);
    bytes.insert(bytes.end(), stream.rbegin(), stream.rend());
  }
  if (fmt < 3 && extended) append(bytes, big(fields.time, 4));
  append(bytes, payload);
  return bytes;
}

// A fmt 3 chunk that repeats the extended timestamp `time`.
inline Bytes repeated(std::uint32_t chunk_stream, std::uint32_t time, const Bytes& payload) {
  return joined({basic_header(3, chunk_stream), big(time, 4), payload});
}

// A whole message in fmt 0, cut at `chunk_octets`.
inline Bytes message(Fields fields, const Bytes& body, std::size_t chunk_octets = 128) {
  fields.octets = static_cast<std::uint32_t>(body.size());
  const auto cut = [&body, chunk_octets](std::size_t from) {
    const std::size_t to = std::min(body.size(), from + chunk_octets);
    return Bytes(body.begin() + static_cast<std::ptrdiff_t>(from),
                 body.begin() + static_cast<std::ptrdiff_t>(to));
  };
  Bytes bytes = chunk(0, fields, cut(0));
  for (std::size_t from = chunk_octets; from < body.size(); from += chunk_octets) {
    append(bytes, fields.time >= kExtendedTimestamp
                      ? repeated(fields.chunk_stream, fields.time, cut(from))
                      : chunk(3, fields, cut(from)));
  }
  return bytes;
}

inline Bytes set_chunk_size(std::uint32_t octets) {
  return message({.chunk_stream = 2, .type = 1, .stream = 0}, big(octets, 4));
}

inline Bytes abort_message(std::uint32_t chunk_stream) {
  return message({.chunk_stream = 2, .type = 2, .stream = 0}, big(chunk_stream, 4));
}

class RecordingSink final : public prober::TagSink {
 public:
  struct Tag {
    prober::TagHeader header;
    Bytes body;
    Now begun;
    Now ended;
    bool complete = false;
  };

  void on_tag_begin(const prober::TagHeader& tag, Now now) override {
    LP_ASSERT(tags_.empty() || tags_.back().complete || may_lose_ends_);
    tags_.push_back({.header = tag, .body = {}, .begun = now, .ended = {}});
  }
  void on_tag_body(std::span<const std::uint8_t> part) override {
    LP_ASSERT(!tags_.empty() && !tags_.back().complete);
    tags_.back().body.insert(tags_.back().body.end(), part.begin(), part.end());
    LP_ASSERT(tags_.back().body.size() <= tags_.back().header.octets);
  }
  void on_tag_end(Now now) override {
    LP_ASSERT(!tags_.empty() && !tags_.back().complete);
    LP_ASSERT(tags_.back().body.size() == tags_.back().header.octets);
    tags_.back().ended = now;
    tags_.back().complete = true;
  }

  [[nodiscard]] const std::vector<Tag>& tags() const { return tags_; }
  // For tests in which the sender aborts messages.
  void allow_lost_ends() { may_lose_ends_ = true; }

 private:
  std::vector<Tag> tags_;
  bool may_lose_ends_ = false;
};

}  // namespace linkpilot::rtmp
