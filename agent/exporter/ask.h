// What an HTTP request asks of the exporter: a dial, its own counters, or nothing that it serves.
// Reads a whole request head of foreign octets; pure.
//
// GET only, and only under a Host that is an address or localhost: a page in somebody's browser
// that points a name of its own at loopback must not dial from here.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "base/time.h"

namespace linkpilot::agent {

constexpr std::size_t kAskOctetsMax = 16384;  // of a head
constexpr const char* kDefaultModule = "pull";

enum class AskKind : std::uint8_t { dial, metrics, refused };

struct Ask {
  AskKind kind = AskKind::refused;
  int status = 400;                  // HTTP, of what is refused
  std::string words;                 // for whoever asked
  std::string module;                // of a dial
  std::string target;                // its URL, percent-decoded
  std::optional<Duration> patience;  // of the scraper: X-Prometheus-Scrape-Timeout-Seconds
};

// `head` ends with the empty line.
[[nodiscard]] Ask read_ask(std::string_view head);

}  // namespace linkpilot::agent
