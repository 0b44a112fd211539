// The files under the spool, as SpoolLog uses them: numbered segments in one directory, the newest
// open for appending. Two implementations: the disk (open_spool_files) and, in tests, a disk that
// is full, slow to believe or lies. One thread.
//
// Errors name the file and the reason; limit_exceeded is a full disk.
#pragma once

#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "base/result.h"

namespace linkpilot::agent {

class SpoolFiles {
 public:
  virtual ~SpoolFiles() = default;

  // Numbers of the segments there are, ascending.
  [[nodiscard]] virtual Result<std::vector<std::uint64_t>> list() = 0;
  [[nodiscard]] virtual Result<std::vector<std::uint8_t>> read(std::uint64_t number,
                                                               std::size_t bytes_max) = 0;
  // Exactly `length` octets, or an error.
  [[nodiscard]] virtual Result<std::vector<std::uint8_t>> read_part(std::uint64_t number,
                                                                    std::uint64_t offset,
                                                                    std::size_t length) = 0;
  // A new, empty segment that is the open one from now on.
  [[nodiscard]] virtual Status create(std::uint64_t number) = 0;
  // An old segment, cut at `size`, is the open one from now on.
  [[nodiscard]] virtual Status reopen(std::uint64_t number, std::uint64_t size) = 0;
  // To the open segment. After an error its tail may hold part of `bytes`.
  [[nodiscard]] virtual Status append(std::span<const std::uint8_t> bytes) = 0;
  [[nodiscard]] virtual Status truncate(std::uint64_t size) = 0;
  // What the open segment holds is on the disk, its name too.
  [[nodiscard]] virtual Status sync() = 0;
  [[nodiscard]] virtual Status remove(std::uint64_t number) = 0;
};

// Makes the directory if it is missing.
[[nodiscard]] Result<std::unique_ptr<SpoolFiles>> open_spool_files(const std::string& directory);

}  // namespace linkpilot::agent
