#include "collector/store/commit_writer.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include "collector/store/store_schema.h"

namespace linkpilot::collector {

Result<std::unique_ptr<CommitWriter>> CommitWriter::open(const std::string& path) {
  Result<Database> database = Database::open(path, Database::Access::read_write);
  if (!database) return fail(database.error());
  std::unique_ptr<CommitWriter> writer(new CommitWriter(*std::move(database)));
  if (Status status = writer->prepare(); !status) return fail(status.error());
  return writer;
}

Status CommitWriter::prepare() {
  if (Status status = prepare_connection(database_); !status) return status;
  struct Prepared {
    Statement* statement;
    const char* sql;
  };
  const Prepared statements[] = {
      {&insert_event_,
       "INSERT OR REPLACE INTO events(id, time_ns, level, name, node, link, detail) "
       "VALUES(?, ?, ?, ?, ?, ?, ?)"},
      {&insert_table_,
       "INSERT OR REPLACE INTO tables(node, epoch, version, created_ns, signer, signature, body) "
       "VALUES(?, ?, ?, ?, ?, ?, ?)"},
      {&trim_tables_,
       "DELETE FROM tables WHERE node = ?1 AND rowid NOT IN (SELECT rowid FROM tables WHERE node = "
       "?1 "
       "ORDER BY epoch DESC, version DESC LIMIT ?2)"},
      {&replace_node_,
       "INSERT INTO nodes(id, name, public_key, enrolled_ns, hello) VALUES(?, ?, ?, ?, ?) "
       "ON CONFLICT(id) DO UPDATE SET public_key = excluded.public_key, "
       "hello = CASE WHEN length(excluded.hello) > 0 THEN excluded.hello ELSE hello END"},
      {&insert_override_,
       "INSERT OR REPLACE INTO overrides(id, kind, node, target, via, region, epoch, version, "
       "author, reason, created_ns, expires_ns) VALUES(?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)"},
      {&delete_override_, "DELETE FROM overrides WHERE id = ?"},
      {&insert_audit_,
       "INSERT OR REPLACE INTO audit(id, time_ns, author, action, subject, outcome, reason, "
       "detail) VALUES(?, ?, ?, ?, ?, ?, ?, ?)"},
  };
  for (const Prepared& each : statements) {
    Result<Statement> statement = database_.prepare(each.sql);
    if (!statement) return fail(statement.error());
    *each.statement = *std::move(statement);
  }
  return faults_.prepare(database_);
}

Status CommitWriter::commit(const NoteBatch& batch) {
  if (Status status = database_.execute("BEGIN IMMEDIATE"); !status) return status;
  Status status = write(batch);
  if (status) status = database_.execute("COMMIT");
  if (!status) (void)database_.execute("ROLLBACK");  // the first failure is the one to tell
  return status;
}

Status CommitWriter::write(const NoteBatch& batch) {
  if (!batch.faults.empty()) {
    if (Status status = faults_.write(database_, batch.faults); !status) return status;
  }
  for (const StoredNode& node : batch.nodes) {
    Status status = replace_node_.bind(1, std::int64_t{node.entry.id.value})
                        .bind(2, node.entry.name)
                        .bind(3, node.entry.public_key)
                        .bind(4, node.entry.enrolled_at.ns)
                        .bind(5, node.hello)
                        .run();
    if (!status) return status;
  }
  for (const NoteBatch::Table& each : batch.tables) {
    const SignedTable& table = each.table;
    Status status = insert_table_.bind(1, std::int64_t{table.node.value})
                        .bind(2, as_stored(table.version.epoch))
                        .bind(3, as_stored(table.version.version))
                        .bind(4, each.created.ns)
                        .bind(5, table.signer)
                        .bind(6, table.signature)
                        .bind(7, table.body)
                        .run();
    if (!status) return status;
    status = trim_tables_.bind(1, std::int64_t{table.node.value})
                 .bind(2, static_cast<std::int64_t>(kTablesKeptPerNode))
                 .run();
    if (!status) return status;
  }
  for (const Event& event : batch.events) {
    Status status = insert_event_.bind(1, as_stored(event.id))
                        .bind(2, event.time.ns)
                        .bind(3, static_cast<std::int64_t>(event.level))
                        .bind(4, event.name)
                        .bind(5, event.node)
                        .bind(6, event.link)
                        .bind(7, event.detail)
                        .run();
    if (!status) return status;
  }
  for (const HandChange& change : batch.hand) {
    if (Status status = write_hand(change); !status) return status;
  }
  if (batch.events.empty()) return {};
  return database_.execute(
      fmt::format("DELETE FROM events WHERE id <= {} - {}", batch.events.back().id, kEventsKept));
}

Status CommitWriter::write_hand(const HandChange& change) {
  for (const Override& over : change.put) {
    // Names of nodes hold no comma.
    const std::string via = fmt::format("{}", fmt::join(over.via, ","));
    Status status = insert_override_.bind(1, as_stored(over.id))
                        .bind(2, static_cast<std::int64_t>(over.kind))
                        .bind(3, over.node)
                        .bind(4, over.target)
                        .bind(5, via)
                        .bind(6, over.region)
                        .bind(7, as_stored(over.version.epoch))
                        .bind(8, as_stored(over.version.version))
                        .bind(9, over.author)
                        .bind(10, over.reason)
                        .bind(11, over.created.ns)
                        .bind(12, over.expires.ns)
                        .run();
    if (!status) return status;
    status = database_.execute(fmt::format(
        "INSERT OR REPLACE INTO meta(name, value) VALUES('next_override', {})", over.id + 1));
    if (!status) return status;
  }
  for (const std::uint64_t id : change.ended) {
    if (Status status = delete_override_.bind(1, as_stored(id)).run(); !status) return status;
  }
  for (const AuditEntry& entry : change.audit) {
    Status status = insert_audit_.bind(1, as_stored(entry.id))
                        .bind(2, entry.time.ns)
                        .bind(3, entry.author)
                        .bind(4, entry.action)
                        .bind(5, entry.subject)
                        .bind(6, entry.outcome)
                        .bind(7, entry.reason)
                        .bind(8, entry.detail)
                        .run();
    if (!status) return status;
  }
  if (change.audit.empty()) return {};
  return database_.execute(
      fmt::format("DELETE FROM audit WHERE id <= {} - {}", change.audit.back().id, kAuditKept));
}

Result<std::uint64_t> CommitWriter::used_bytes() {
  Result<std::int64_t> used = database_.integer_of(
      "SELECT (page_count - freelist_count) * page_size "
      "FROM pragma_page_count(), pragma_freelist_count(), pragma_page_size()");
  if (!used) return fail(used.error());
  return static_cast<std::uint64_t>(*used);
}

}  // namespace linkpilot::collector
