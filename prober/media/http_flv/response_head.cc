#include "prober/media/http_flv/response_head.h"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>

#include "prober/media/rtmp/printable.h"

namespace linkpilot::prober {
namespace {

char to_lower(char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c; }

bool equal_names(std::string_view a, std::string_view b) {
  return a.size() == b.size() && std::equal(a.begin(), a.end(), b.begin(), [](char x, char y) {
           return to_lower(x) == to_lower(y);
         });
}

std::string_view trimmed(std::string_view text) {
  const auto blank = [](char c) { return c == ' ' || c == '\t'; };
  while (!text.empty() && blank(text.front())) text.remove_prefix(1);
  while (!text.empty() && blank(text.back())) text.remove_suffix(1);
  return text;
}

std::string_view without_end(std::string_view line) {
  while (!line.empty() && (line.back() == '\n' || line.back() == '\r')) line.remove_suffix(1);
  return line;
}

auto passed(std::string words) { return fail(ErrorCode::limit_exceeded, std::move(words)); }

}  // namespace

// "HTTP/1.1 200 OK" or, as libcurl writes it for HTTP/2, "HTTP/2 200 ".
Status ResponseHead::begin(std::string_view line) {
  if (!line.starts_with("HTTP/")) {
    return fail(ErrorCode::corrupt,
                fmt::format("the answer begins with \"{}\", not with a status line",
                            rtmp::printable(line.substr(0, 40))));
  }
  const std::size_t blank = std::min(line.find(' '), line.size());
  version_ = rtmp::printable(line.substr(5, blank - 5));
  const std::string_view rest = trimmed(line.substr(blank));
  const auto parsed = std::from_chars(rest.data(), rest.data() + rest.size(), status_);
  if (parsed.ec != std::errc() || status_ < 100 || status_ > 999) {
    return fail(ErrorCode::corrupt, fmt::format("the status line \"{}\" has no status",
                                                rtmp::printable(line.substr(0, 80))));
  }
  reason_ =
      rtmp::printable(trimmed(rest.substr(static_cast<std::size_t>(parsed.ptr - rest.data()))));
  fields_.clear();
  begun_ = true;
  return {};
}

Status ResponseHead::take(std::string_view line) {
  if (complete_) return {};
  octets_ += line.size();
  if (octets_ > kHeadOctetsMax) {
    return passed(fmt::format("the server's header fields exceed {} octets", kHeadOctetsMax));
  }
  line = without_end(line);
  if (!begun_) return begin(line);
  if (line.empty()) {
    if (status_ >= 200 || status_ == 101) {
      complete_ = true;
      return {};
    }
    begun_ = false;
    if (++interim_ > kInterimMax) {
      return passed(fmt::format("the server sent more than {} interim answers ({} {})", kInterimMax,
                                status_, reason_));
    }
    return {};
  }
  if (++lines_ > kHeadLinesMax) {
    return passed(fmt::format("the server sent more than {} header fields", kHeadLinesMax));
  }
  if ((line[0] == ' ' || line[0] == '\t') && !fields_.empty()) {
    fields_.back().second.append(" ").append(trimmed(line));  // RFC 9112 s5.2: an old folding
    return {};
  }
  const std::size_t colon = line.find(':');
  if (colon == std::string_view::npos) return {};  // no field; libcurl passes it by as well
  fields_.emplace_back(trimmed(line.substr(0, colon)), trimmed(line.substr(colon + 1)));
  return {};
}

const std::string* ResponseHead::find(std::string_view name) const {
  for (const auto& [key, value] : fields_) {
    if (equal_names(key, name)) return &value;
  }
  return nullptr;
}

std::string ResponseHead::media_type() const {
  const std::string* value = find("content-type");
  if (value == nullptr) return {};
  std::string type(trimmed(std::string_view(*value).substr(0, value->find(';'))));
  std::transform(type.begin(), type.end(), type.begin(), to_lower);
  return rtmp::printable(type);
}

std::optional<std::uint64_t> ResponseHead::content_length() const {
  const std::string* value = find("content-length");
  std::uint64_t length = 0;
  if (value == nullptr) return std::nullopt;
  const char* end = value->data() + value->size();
  const auto parsed = std::from_chars(value->data(), end, length);
  if (parsed.ec != std::errc() || parsed.ptr != end) return std::nullopt;
  return length;
}

bool ResponseHead::is_chunked() const {
  const std::string* value = find("transfer-encoding");
  if (value == nullptr) return false;
  const std::size_t comma = value->rfind(',');  // the last coding frames the message
  return equal_names(
      trimmed(std::string_view(*value).substr(comma == std::string::npos ? 0 : comma + 1)),
      "chunked");
}

}  // namespace linkpilot::prober
