// Runs what `linkpilot path` was asked for: finds the address, traces it, shows what was found.
#pragma once

#include <string>

#include "base/result.h"
#include "prober/media/dial/dial_request.h"
#include "prober/path/trace_options.h"

namespace linkpilot::cli {

struct PathOrder {
  std::string host;
  prober::AddressFamily family = prober::AddressFamily::any;
  prober::TraceOptions trace;  // its addresses and secret are filled in
  bool mtu = false;            // seek the largest packet that passes as well
  std::size_t mtu_most = 1500;
  bool watch = false;  // show each round; without an end if trace.rounds is 0
  bool json = false;
};

// Prints on stdout; returns the exit code: 0 the destination answered, 1 it did not, or a hop loses
// packets, or large ones vanish. SIGINT and SIGTERM end it in order.
[[nodiscard]] int run_path(const PathOrder& order);

}  // namespace linkpilot::cli
