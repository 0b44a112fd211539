// Posts one JSON body with libcurl. Blocks for at most `timeout`, whatever the server does; `stop`
// ends it sooner. Follows no redirect, uses no proxy, reads of the answer no more than its status.
// Any thread, one call at a time each.
#pragma once

#include <atomic>
#include <string>
#include <vector>

#include "base/time.h"

namespace linkpilot::collector {

struct HttpPost {
  std::string url;
  std::string ca_file;               // empty: the system's
  std::vector<std::string> headers;  // "Name: value"
  std::string body;
  Duration timeout{};
};

struct HttpOutcome {
  int status = 0;     // 0: it did not come to an answer
  std::string error;  // then: why
};

[[nodiscard]] HttpOutcome http_post(const HttpPost& post, const std::atomic<bool>& stop);

}  // namespace linkpilot::collector
