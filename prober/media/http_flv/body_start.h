// What an HTTP body is, by its first octets: a stream that is "not FLV" helps an operator only with
// the word for what came instead. Pure.
#pragma once

#include <cstdint>
#include <span>
#include <string_view>

namespace linkpilot::prober {

constexpr std::size_t kBodyStartOctets = 64;  // that are looked at

enum class BodyKind : std::uint8_t {
  empty,
  flv,
  html,
  playlist,  // M3U8
  json,
  xml,
  mpeg_ts,
  mp4,
  matroska,
  gzip,
  text,
  unknown,
};

[[nodiscard]] BodyKind kind_of_body(std::span<const std::uint8_t> start);
// "an HTML page", ...
[[nodiscard]] std::string_view words_of(BodyKind kind);

}  // namespace linkpilot::prober
