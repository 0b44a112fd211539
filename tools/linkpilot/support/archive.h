// A .tar.gz in memory: POSIX ustar (IEEE 1003.1, pax "ustar Interchange Format") in gzip. For a few
// bounded texts; files have mode 0600.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "base/time.h"

namespace linkpilot::cli {

struct ArchiveFile {
  std::string name;  // at most 100 octets
  std::string text;
};

[[nodiscard]] std::string tar_of(const std::vector<ArchiveFile>& files, UnixNanos now);
[[nodiscard]] Result<std::vector<std::uint8_t>> gzip_of(std::string_view octets);

}  // namespace linkpilot::cli
