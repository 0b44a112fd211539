#include "collector/store/store_schema.h"

#include <fmt/format.h>

#include <algorithm>
#include <map>

#include "collector/store/fault_rows.h"

namespace linkpilot::collector {

namespace {

constexpr const char* kTables = R"(
CREATE TABLE IF NOT EXISTS meta(name TEXT PRIMARY KEY, value INTEGER NOT NULL) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS nodes(id INTEGER PRIMARY KEY, name TEXT NOT NULL UNIQUE,
  public_key TEXT NOT NULL, enrolled_ns INTEGER NOT NULL, hello BLOB);
CREATE TABLE IF NOT EXISTS tables(node INTEGER NOT NULL, epoch INTEGER NOT NULL,
  version INTEGER NOT NULL, created_ns INTEGER NOT NULL, signer BLOB NOT NULL,
  signature BLOB NOT NULL, body BLOB NOT NULL, PRIMARY KEY(node, epoch, version));
CREATE TABLE IF NOT EXISTS events(id INTEGER PRIMARY KEY, time_ns INTEGER NOT NULL,
  level INTEGER NOT NULL, name TEXT NOT NULL, node TEXT NOT NULL, link TEXT NOT NULL,
  detail TEXT NOT NULL);
CREATE TABLE IF NOT EXISTS overrides(id INTEGER PRIMARY KEY, kind INTEGER NOT NULL,
  node TEXT NOT NULL, target TEXT NOT NULL, via TEXT NOT NULL, region TEXT NOT NULL,
  epoch INTEGER NOT NULL, version INTEGER NOT NULL, author TEXT NOT NULL, reason TEXT NOT NULL,
  created_ns INTEGER NOT NULL, expires_ns INTEGER NOT NULL);
CREATE TABLE IF NOT EXISTS audit(id INTEGER PRIMARY KEY, time_ns INTEGER NOT NULL,
  author TEXT NOT NULL, action TEXT NOT NULL, subject TEXT NOT NULL, outcome TEXT NOT NULL,
  reason TEXT NOT NULL, detail TEXT NOT NULL);
)";

std::vector<std::uint8_t> octets_of(std::span<const std::uint8_t> bytes) {
  return {bytes.begin(), bytes.end()};
}

NodeId node_of(std::int64_t value) { return NodeId{static_cast<std::uint16_t>(value)}; }

// Calls `row` for every row of the query.
Status for_each(Database& database, std::string_view sql,
                const std::function<void(const Statement&)>& row) {
  Result<Statement> statement = database.prepare(sql);
  if (!statement) return fail(statement.error());
  for (;;) {
    Result<bool> more = statement->step();
    if (!more) return fail(more.error());
    if (!*more) return {};
    row(*statement);
  }
}

Status restore_nodes(Database& database, Restored& restored) {
  return for_each(database,
                  "SELECT id, name, public_key, enrolled_ns, hello FROM nodes ORDER BY id",
                  [&](const Statement& row) {
                    StoredNode node;
                    node.entry.id = node_of(row.integer(0));
                    node.entry.name = row.text(1);
                    node.entry.public_key = row.text(2);
                    node.entry.enrolled_at = UnixNanos{row.integer(3)};
                    node.hello = octets_of(row.blob(4));
                    restored.nodes.push_back(std::move(node));
                  });
}

Status restore_tables(Database& database, Restored& restored) {
  std::map<NodeId, SignedTable> newest;
  Status status = for_each(
      database,
      "SELECT node, epoch, version, signer, signature, body FROM tables ORDER BY epoch, version",
      [&](const Statement& row) {
        SignedTable table;
        table.node = node_of(row.integer(0));
        table.version = {as_identity(row.integer(1)), as_identity(row.integer(2))};
        table.signer = octets_of(row.blob(3));
        table.signature = octets_of(row.blob(4));
        table.body = octets_of(row.blob(5));
        newest[table.node] = std::move(table);
      });
  if (!status) return status;
  for (auto& [node, table] : newest) restored.tables.push_back(std::move(table));
  return {};
}

Status restore_events(Database& database, Restored& restored) {
  Status status = for_each(
      database,
      fmt::format("SELECT id, time_ns, level, name, node, link, detail FROM events ORDER BY id "
                  "DESC LIMIT {}",
                  kEventsRestored),
      [&](const Statement& row) {
        Event event;
        event.id = as_identity(row.integer(0));
        event.time = UnixNanos{row.integer(1)};
        event.level = static_cast<EventLevel>(std::clamp<std::int64_t>(row.integer(2), 0, 2));
        event.name = row.text(3);
        event.node = row.text(4);
        event.link = row.text(5);
        event.detail = row.text(6);
        restored.events.push_back(std::move(event));
      });
  std::reverse(restored.events.begin(), restored.events.end());
  return status;
}

std::vector<std::string> split_names(const std::string& text) {
  std::vector<std::string> names;
  for (std::size_t at = 0; at < text.size();) {
    const std::size_t end = std::min(text.find(',', at), text.size());
    names.push_back(text.substr(at, end - at));
    at = end + 1;
  }
  return names;
}

Status restore_hand(Database& database, Restored& restored) {
  Status status = for_each(
      database,
      fmt::format("SELECT id, kind, node, target, via, region, epoch, version, author, reason, "
                  "created_ns, expires_ns FROM overrides ORDER BY id LIMIT {}",
                  kOverridesMax),
      [&](const Statement& row) {
        const std::int64_t kind = row.integer(1);
        if (kind < static_cast<std::int64_t>(HandKind::drain) ||
            kind > static_cast<std::int64_t>(HandKind::rollback)) {
          return;  // of a newer program
        }
        Override over;
        over.id = as_identity(row.integer(0));
        over.kind = static_cast<HandKind>(kind);
        over.node = row.text(2);
        over.target = row.text(3);
        over.via = split_names(row.text(4));
        over.region = row.text(5);
        over.version = {as_identity(row.integer(6)), as_identity(row.integer(7))};
        over.author = row.text(8);
        over.reason = row.text(9);
        over.created = UnixNanos{row.integer(10)};
        over.expires = UnixNanos{row.integer(11)};
        restored.overrides.push_back(std::move(over));
      });
  if (!status) return status;
  Result<std::int64_t> next =
      database.integer_of("SELECT value FROM meta WHERE name = 'next_override'");
  if (!next) return fail(next.error());
  restored.next_override = std::max<std::uint64_t>(1, as_identity(*next));
  status = for_each(
      database,
      fmt::format("SELECT id, time_ns, author, action, subject, outcome, reason, detail FROM audit "
                  "ORDER BY id DESC LIMIT {}",
                  kAuditRestored),
      [&](const Statement& row) {
        AuditEntry entry;
        entry.id = as_identity(row.integer(0));
        entry.time = UnixNanos{row.integer(1)};
        entry.author = row.text(2);
        entry.action = row.text(3);
        entry.subject = row.text(4);
        entry.outcome = row.text(5);
        entry.reason = row.text(6);
        entry.detail = row.text(7);
        restored.audit.push_back(std::move(entry));
      });
  std::reverse(restored.audit.begin(), restored.audit.end());
  return status;
}

}  // namespace

Status prepare_connection(Database& database) {
  // FULL: the log is on the disk before COMMIT returns; a node's number must be, before it is told.
  return database.execute(
      "PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL;"
      "PRAGMA temp_store = MEMORY; PRAGMA cache_size = -8192; PRAGMA journal_size_limit = "
      "67108864");
}

Status prepare_schema(Database& database) {
  Result<std::int64_t> schema = database.integer_of("PRAGMA user_version");
  if (!schema) return fail(schema.error());
  if (*schema > kStoreSchema) {
    return fail(ErrorCode::corrupt, fmt::format("its schema is version {}, this program knows {}",
                                                *schema, kStoreSchema));
  }
  if (*schema == 1) {
    // Reports and their marks lie in segments since version 2 (report_segment.h).
    Status status =
        database.execute("DROP TABLE IF EXISTS reports; DROP TABLE IF EXISTS marks; VACUUM");
    if (!status) return status;
  }
  if (Status status = database.execute(kTables); !status) return status;
  if (Status status = database.execute(kFaultTables); !status) return status;
  return database.execute(fmt::format("PRAGMA user_version = {}", kStoreSchema));
}

Result<std::uint64_t> next_epoch(Database& database, UnixNanos now) {
  Result<std::int64_t> last = database.integer_of("SELECT value FROM meta WHERE name = 'epoch'");
  if (!last) return fail(last.error());
  // Tables may be of a later epoch than the run that made them began with (Publisher::raise_epoch).
  Result<std::int64_t> published = database.integer_of("SELECT max(epoch) FROM tables");
  if (!published) return fail(published.error());
  const std::int64_t epoch =
      std::max({*last + 1, *published + 1, std::int64_t{now.ns / 1'000'000'000}});
  Status status = database.execute(
      fmt::format("INSERT OR REPLACE INTO meta(name, value) VALUES('epoch', {})", epoch));
  if (!status) return fail(status.error());
  return static_cast<std::uint64_t>(epoch);
}

Status restore(Database& database, Restored& restored) {
  Result<std::int64_t> adopted =
      database.integer_of("SELECT value FROM meta WHERE name = 'restored_ns'");
  if (!adopted) return fail(adopted.error());
  restored.from_backup = UnixNanos{*adopted};
  if (Status status = restore_nodes(database, restored); !status) return status;
  if (Status status = restore_tables(database, restored); !status) return status;
  if (Status status = restore_events(database, restored); !status) return status;
  if (Status status = restore_hand(database, restored); !status) return status;
  return restore_faults(database, restored);
}

}  // namespace linkpilot::collector
