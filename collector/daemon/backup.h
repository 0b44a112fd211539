// `linkpilot-collector --backup DIR`, `--check-backup DIR` and `--restore DIR`: everything that
// makes this collector the one which its fleet knows - store, keys, enrolled keys, token,
// configuration - as a directory of plain files with a manifest of checksums, and back again. The
// collector may run meanwhile; a restore wants it stopped. A backup holds secret keys: its files
// have mode 0600.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "base/result.h"
#include "base/time.h"
#include "collector/store/backup_manifest.h"

namespace linkpilot::collector {

struct BackupReport {
  std::string directory;
  std::uint64_t files = 0;
  std::uint64_t octets = 0;
  std::uint64_t segments = 0;
};

// Of the collector that `config_path` describes. `directory` must not exist: it is made as
// DIRECTORY.partial and gets its name when all of it is on the disk.
[[nodiscard]] Result<BackupReport> make_backup(const std::string& config_path,
                                               const std::string& directory, UnixNanos now);

// Reads it all: manifest, sizes, checksums, the database.
[[nodiscard]] Result<BackupManifest> check_backup(const std::string& directory);

enum class ConfigOfRestore : std::uint8_t { from_backup, keep };

struct RestoreReport {
  BackupManifest manifest;
  std::string config_file;
  std::string store_path;
  std::string public_key;         // the collector's, as agents know it
  std::vector<std::string> made;  // paths
};

// Puts each file where the configuration says, relative paths as seen from `config_path`. Refused,
// with nothing done, if the backup does not check or anything stands where a file would go; `keep`
// uses a configuration that is there already. What fails half-way is taken back.
[[nodiscard]] Result<RestoreReport> restore_backup(const std::string& directory,
                                                   const std::string& config_path,
                                                   ConfigOfRestore use, UnixNanos now);

}  // namespace linkpilot::collector
