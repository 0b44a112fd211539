// ResponseHead: an HTTP response's status line and fields, taken line by line as libcurl hands them
// on, in bounds. Interim responses (1xx, RFC 9110 s15.2) are counted and forgotten. What follows
// the final head (trailers) is not looked at. Pure; single thread.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/result.h"

namespace linkpilot::prober {

constexpr std::size_t kHeadOctetsMax = 32768;  // of all heads of one exchange, interim ones too
constexpr std::size_t kHeadLinesMax = 100;
constexpr unsigned kInterimMax = 8;

class ResponseHead {
 public:
  // One line with or without its end. An error is for good: the server passed a bound or does not
  // speak HTTP. A line by which the head ends, the empty one, sets `complete`.
  [[nodiscard]] Status take(std::string_view line);

  [[nodiscard]] bool complete() const { return complete_; }
  [[nodiscard]] int status() const { return status_; }
  [[nodiscard]] const std::string& version() const { return version_; }  // "1.1", "2"
  [[nodiscard]] const std::string& reason() const { return reason_; }
  [[nodiscard]] const std::vector<std::pair<std::string, std::string>>& fields() const {
    return fields_;  // in order, names as sent, values trimmed
  }
  // The first field of that name, any case; nullptr: none.
  [[nodiscard]] const std::string* find(std::string_view name) const;
  // Media type without parameters, lower case; empty if not said.
  [[nodiscard]] std::string media_type() const;
  [[nodiscard]] std::optional<std::uint64_t> content_length() const;  // nothing if it is no number
  [[nodiscard]] bool is_chunked() const;

 private:
  [[nodiscard]] Status begin(std::string_view line);

  bool complete_ = false;
  bool begun_ = false;
  int status_ = 0;
  std::string version_;
  std::string reason_;
  std::vector<std::pair<std::string, std::string>> fields_;
  std::size_t octets_ = 0;
  std::size_t lines_ = 0;
  unsigned interim_ = 0;
};

}  // namespace linkpilot::prober
