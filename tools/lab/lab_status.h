// The answers of the control socket as JSON text, from copies taken on the emulation thread.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "base/time.h"
#include "tools/lab/emulator.h"
#include "tools/lab/faults.h"
#include "tools/lab/machine_load.h"
#include "tools/lab/wan.h"

namespace linkpilot::lab {

struct LabSnapshot {
  UnixNanos time;
  EmulatorHealth health;
  WanCounters packets;
  std::size_t in_flight = 0;
  std::vector<Fault> faults;
};

struct LabSurroundings {  // what the control thread knows
  std::string prefix;
  std::string ledger;
  std::uint64_t seed = 0;
  UnixNanos started;
  std::vector<std::uint64_t> device_drops;  // by node
  std::uint64_t ledger_records = 0;
  std::uint64_t ledger_lost = 0;
  bool ledger_failed = false;
  MachineLoad load;
};

[[nodiscard]] std::string status_text(const Topology& topology, const LabSnapshot& snapshot,
                                      const LabSurroundings& surroundings);
[[nodiscard]] std::string links_text(const Topology& topology, UnixNanos time,
                                     const SettingsInForce& settings,
                                     const std::vector<PairCounters>& counters);
[[nodiscard]] std::string fault_text(const Fault& fault, UnixNanos time);
[[nodiscard]] std::string healed_text(const std::vector<Fault>& healed, UnixNanos time);
[[nodiscard]] std::string error_text(const Error& error, UnixNanos time);
[[nodiscard]] std::string ready_text(const Topology& topology, const LabSurroundings& surroundings,
                                     const std::vector<std::string>& namespaces, bool real_time);

}  // namespace linkpilot::lab
