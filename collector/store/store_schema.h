// The tables of the database, and what of them is read at start. Internal to store/.
#pragma once

#include "collector/store/database.h"
#include "collector/store/store.h"

namespace linkpilot::collector {

inline constexpr std::int64_t kStoreSchema = 2;
inline constexpr std::size_t kEventsKept = 100'000;
inline constexpr std::size_t kEventsRestored = 4'096;
inline constexpr std::size_t kTablesKeptPerNode = 20;

// Pragmas of every writing connection.
[[nodiscard]] Status prepare_connection(Database& database);
// Creates what is missing; `corrupt` for a schema that a newer program made.
[[nodiscard]] Status prepare_schema(Database& database);
// Counts the epoch up, durably. It never falls behind the wall clock's seconds, so that a collector
// that lost its store is still newer than the tables it published before.
[[nodiscard]] Result<std::uint64_t> next_epoch(Database& database, UnixNanos now);
[[nodiscard]] Status restore(Database& database, Restored& restored);

}  // namespace linkpilot::collector
