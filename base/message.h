// Every message between an agent (or a route reader, or the CLI's probe requests) and the
// collector, as values. schemas/ turns them into bytes and back; base/runtime carries the bytes.
#pragma once

#include <cstdint>
#include <string>
#include <variant>
#include <vector>

#include "base/fleet.h"
#include "base/plan.h"
#include "base/report.h"
#include "base/route_table.h"

namespace linkpilot {

inline constexpr std::uint16_t kSchemaVersion = 1;
inline constexpr std::size_t kMessageBytesMax = std::size_t{8} << 20;
inline constexpr std::size_t kTableBytesMax = std::size_t{4} << 20;

// --- from the agent ---

enum class ClientKind : std::uint8_t { unspecified, agent, route_reader };

// First message of a connection. Who it is follows from the CURVE key; what is said here must
// agree.
struct Hello {
  ClientKind kind = ClientKind::unspecified;
  Node self;  // id is ignored: the collector assigns it
  std::uint64_t report_epoch = 0;
  std::uint64_t run_id = 0;  // random per process: two runs with one key are told apart
  std::string software;      // "linkpilot-agent 0.1.0"
  TableVersion loaded;       // the table in use
  std::uint64_t plan_version = 0;
  friend bool operator==(const Hello&, const Hello&) = default;
};

struct TableAck {
  TableVersion version;  // the one judged
  bool accepted = false;
  std::string reason;   // when not accepted
  TableVersion in_use;  // what is served now
  UnixNanos loaded;
  friend bool operator==(const TableAck&, const TableAck&) = default;
};

struct PlanAck {
  std::uint64_t version = 0;
  std::uint32_t sessions = 0;
  std::uint32_t capped = 0;  // sessions slowed or refused by the agent's own ceilings
  std::string reason;
  friend bool operator==(const PlanAck&, const PlanAck&) = default;
};

struct Ping {
  std::uint64_t nonce = 0;
  UnixNanos sent;
  friend bool operator==(const Ping&, const Ping&) = default;
};

// The answer to a ProbeRequest: one sample over the whole burst.
struct ProbeResult {
  std::uint64_t request = 0;
  std::string error;  // empty: `sample` holds
  LinkSample sample;
  friend bool operator==(const ProbeResult&, const ProbeResult&) = default;
};

// Reports of this epoch up to and including `up_to` that have not come never will: the spool
// dropped them (Report::spool_dropped counts those), or their sequence was never used. Sent on
// every connection ahead of the first report of an epoch, and wherever sequences skip.
struct ReportsGone {
  ReportId up_to;
  friend bool operator==(const ReportsGone&, const ReportsGone&) = default;
};

// How old something is that is good for a time: a plan, a table.
enum class Freshness : std::uint8_t { unspecified, none, fresh, stale, expired };

// How the agent itself fares, as it is now: after each Welcome, on every change, each few seconds.
// Not durable, the newest holds.
struct AgentStatus {
  Freshness plan = Freshness::unspecified;   // stale: the collector was away for its lifetime
  Duration plan_age{};                       // since the collector was last heard
  Freshness table = Freshness::unspecified;  // stale: past the soft expiry; expired: the hard one
  Duration table_age{};                      // since the table in use was made
  std::uint64_t spool_reports = 0;           // not acknowledged
  std::uint64_t spool_octets = 0;            // of those reports
  std::uint64_t spool_disk_octets = 0;       // with what is kept after its acknowledgement
  std::uint64_t spool_dropped = 0;           // reports, ever
  std::uint64_t spool_failures = 0;          // writes and syncs that the disk refused, of this run
  std::string spool_error;                   // empty: the disk works
  std::uint64_t file_jobs_refused = 0;       // of this run: the file thread's queue was full
  // Of this run: probes and answers that came from where a peer is, but not under its secret.
  std::uint64_t probes_refused_authentication = 0;
  friend bool operator==(const AgentStatus&, const AgentStatus&) = default;
};

// The agent's process is about to end, in order. `restart`: it will be back within seconds, and the
// media process of its node, another process, forwards on meanwhile. `stop`: nobody is to wait for
// it; the host may be going down and its media process with it.
enum class ByeReason : std::uint8_t { unspecified, stop, restart };

struct Bye {
  ByeReason reason = ByeReason::unspecified;
  friend bool operator==(const Bye&, const Bye&) = default;
};

using AgentMessage = std::variant<Hello, Report, Alarm, TableAck, PlanAck, Ping, ProbeResult,
                                  ReportsGone, AgentStatus, Bye>;

// --- from the collector ---

struct Welcome {
  NodeId id;
  std::string name;
  std::string collector;  // software and version
  UnixNanos time;
  std::uint64_t acked_sequence = 0;  // of the Hello's report_epoch
  friend bool operator==(const Welcome&, const Welcome&) = default;
};

// Everything up to and including `sequence` of `epoch` is durable.
struct ReportAck {
  ReportId up_to;
  friend bool operator==(const ReportAck&, const ReportAck&) = default;
};

// A signed table. The signature is Ed25519 over exactly the octets of `body`, which is a whole
// schemas/route_file.h image, version and node included.
struct SignedTable {
  NodeId node;
  TableVersion version;
  std::vector<std::uint8_t> signer;     // 32 octets: which public key
  std::vector<std::uint8_t> signature;  // 64 octets
  std::vector<std::uint8_t> body;
  StageTimes stages;
  friend bool operator==(const SignedTable&, const SignedTable&) = default;
};

struct Pong {
  std::uint64_t nonce = 0;
  UnixNanos received;
  friend bool operator==(const Pong&, const Pong&) = default;
};

// Probe this link now, at this rate, and answer with a ProbeResult. Bounded by the agent's
// ceilings.
struct ProbeRequest {
  std::uint64_t request = 0;
  LinkId link;
  std::uint32_t count = 0;
  Duration interval{};
  friend bool operator==(const ProbeRequest&, const ProbeRequest&) = default;
};

struct Refused {
  std::string reason;  // e.g. "another agent holds this key"
  friend bool operator==(const Refused&, const Refused&) = default;
};

// Send again every report of this epoch from `first` on that the spool still has, acknowledged or
// not: what a collector asks that was restored from a backup. The agent goes back, then on from
// there.
struct ResendFrom {
  ReportId first;
  friend bool operator==(const ResendFrom&, const ResendFrom&) = default;
};

// Answers a Bye, after the peers were told. `grace`: for how long they and the collector wait;
// zero: not at all.
struct ByeAck {
  Duration grace{};
  friend bool operator==(const ByeAck&, const ByeAck&) = default;
};

// A peer's agent restarts: for `grace` from now its silence says nothing about the links to it.
// Zero: it is back.
struct PeerAway {
  NodeId node;
  Duration grace{};
  friend bool operator==(const PeerAway&, const PeerAway&) = default;
};

using CollectorMessage = std::variant<Welcome, ReportAck, Plan, SignedTable, Pong, ProbeRequest,
                                      Refused, ResendFrom, ByeAck, PeerAway>;

}  // namespace linkpilot
