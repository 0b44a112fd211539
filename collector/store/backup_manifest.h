// What a backup holds, as its manifest.json says: files with their sizes and checksums, and what
// made it. A directory of plain files, so that any tool can carry it; the manifest is written last,
// so a backup without one is none. Pure; the text may be anybody's.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "base/time.h"

namespace linkpilot::collector {

inline constexpr std::uint64_t kBackupFormat = 1;
inline constexpr std::size_t kManifestOctetsMax = std::size_t{16} << 20;
inline constexpr std::size_t kBackupFilesMax = 80'000;  // 65 534 nodes, and segments

struct BackupFile {
  std::string name;  // within the backup: "keys/signing"; is_backup_name() holds
  std::uint64_t octets = 0;
  std::string sha256;  // 64 hex digits
  friend bool operator==(const BackupFile&, const BackupFile&) = default;
};

struct BackupManifest {
  UnixNanos made;
  std::string software;  // "linkpilot-collector 0.1.0"
  std::uint64_t store_schema = 0;
  std::uint64_t segment_version = 0;
  std::string config_name;  // the file name that the configuration had
  std::vector<BackupFile> files;
  friend bool operator==(const BackupManifest&, const BackupManifest&) = default;
};

// The folders of a backup and a plain file name in each: never a way out of it.
[[nodiscard]] bool is_backup_name(std::string_view name);

[[nodiscard]] std::string encode(const BackupManifest& manifest);
// Errors: corrupt, with what is wrong; a newer format is told as that.
[[nodiscard]] Result<BackupManifest> parse_manifest(std::string_view text);

}  // namespace linkpilot::collector
