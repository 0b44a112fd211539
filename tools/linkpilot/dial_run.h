// Runs what `linkpilot dial` was asked for: one dial after another, with progress on a terminal.
#pragma once

#include <string>

#include "prober/media/dial/dial_request.h"

namespace linkpilot::cli {

struct DialOrder {
  prober::DialRequest request;
  int count = 1;
  bool each_address = false;
  bool json = false;
  std::string html;      // empty: no page
  std::string save_flv;  // empty: no file
};

// Prints reports on stdout, progress on stderr; returns the exit code. SIGINT and SIGTERM end the
// dial in order, and what was seen until then is reported.
[[nodiscard]] int run_dials(const DialOrder& order);

}  // namespace linkpilot::cli
