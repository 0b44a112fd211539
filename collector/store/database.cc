#include "collector/store/database.h"

#include <fmt/format.h>
#include <sqlite3.h>

namespace linkpilot::collector {

namespace {

constexpr int kBusyTimeoutMs = 5'000;

tl::unexpected<Error> fail_sqlite(sqlite3* database, std::string_view what) {
  const int code = database == nullptr ? SQLITE_NOMEM : sqlite3_extended_errcode(database);
  const char* message = database == nullptr ? "out of memory" : sqlite3_errmsg(database);
  ErrorCode kind = ErrorCode::internal;
  switch (code & 0xff) {
    case SQLITE_FULL:
      kind = ErrorCode::limit_exceeded;
      break;
    case SQLITE_CORRUPT:
    case SQLITE_NOTADB:
      kind = ErrorCode::corrupt;
      break;
    case SQLITE_CANTOPEN:
      kind = ErrorCode::not_found;
      break;
    case SQLITE_PERM:
    case SQLITE_READONLY:
      kind = ErrorCode::permission;
      break;
    case SQLITE_BUSY:
    case SQLITE_IOERR:
      kind = ErrorCode::unavailable;
      break;
    default:
      break;
  }
  return fail(kind, fmt::format("{}: {} (SQLite code {})", what, message, code));
}

// https://www.sqlite.org/uri.html: what is special in a path is written as %HH.
std::string immutable_uri(const std::string& path) {
  std::string uri = "file:";
  for (const char c : path) {
    if (c == '%' || c == '?' || c == '#') {
      uri += fmt::format("%{:02x}", static_cast<unsigned char>(c));
    } else {
      uri += c;
    }
  }
  return uri + "?immutable=1";
}

}  // namespace

void Statement::Finalize::operator()(sqlite3_stmt* statement) const { sqlite3_finalize(statement); }

Statement& Statement::bind(int index, std::int64_t value) {
  sqlite3_bind_int64(statement_.get(), index, value);
  return *this;
}

Statement& Statement::bind(int index, std::string_view value) {
  sqlite3_bind_text64(statement_.get(), index, value.data(), value.size(), SQLITE_STATIC,
                      SQLITE_UTF8);
  return *this;
}

Statement& Statement::bind(int index, std::span<const std::uint8_t> value) {
  if (value.empty()) {
    sqlite3_bind_zeroblob(statement_.get(), index, 0);  // a null pointer would be taken for NULL
    return *this;
  }
  sqlite3_bind_blob64(statement_.get(), index, value.data(), value.size(), SQLITE_STATIC);
  return *this;
}

Result<bool> Statement::step() {
  const int code = sqlite3_step(statement_.get());
  if (code == SQLITE_ROW) return true;
  if (code == SQLITE_DONE) return false;
  sqlite3* database = sqlite3_db_handle(statement_.get());
  auto error = fail_sqlite(database, sqlite3_sql(statement_.get()));
  reset();
  return error;
}

Status Statement::run() {
  for (;;) {
    Result<bool> row = step();
    if (!row) return fail(row.error());
    if (!*row) break;
  }
  reset();
  return {};
}

void Statement::reset() {
  sqlite3_reset(statement_.get());
  sqlite3_clear_bindings(statement_.get());
}

std::int64_t Statement::integer(int column) const {
  return sqlite3_column_int64(statement_.get(), column);
}

std::string Statement::text(int column) const {
  const auto octets = blob(column);
  return {octets.begin(), octets.end()};
}

std::span<const std::uint8_t> Statement::blob(int column) const {
  const void* data = sqlite3_column_blob(statement_.get(), column);
  const int size = sqlite3_column_bytes(statement_.get(), column);
  if (data == nullptr || size <= 0) return {};
  return {static_cast<const std::uint8_t*>(data), static_cast<std::size_t>(size)};
}

void Database::Close::operator()(sqlite3* database) const { sqlite3_close_v2(database); }

Result<Database> Database::open(const std::string& path, Access access) {
  const int flags =
      access == Access::read_write
          ? SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE
          : SQLITE_OPEN_READONLY | (access == Access::immutable ? SQLITE_OPEN_URI : 0);
  const std::string name = access == Access::immutable ? immutable_uri(path) : path;
  sqlite3* handle = nullptr;
  const int code = sqlite3_open_v2(name.c_str(), &handle, flags | SQLITE_OPEN_NOMUTEX, nullptr);
  Database database(handle);
  if (code != SQLITE_OK) return fail_sqlite(handle, fmt::format("open {}", path));
  sqlite3_busy_timeout(handle, kBusyTimeoutMs);
  return database;
}

Status Database::execute(const std::string& sql) {
  if (sqlite3_exec(database_.get(), sql.c_str(), nullptr, nullptr, nullptr) != SQLITE_OK) {
    return fail_sqlite(database_.get(), sql.substr(0, 60));
  }
  return {};
}

Result<Statement> Database::prepare(std::string_view sql) {
  sqlite3_stmt* statement = nullptr;
  if (sqlite3_prepare_v3(database_.get(), sql.data(), static_cast<int>(sql.size()),
                         SQLITE_PREPARE_PERSISTENT, &statement, nullptr) != SQLITE_OK) {
    return fail_sqlite(database_.get(), sql);
  }
  return Statement(statement);
}

Status Database::copy_to(const std::string& path) {
  Result<Database> target = open(path, Access::read_write);
  if (!target) return fail(target.error());
  // All pages in one step: the copy is of one read transaction, and in WAL mode no writer waits.
  sqlite3_backup* backup =
      sqlite3_backup_init(target->database_.get(), "main", database_.get(), "main");
  if (backup == nullptr) return fail_sqlite(target->database_.get(), "copy to " + path);
  const int stepped = sqlite3_backup_step(backup, -1);
  const int finished = sqlite3_backup_finish(backup);
  if (stepped != SQLITE_DONE || finished != SQLITE_OK) {
    return fail_sqlite(target->database_.get(), "copy to " + path);
  }
  return {};
}

Result<std::int64_t> Database::integer_of(std::string_view sql) {
  Result<Statement> statement = prepare(sql);
  if (!statement) return fail(statement.error());
  Result<bool> row = statement->step();
  if (!row) return fail(row.error());
  return *row ? statement->integer(0) : 0;
}

}  // namespace linkpilot::collector
