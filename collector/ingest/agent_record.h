// All the collector knows of one node and its agent, as values. The ingest loop owns the records;
// other threads read copies.
#pragma once

#include <cstdint>
#include <deque>
#include <map>
#include <optional>
#include <string>

#include "base/fleet.h"
#include "base/message.h"
#include "base/runtime/message_socket.h"
#include "base/time.h"

namespace linkpilot::collector {

// Whether the agent is heard, and whether its node is believed to be up.
enum class AgentState : std::uint8_t { never_seen, connected, silent };

struct ReportFigures {
  std::uint64_t epoch = 0;
  std::uint64_t received = 0;
  std::uint64_t duplicate = 0;
  std::uint64_t acked_sequence = 0;
  std::uint64_t spool_dropped = 0;
  std::uint64_t samples = 0;
  std::uint64_t samples_refused = 0;
  std::uint64_t alarms = 0;
  UnixNanos last;
};

// One living connection of one agent process.
struct AgentConnection {
  std::string connection;  // the transport's routing id
  std::string public_key;
  TransportId transport{};
  std::uint64_t run_id = 0;
  std::string address;
  UnixNanos since;
};

struct PlanFigures {
  std::uint64_t sent_version = 0;
  UnixNanos sent;
  std::uint64_t acked_version = 0;
  std::uint32_t sessions = 0;
  std::uint32_t capped = 0;
  std::string reason;
};

struct TableFigures {
  TableVersion loaded;
  UnixNanos loaded_at;
  TableVersion refused;
  std::string refused_reason;
};

struct AgentRecord {
  NodeId id;
  std::string name;
  std::string public_key;
  std::string next_key;  // during a change-over
  UnixNanos enrolled_at;
  bool enrolled = false;
  UnixNanos left_at;  // when it ceased to be enrolled; zero while it is

  std::optional<Node> profile;  // from its last Hello, `id` filled in
  std::string software;
  AgentState state = AgentState::never_seen;
  std::optional<AgentConnection> connection;
  std::uint64_t last_run_id = 0;
  std::deque<std::uint64_t> superseded_runs;       // at most kSupersededRunsMax
  std::deque<std::string> superseded_connections;  // the same
  MonoTime last_heard;
  UnixNanos last_heard_at;  // zero: never
  Duration clock_ahead{};   // of its wall clock, from its pings; delay included

  // Its agent restarts, by its own word: until when it is waited for. Zero: it does not.
  MonoTime away_until;

  bool dead = false;  // its node is believed to be down
  std::string dead_reason;
  UnixNanos dead_since;
  // Since when every peer that probes it fast calls its links to it dead; zero: some do not.
  MonoTime unreached_since;

  ReportFigures reports;
  NodeLoad load;
  PlanFigures plan;
  TableFigures table;
  std::optional<AgentStatus> status;  // what it last said of itself
  Now status_at;
  UnixNanos probes_refused_at;  // when it last told of more probes that were not under their secret

  // An agent that restarts counts as heard until its grace is over.
  [[nodiscard]] bool heard() const { return state == AgentState::connected; }
  [[nodiscard]] bool away() const { return away_until != MonoTime{}; }
};

inline constexpr std::size_t kSupersededRunsMax = 8;

using Agents = std::map<NodeId, AgentRecord>;

}  // namespace linkpilot::collector
