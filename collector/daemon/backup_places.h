// Where the files of a backup lie while they are in use, as a configuration says. For backup.cc and
// restore.cc.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "base/result.h"
#include "collector/config/config.h"

namespace linkpilot::collector {

inline constexpr unsigned kSecretMode = 0600;
inline constexpr unsigned kPublicMode = 0644;
inline constexpr std::uint64_t kSmallFileMax = std::uint64_t{4} << 20;  // keys, configuration

// A file of a backup and where the configuration has it.
struct Place {
  std::string name;
  std::string path;
  unsigned mode = kSecretMode;
  bool needed = false;
};

// Keys, token and password; not the enrolled ones.
[[nodiscard]] std::vector<Place> key_places(const CollectorConfig& config);

// Whatever it is, a dangling link included.
[[nodiscard]] bool is_there(const std::string& path);
// The nearest folder above that is there.
[[nodiscard]] std::string standing_folder(const std::string& path);
// limit_exceeded if the disk under `path` has less room, and some to spare.
[[nodiscard]] Status want_room(const std::string& path, std::uint64_t octets);
[[nodiscard]] Status sync_folder(const std::string& path);

}  // namespace linkpilot::collector
