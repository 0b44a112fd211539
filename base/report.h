// What an agent sends to the collector: reports (durable, acknowledged) and alarms (at once,
// repeated until they are stale).
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "base/ids.h"
#include "base/link_sample.h"
#include "base/stage_times.h"
#include "base/time.h"
#include "base/units.h"

namespace linkpilot {

inline constexpr std::size_t kReportLinksMax = 4096;
inline constexpr std::size_t kReportStreamsMax = 4096;
inline constexpr std::size_t kReportEventsMax = 256;

// Identity of a report: unique for ever, so a report can be sent again safely. The epoch is drawn
// when an agent's spool is created; sequences count up from 1 without gaps.
struct ReportId {
  std::uint64_t epoch = 0;
  std::uint64_t sequence = 0;
  friend constexpr bool operator==(ReportId, ReportId) = default;
  friend constexpr auto operator<=>(ReportId, ReportId) = default;
};

struct NodeLoad {
  std::uint32_t cpu_permille = 0;  // of all cores together
  BitsPerSecond inbound;
  BitsPerSecond outbound;
  std::uint32_t connections = 0;
  std::uint64_t agent_rss_bytes = 0;
  std::uint32_t agent_cpu_permille = 0;  // of one core
  friend bool operator==(const NodeLoad&, const NodeLoad&) = default;
};

enum class StreamState : std::uint8_t { unspecified, started, running, ended };

struct StreamReport {
  std::string name;
  StreamState state = StreamState::unspecified;
  bool ingested_here = false;
  std::uint32_t viewers = 0;
  BitsPerSecond bitrate;
  friend bool operator==(const StreamReport&, const StreamReport&) = default;
};

// Something an operator may want to know that is not a measurement: one greppable name and its
// detail.
struct AgentEvent {
  UnixNanos time;
  std::string name;    // e.g. "link_suspected", "skip_undone", "plan_capped"
  std::string detail;  // key=value words
  friend bool operator==(const AgentEvent&, const AgentEvent&) = default;
};

struct Report {
  ReportId id;
  UnixNanos created;
  std::vector<LinkSample> links;
  NodeLoad load;
  std::vector<StreamReport> streams;
  std::vector<AgentEvent> events;
  std::uint64_t spool_dropped = 0;  // reports dropped since the epoch began, oldest first
  friend bool operator==(const Report&, const Report&) = default;
};

enum class LinkState : std::uint8_t { unspecified, alive, suspect, dead };

// One direction of one link changed its state in the eyes of the receiving or probing agent.
struct Alarm {
  LinkId link;  // the direction that is judged
  LinkState state = LinkState::unspecified;
  bool confirmed = false;     // the burst's outcome is in, or two flows agree
  UnixNanos since;            // last arrival before the silence, or first after it
  std::uint64_t episode = 0;  // counts up per agent run; a later state of the same trouble keeps it
  StageTimes stages;
  friend bool operator==(const Alarm&, const Alarm&) = default;
};

}  // namespace linkpilot
