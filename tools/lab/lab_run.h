// One run of the lab: devices, core, emulation thread, ledger and control socket put together, from
// ready to clean. The calling thread answers the control socket and, once a second, notes the
// devices' drops; the emulation thread does the rest.
#pragma once

#include <cstdint>
#include <string>

#include "base/result.h"

namespace linkpilot::lab {

struct RunOptions {
  std::string topology;
  std::string prefix;
  std::string control;
  std::string ledger;  // empty: none
  std::uint64_t seed = 1;
  bool real_time = true;
  std::uint32_t spin_us = 70;
};

// Until SIGINT or SIGTERM. Prints one JSON line on stdout when packets flow:
// {"ready":true,"namespaces":{node:name},"addresses":{node:[v4,v6]},...}
[[nodiscard]] Status run_lab(const RunOptions& options);

// Removes what runs of this prefix left behind; `unavailable` while one is alive.
[[nodiscard]] Result<std::size_t> clean_lab(const std::string& prefix);

}  // namespace linkpilot::lab
