// Writes one batch as one transaction, and keeps the store within its bounds. Internal to store/;
// used by the store's thread only.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "collector/store/blob_codec.h"
#include "collector/store/database.h"
#include "collector/store/fault_rows.h"
#include "collector/store/store.h"

namespace linkpilot::collector {

struct StoreBatch {
  std::vector<StoredReport> reports;
  std::vector<Event> events;
  struct Table {
    SignedTable table;
    UnixNanos created;
  };
  std::vector<Table> tables;
  std::vector<StoredNode> nodes;
  std::vector<HandChange> hand;
  std::uint64_t nodes_ticket = 0;
  FaultNotes faults;
  std::uint64_t faults_ticket = 0;
  [[nodiscard]] bool empty() const {
    return reports.empty() && events.empty() && tables.empty() && nodes.empty() && hand.empty() &&
           faults.empty();
  }
};

struct RetentionRule {
  UnixNanos keep_since;  // older reports go
  Bytes size_max;
};

class CommitWriter {
 public:
  // Opens the database anew; also after a failure, because a connection that met an I/O error is
  // not trusted again.
  [[nodiscard]] static Result<std::unique_ptr<CommitWriter>> open(const std::string& path);

  // All or nothing; durable when it returns success.
  [[nodiscard]] Status commit(const StoreBatch& batch);
  // Deletes a slice of what is too old or too much; returns how many reports went.
  [[nodiscard]] Result<std::uint64_t> expire(const RetentionRule& rule, std::uint64_t slice_max);
  [[nodiscard]] Result<std::uint64_t> used_bytes();

 private:
  explicit CommitWriter(Database database) : database_(std::move(database)) {}
  [[nodiscard]] Status prepare();
  [[nodiscard]] Status write(const StoreBatch& batch);
  [[nodiscard]] Status write_reports(const std::vector<StoredReport>& reports);
  [[nodiscard]] Status write_notes(const StoreBatch& batch);
  [[nodiscard]] Status write_hand(const HandChange& change);

  Database database_;
  BlobPacker packer_;
  Statement insert_report_;
  Statement replace_mark_;
  Statement insert_event_;
  Statement insert_table_;
  Statement trim_tables_;
  Statement replace_node_;
  Statement insert_override_;
  Statement delete_override_;
  Statement insert_audit_;
  FaultRows faults_;
};

}  // namespace linkpilot::collector
