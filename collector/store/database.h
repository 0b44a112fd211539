// A thin adapter to SQLite: connections and statements that close themselves, failures as Status. A
// connection belongs to one thread.
#pragma once

#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <string_view>

#include "base/result.h"

struct sqlite3;
struct sqlite3_stmt;

namespace linkpilot::collector {

// 64-bit identities are kept bit for bit in SQLite's signed integers.
[[nodiscard]] constexpr std::int64_t as_stored(std::uint64_t value) {
  return static_cast<std::int64_t>(value);
}
[[nodiscard]] constexpr std::uint64_t as_identity(std::int64_t value) {
  return static_cast<std::uint64_t>(value);
}

// A prepared statement. Text and blobs are borrowed until the next `run`, `step` or `reset`.
class Statement {
 public:
  Statement() = default;
  explicit Statement(sqlite3_stmt* statement) : statement_(statement) {}

  Statement& bind(int index, std::int64_t value);
  Statement& bind(int index, std::string_view value);
  Statement& bind(int index, std::span<const std::uint8_t> value);

  // True while there is a row.
  [[nodiscard]] Result<bool> step();
  // Runs to the end and makes the statement ready for new values.
  [[nodiscard]] Status run();
  void reset();

  [[nodiscard]] std::int64_t integer(int column) const;
  [[nodiscard]] std::string text(int column) const;
  [[nodiscard]] std::span<const std::uint8_t> blob(int column) const;

 private:
  struct Finalize {
    void operator()(sqlite3_stmt* statement) const;
  };
  std::unique_ptr<sqlite3_stmt, Finalize> statement_;
};

class Database {
 public:
  // immutable: read only, and nobody else writes; needs no lock and makes no file beside it.
  enum class Access : std::uint8_t { read_only, read_write, immutable };
  [[nodiscard]] static Result<Database> open(const std::string& path, Access access);

  [[nodiscard]] Status execute(const std::string& sql);
  [[nodiscard]] Result<Statement> prepare(std::string_view sql);
  // A copy in a new file, of one moment, while others go on writing.
  [[nodiscard]] Status copy_to(const std::string& path);
  // The single integer that a query answers with; 0 for no row or NULL.
  [[nodiscard]] Result<std::int64_t> integer_of(std::string_view sql);

 private:
  struct Close {
    void operator()(sqlite3* database) const;
  };
  explicit Database(sqlite3* database) : database_(database) {}
  std::unique_ptr<sqlite3, Close> database_;
};

}  // namespace linkpilot::collector
