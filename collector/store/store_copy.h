// A copy of a store that is in use, and a store made from such a copy. The collector goes on
// meanwhile: reports are copied segment by segment, oldest first, each up to its last whole record;
// then the notes, as they are at one moment. So each report that was acknowledged before is in the
// copy, and each node that a report is of.
#pragma once

#include <cstdint>
#include <string>

#include "base/result.h"
#include "base/time.h"

namespace linkpilot::collector {

struct StoreCopy {
  std::uint64_t segments = 0;
  std::uint64_t octets = 0;
};

// Into `directory`, which must be there and empty: notes.sqlite and reports/. Files have mode 0600
// and are on the disk when this returns.
[[nodiscard]] Result<StoreCopy> copy_store(const std::string& store_path,
                                           const std::string& directory);

// The notes read from one end to the other: a damaged database is `corrupt`.
[[nodiscard]] Status check_notes(const std::string& path);
// Says in the database at `store_path`, that was put there from a backup, that it was.
[[nodiscard]] Status adopt_store(const std::string& store_path, UnixNanos now);

// Octets of a file, at most `octets`, into a new one of this mode; synced. Refused where the new
// one exists. Returns how many there were and their SHA-256.
struct CopiedFile {
  std::uint64_t octets = 0;
  std::string sha256;
};
[[nodiscard]] Result<CopiedFile> copy_file(const std::string& from, const std::string& to,
                                           std::uint64_t octets, unsigned mode);
// The same without a copy.
[[nodiscard]] Result<CopiedFile> digest_file(const std::string& path);

}  // namespace linkpilot::collector
