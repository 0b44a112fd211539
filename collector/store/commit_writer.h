// Writes one batch of notes (all that is not a report) as one SQLite transaction. Internal to
// store/; used by the notes' thread only.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "collector/store/database.h"
#include "collector/store/fault_rows.h"
#include "collector/store/store.h"

namespace linkpilot::collector {

struct NoteBatch {
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
    return events.empty() && tables.empty() && nodes.empty() && hand.empty() && faults.empty();
  }
};

class CommitWriter {
 public:
  // Opens the database anew; also after a failure, because a connection that met an I/O error is
  // not trusted again.
  [[nodiscard]] static Result<std::unique_ptr<CommitWriter>> open(const std::string& path);

  // All or nothing; durable when it returns success.
  [[nodiscard]] Status commit(const NoteBatch& batch);
  [[nodiscard]] Result<std::uint64_t> used_bytes();

 private:
  explicit CommitWriter(Database database) : database_(std::move(database)) {}
  [[nodiscard]] Status prepare();
  [[nodiscard]] Status write(const NoteBatch& batch);
  [[nodiscard]] Status write_hand(const HandChange& change);

  Database database_;
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
