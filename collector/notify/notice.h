// What people are to hear: a fault as it stands, and why they hear of it now. Values.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "collector/faults/fault.h"

namespace linkpilot::collector {

enum class NoticeReason : std::uint8_t {
  opened,
  updated,    // its grade or what it is about changed
  repeated,   // it is still open
  escalated,  // nobody took care of it
  resolved,
};

[[nodiscard]] constexpr std::string_view to_string(NoticeReason reason) {
  switch (reason) {
    case NoticeReason::opened:
      return "opened";
    case NoticeReason::updated:
      return "updated";
    case NoticeReason::repeated:
      return "repeated";
    case NoticeReason::escalated:
      return "escalated";
    case NoticeReason::resolved:
      return "resolved";
  }
  return "updated";
}

struct Notice {
  NoticeReason reason = NoticeReason::opened;
  Fault fault;
};

// Delay and loss of one direction over a short time. Negative: not known.
struct TracePoint {
  UnixNanos at;
  float rtt_ms = -1;
  float loss_ratio = -1;
};

struct LinkTrace {
  LinkId link;
  std::string from;  // "203.0.113.7 (Telecom)": address and carrier, where they are known
  std::string to;
  std::vector<TracePoint> points;  // oldest first, at most kTracePointsMax
};

inline constexpr std::size_t kTracePointsMax = 240;

// What is known around a fault when a mail about it is written: where it is, and how its links
// went. Whoever keeps the fleet makes it; any part may be missing.
struct FaultBackground {
  std::vector<std::string> regions;  // of the nodes it is about
  std::vector<std::string> vendors;  // carriers of the ports it is about
  std::vector<LinkTrace> links;      // of the fault's links, as far as they are known
};

}  // namespace linkpilot::collector
