#include <fmt/format.h>

#include "base/message.h"
#include "collector/store/blob_codec.h"
#include "collector/store/database.h"
#include "collector/store/store.h"

namespace linkpilot::collector {

namespace {

constexpr std::string_view kColumns =
    "SELECT id, node, epoch, sequence, received_ns, bytes FROM reports";

Result<ReportRow> row_of(const Statement& statement) {
  ReportRow row;
  row.row = as_identity(statement.integer(0));
  row.node = NodeId{static_cast<std::uint16_t>(statement.integer(1))};
  row.id = {as_identity(statement.integer(2)), as_identity(statement.integer(3))};
  row.received = UnixNanos{statement.integer(4)};
  Result<UnpackedBlob> blob = unpack_blob(statement.blob(5), kMessageBytesMax);
  if (!blob) return fail(blob.error().in(fmt::format("report row {}", row.row)));
  row.words = std::move(blob->words);
  row.octets = blob->octets;
  return row;
}

}  // namespace

std::span<const std::uint8_t> ReportRow::bytes() const {
  // Octets may alias anything ([basic.lval]).
  return {reinterpret_cast<const std::uint8_t*>(words.data()), octets};
}

Result<std::vector<ReportRow>> read_reports(const std::string& path, std::uint64_t after_row,
                                            std::size_t count) {
  Result<Database> database = Database::open(path, Database::Access::read_only);
  if (!database) return fail(database.error());
  Result<Statement> statement =
      database->prepare(fmt::format("{} WHERE id > ? ORDER BY id LIMIT ?", kColumns));
  if (!statement) return fail(statement.error());
  statement->bind(1, as_stored(after_row)).bind(2, static_cast<std::int64_t>(count));
  std::vector<ReportRow> rows;
  for (;;) {
    Result<bool> more = statement->step();
    if (!more) return fail(more.error());
    if (!*more) return rows;
    Result<ReportRow> row = row_of(*statement);
    if (!row) return fail(row.error());
    rows.push_back(*std::move(row));
  }
}

Result<std::vector<SignedTable>> read_tables(const std::string& path, TableVersion at) {
  Result<Database> database = Database::open(path, Database::Access::read_only);
  if (!database) return fail(database.error());
  Result<Statement> statement = database->prepare(
      "SELECT node, max(version), body FROM tables WHERE epoch = ? AND version <= ? GROUP BY node");
  if (!statement) return fail(statement.error());
  statement->bind(1, as_stored(at.epoch)).bind(2, as_stored(at.version));
  std::vector<SignedTable> tables;
  for (;;) {
    Result<bool> more = statement->step();
    if (!more) return fail(more.error());
    if (!*more) return tables;
    SignedTable& table = tables.emplace_back();
    table.node = NodeId{static_cast<std::uint16_t>(statement->integer(0))};
    table.version = {at.epoch, as_identity(statement->integer(1))};
    const std::span<const std::uint8_t> body = statement->blob(2);
    table.body.assign(body.begin(), body.end());
  }
}

Status visit_reports_since(const std::string& path, UnixNanos since, std::size_t count,
                           const std::function<void(const ReportRow&)>& visit) {
  Result<Database> database = Database::open(path, Database::Access::read_only);
  if (!database) return fail(database.error());
  // Rows are numbered as they arrive, so the newest `count` rows hold all there is since `since`.
  Result<Statement> statement =
      database->prepare(fmt::format("{} WHERE id > (SELECT coalesce(max(id), 0) FROM reports) - ? "
                                    "AND received_ns >= ? ORDER BY id",
                                    kColumns));
  if (!statement) return fail(statement.error());
  statement->bind(1, static_cast<std::int64_t>(count)).bind(2, since.ns);
  for (;;) {
    Result<bool> more = statement->step();
    if (!more) return fail(more.error());
    if (!*more) return {};
    Result<ReportRow> row = row_of(*statement);
    if (row) visit(*row);
  }
}

}  // namespace linkpilot::collector
