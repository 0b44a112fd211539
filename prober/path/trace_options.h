// What a trace is asked for.
#pragma once

#include <cstdint>

#include "base/result.h"
#include "base/time.h"
#include "prober/path/probe_packet.h"

namespace linkpilot::prober {

inline constexpr std::uint32_t kFlowsMax = 256;
inline constexpr std::uint8_t kHopsMax = 64;

struct TraceOptions {
  // Flow i has source port (of ICMP: identifier) first.source_port + i.
  PathFlow first;
  std::uint32_t flows = 1;
  bool all_paths = false;         // more flows, until the rule of multipath.h holds
  double confidence = 0.95;       // of that rule
  std::uint32_t flows_max = 128;  // with all_paths
  std::size_t size = 0;           // of a probe, whole; 0: the least. Not of TCP
  std::uint8_t hops_max = 30;
  std::uint8_t ahead = 5;     // hops asked beyond the last that answered, while answers come
  std::uint8_t gap_max = 8;   // silent hops in a row that end a flow
  std::uint32_t rounds = 1;   // 0: until stopped
  std::uint8_t attempts = 2;  // for a hop that is silent in the first round
  Duration interval = std::chrono::seconds(1);  // between the starts of rounds
  Duration timeout = std::chrono::seconds(1);
  double packets_per_second = 200;
  std::uint64_t secret = 0;  // unpredictable; answers are known by it
};

// Bounds that hold for anybody who asks. Names what is off.
[[nodiscard]] Status check(const TraceOptions& options);

}  // namespace linkpilot::prober
