#include "prober/media/http_flv/body_start.h"

#include <algorithm>
#include <string>

namespace linkpilot::prober {
namespace {

// Lower case, from the first octet that is no blank or byte order mark.
std::string beginning(std::span<const std::uint8_t> start) {
  std::string text(start.begin(), start.end());
  if (text.starts_with("\xEF\xBB\xBF")) text.erase(0, 3);
  text.erase(0, std::min(text.find_first_not_of(" \t\r\n"), text.size()));
  std::transform(text.begin(), text.end(), text.begin(), [](char c) {
    return c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c;
  });
  return text;
}

bool is_text(std::span<const std::uint8_t> start) {
  return std::all_of(start.begin(), start.end(), [](std::uint8_t octet) {
    return octet >= 0x20 || octet == '\t' || octet == '\r' || octet == '\n';
  });
}

}  // namespace

BodyKind kind_of_body(std::span<const std::uint8_t> start) {
  if (start.empty()) return BodyKind::empty;
  const std::string raw(start.begin(), start.end());
  if (raw.starts_with("FLV")) return BodyKind::flv;
  if (raw.starts_with("\x1F\x8B")) return BodyKind::gzip;              // RFC 1952 s2.3.1
  if (raw.starts_with("\x1A\x45\xDF\xA3")) return BodyKind::matroska;  // RFC 8794, EBML header
  if (raw.size() >= 8 && raw.compare(4, 4, "ftyp") == 0) return BodyKind::mp4;  // ISO 14496-12 4.3
  if (raw.size() >= 8 && raw.compare(4, 4, "styp") == 0) return BodyKind::mp4;
  const std::string text = beginning(start);
  if (text.starts_with("#extm3u")) return BodyKind::playlist;  // RFC 8216 s4.3.1.1
  if (text.starts_with("<!doctype") || text.starts_with("<html") || text.starts_with("<head")) {
    return BodyKind::html;
  }
  if (text.starts_with("<?xml") || text.starts_with("<error")) return BodyKind::xml;
  if (text.starts_with("{") || text.starts_with("[")) return BodyKind::json;
  // ISO 13818-1: the sync byte, then no error, and a PID that a stream begins with is hard to
  // forbid: this is a word for an operator, no parser.
  if (raw[0] == '\x47' && raw.size() >= 4 && !is_text(start)) return BodyKind::mpeg_ts;
  if (text.starts_with("<")) return BodyKind::html;
  return is_text(start) ? BodyKind::text : BodyKind::unknown;
}

std::string_view words_of(BodyKind kind) {
  switch (kind) {
    case BodyKind::empty:
      return "nothing";
    case BodyKind::flv:
      return "FLV";
    case BodyKind::html:
      return "an HTML page";
    case BodyKind::playlist:
      return "an HLS playlist";
    case BodyKind::json:
      return "JSON";
    case BodyKind::xml:
      return "XML";
    case BodyKind::mpeg_ts:
      return "an MPEG transport stream";
    case BodyKind::mp4:
      return "MP4";
    case BodyKind::matroska:
      return "Matroska or WebM";
    case BodyKind::gzip:
      return "a gzip-compressed body that was not asked for";
    case BodyKind::text:
      return "text";
    case BodyKind::unknown:
      return "something else";
  }
  return "?";
}

}  // namespace linkpilot::prober
