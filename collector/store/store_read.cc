#include <cstring>

#include "base/message.h"
#include "collector/store/database.h"
#include "collector/store/report_segment.h"
#include "collector/store/store.h"

namespace linkpilot::collector {

namespace {

ReportRow row_of(const SegmentRecord& record) {
  const RecordHead& head = record.head;
  ReportRow row;
  row.row = head.row;
  row.node = NodeId{head.node};
  row.id = {head.epoch, head.sequence};
  row.received = UnixNanos{head.received_ns};
  row.words.resize((record.payload.size() + 7) / 8);
  if (!record.payload.empty()) {
    std::memcpy(row.words.data(), record.payload.data(), record.payload.size());
  }
  row.octets = record.payload.size();
  return row;
}

// Committed reports of rows after `after_row`, oldest first, until `visit` says false.
Status visit_rows(const std::vector<SegmentFile>& segments, std::uint64_t after_row,
                  const std::function<bool(const RecordHead&)>& wanted,
                  const std::function<bool(const SegmentRecord&)>& visit) {
  bool more = true;
  for (const SegmentFile& segment : segments) {
    if (!segment.whole_head || segment.rows_end <= after_row + 1) continue;
    const Result<SegmentScan> scan = scan_segment(
        segment,
        [&](const RecordHead& head) {
          return head.kind == RecordKind::report && head.row > after_row &&
                 head.row < segment.rows_end && wanted(head);
        },
        [&](const SegmentRecord& record) {
          more = visit(record);
          return more;
        });
    // Expired while it was read: what is gone is gone.
    if (!scan && scan.error().code != ErrorCode::not_found) return fail(scan.error());
    if (!more) break;
  }
  return {};
}

}  // namespace

std::span<const std::uint8_t> ReportRow::bytes() const {
  // Octets may alias anything ([basic.lval]).
  return {reinterpret_cast<const std::uint8_t*>(words.data()), octets};
}

Result<std::vector<ReportRow>> read_reports(const std::string& path, std::uint64_t after_row,
                                            std::size_t count) {
  std::vector<ReportRow> rows;
  if (count == 0) return rows;
  Status status = visit_rows(
      list_segments(report_directory(path)), after_row, [](const RecordHead&) { return true; },
      [&](const SegmentRecord& record) {
        rows.push_back(row_of(record));
        return rows.size() < count;
      });
  if (!status) return fail(status.error());
  return rows;
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
  std::vector<SegmentFile> segments = list_segments(report_directory(path));
  // A segment holds nothing younger than the beginning of the one after it.
  std::size_t first = 0;
  for (std::size_t i = 1; i < segments.size(); ++i) {
    if (segments[i].whole_head && segments[i].head.created_ns <= since.ns) first = i;
  }
  segments.erase(segments.begin(), segments.begin() + static_cast<std::ptrdiff_t>(first));
  std::uint64_t last_row = 0;
  Status status = visit_rows(
      segments, 0,
      [&](const RecordHead& head) {
        last_row = head.row;
        return false;
      },
      [](const SegmentRecord&) { return true; });
  if (!status) return status;
  return visit_rows(
      segments, last_row > count ? last_row - count : 0,
      [&](const RecordHead& head) { return head.received_ns >= since.ns; },
      [&](const SegmentRecord& record) {
        visit(row_of(record));
        return true;
      });
}

}  // namespace linkpilot::collector
