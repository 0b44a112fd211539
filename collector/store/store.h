// What the collector must not forget: reports with their dedup marks (durable before they are
// acknowledged), and notes: node numbers, published tables, events, faults and their mails, what
// operators ordered. Reports lie in segment files of our own beside the notes, which are one SQLite
// file in WAL mode; this folder is the boundary behind which a larger fleet would have a log of its
// own.
//
// Three parts: `open` reads what is there and counts the epoch up; one thread commits the queued
// reports (group commit: everything that arrives within `commit_interval` of the first); another
// commits notes and keeps the whole within its bounds, so that no report ever waits for that. When
// the disk fails nothing is lost and nothing acknowledged: the batch is tried again until it is
// down, the queue fills, and `put` says no.
//
// `put_*` are for one thread (the loop's); `on_commit` and `on_state` come on the store's threads.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "base/message.h"
#include "base/result.h"
#include "base/sketch.h"
#include "base/units.h"
#include "collector/faults/fault.h"
#include "collector/hand/override.h"
#include "collector/ingest/report_dedup.h"
#include "collector/notify/outgoing_mail.h"
#include "collector/registry/registry.h"

namespace linkpilot::collector {

struct StoredReport {
  NodeId node;
  ReportId id;
  UnixNanos received;
  EpochMark mark;                   // the agent's, after this report
  std::vector<std::uint8_t> bytes;  // as received: schemas::encode(Report)
};

enum class EventLevel : std::uint8_t { info, warn, error };

struct Event {
  std::uint64_t id = 0;
  UnixNanos time;
  EventLevel level = EventLevel::info;
  std::string name;
  std::string node;
  std::string link;
  std::string detail;
};

// A node as the registry knows it, with its last Hello (empty: never heard).
struct StoredNode {
  RegistryEntry entry;
  std::vector<std::uint8_t> hello;  // schemas::encode(Hello)
};

struct RestoredDedup {
  NodeId node;
  EpochMark mark;
  std::vector<std::uint64_t> ahead;  // stored sequences above mark.high
};

// What was there at start.
struct Restored {
  std::uint64_t epoch = 0;  // of this run of the collector, already durable
  std::vector<StoredNode> nodes;
  std::vector<RestoredDedup> dedup;
  UnixNanos from_backup;            // when this store was made from a backup; 0: never
  std::string damage;               // what was found damaged and put aside: a sentence, or nothing
  std::vector<SignedTable> tables;  // the newest of each node
  std::vector<Event> events;        // the newest, oldest first
  std::vector<Override> overrides;  // in force when last told, by id
  std::vector<AuditEntry> audit;    // the newest, oldest first
  std::uint64_t next_override = 1;  // above every id ever used
  std::vector<Fault> open_faults;
  std::vector<Fault> past_faults;   // the newest resolved ones, oldest first
  std::vector<OutgoingMail> mails;  // not handed over yet, oldest first
  std::vector<NoticeRow> notices;   // by key
};

// What a fault's event changes, down together or not at all.
struct FaultNote {
  std::optional<Fault> fault;  // as it stands
  std::vector<OutgoingMail> mails;
  std::vector<NoticeRow> notices;
};

struct StoreOptions {
  std::string path;
  Duration retention{};
  Bytes size_max;
  Duration commit_interval{};
  std::size_t queue_reports_max = 8'192;
  Bytes queue_bytes_max{std::uint64_t{64} << 20};
};

// The newest durable mark of one agent's epoch.
struct DurableMark {
  NodeId node;
  EpochMark mark;
};

struct Commit {
  std::vector<DurableMark> marks;
  std::uint64_t nodes_ticket = 0;   // all `put_nodes` and `put_hand` up to this one are durable
  std::uint64_t faults_ticket = 0;  // and all `put_fault`
};

struct StoreFigures {
  bool ok = true;
  std::string reason;         // when not ok
  UnixNanos since;            // when not ok
  std::uint64_t reports = 0;  // committed by this run
  std::uint64_t commits = 0;
  std::uint64_t failures = 0;
  std::uint64_t bytes = 0;     // of the disk, what is set aside for the next reports included
  std::uint64_t segments = 0;  // files that reports lie in
  std::uint64_t expired = 0;   // reports deleted by retention or size
  std::uint64_t queue_reports = 0;
  std::uint64_t queue_bytes = 0;
  std::uint64_t refused = 0;        // reports the queue had no room for
  std::uint64_t dropped_notes = 0;  // events and tables the queue had no room for
  LatencySketch commit_time;        // of the last few hundred commits of reports
};

// A report read back.
struct ReportRow {
  std::uint64_t row = 0;  // grows in the order of storing
  NodeId node;
  ReportId id;
  UnixNanos received;
  std::vector<std::uint64_t> words;  // holds the message, 8-byte aligned
  std::size_t octets = 0;
  [[nodiscard]] std::span<const std::uint8_t> bytes() const;
};

class Store {
 public:
  using OnCommit = std::function<void(Commit)>;
  using OnState = std::function<void(Status)>;  // failing and recovered, once each

  // Creates the file if it is missing. `now` stamps a new epoch.
  [[nodiscard]] static Result<std::unique_ptr<Store>> open(const StoreOptions& options,
                                                           UnixNanos now, Restored& restored);
  virtual ~Store() = default;

  // Starts the threads.
  virtual void start(OnCommit on_commit, OnState on_state) = 0;
  // Commits what is queued (tries for at most two seconds) and ends the threads.
  virtual void stop() = 0;
  virtual void reconfigure(Duration retention, Bytes size_max, Duration commit_interval) = 0;

  // Only the caller of `put_report` takes room, so what was free stays free until it puts.
  [[nodiscard]] virtual bool has_room(std::size_t octets) const = 0;
  // Refused (and counted) without room.
  virtual bool put_report(StoredReport report) = 0;
  virtual void put_event(Event event) = 0;
  virtual void put_table(SignedTable table, UnixNanos created) = 0;
  // Returns the ticket that `Commit` will name.
  virtual std::uint64_t put_nodes(std::vector<StoredNode> nodes) = 0;
  // The operator's overrides and the audit log; a ticket like that of `put_nodes`.
  virtual std::uint64_t put_hand(HandChange change) = 0;
  // Returns the ticket. Beyond the queue's bound the oldest wait is dropped and counted.
  virtual std::uint64_t put_fault(FaultNote note) = 0;
  virtual void put_mail(OutgoingMail mail) = 0;  // again, with fewer recipients left
  virtual void drop_mail(std::uint64_t id) = 0;  // handed over, or given up
  [[nodiscard]] virtual StoreFigures figures() const = 0;
};

// Reads on a connection of its own: any thread, one reader each. Rows after `row`, at most `count`.
[[nodiscard]] Result<std::vector<ReportRow>> read_reports(const std::string& path,
                                                          std::uint64_t after_row,
                                                          std::size_t count);
// What each node had at `version` of `epoch`: its newest table not above it, of those still kept.
// Without signatures.
[[nodiscard]] Result<std::vector<SignedTable>> read_tables(const std::string& path,
                                                           TableVersion at);
// Calls `visit` with every report received since `since`, oldest first, at most `count`.
[[nodiscard]] Status visit_reports_since(const std::string& path, UnixNanos since,
                                         std::size_t count,
                                         const std::function<void(const ReportRow&)>& visit);

}  // namespace linkpilot::collector
