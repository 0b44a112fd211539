// How busy the machine is, and with what: this process, the processes in the lab's own namespaces,
// or somebody else. Foreign load is what makes a run's figures doubtful. Source: /proc/stat,
// /proc/PID/stat and /proc/PID/ns/net (proc(5)); jiffies of 10 ms.
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include "base/time.h"

namespace linkpilot::lab {

struct MachineLoad {  // percent of one core, over the last period
  double own_percent = 0;
  double nodes_percent = 0;    // processes inside the lab's namespaces
  double foreign_percent = 0;  // everything else that was busy, interrupts included
  double steal_percent = 0;    // taken by the hypervisor
  int cores = 0;
};

class LoadMeter {
 public:
  // Names in /run/netns whose processes count as ours.
  explicit LoadMeter(const std::vector<std::string>& namespaces);
  // Since the call before; the first one measures from the start of the object.
  [[nodiscard]] MachineLoad measure(MonoTime now);

 private:
  struct Jiffies {
    std::uint64_t busy = 0;
    std::uint64_t steal = 0;
    std::uint64_t own = 0;
    std::uint64_t nodes = 0;
  };
  [[nodiscard]] Jiffies read();
  std::vector<std::uint64_t> namespace_inodes_;
  std::map<int, std::uint64_t> node_processes_;  // pid -> jiffies when last seen
  std::uint64_t nodes_total_ = 0;
  Jiffies before_;
  MonoTime when_;
};

}  // namespace linkpilot::lab
