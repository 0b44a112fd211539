// Files the way durable state needs them: whole or not at all, and on the disk when the call
// returns.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "base/result.h"

namespace linkpilot {

// An open file descriptor, closed once.
class UniqueFd {
 public:
  UniqueFd() = default;
  explicit UniqueFd(int fd) : fd_(fd) {}
  UniqueFd(UniqueFd&& other) noexcept : fd_(other.release()) {}
  UniqueFd& operator=(UniqueFd&& other) noexcept;
  UniqueFd(const UniqueFd&) = delete;
  UniqueFd& operator=(const UniqueFd&) = delete;
  ~UniqueFd() { reset(); }
  [[nodiscard]] int get() const { return fd_; }
  [[nodiscard]] explicit operator bool() const { return fd_ >= 0; }
  int release();
  void reset();

 private:
  int fd_ = -1;
};

// Reads a whole file of at most `bytes_max`; a larger one is limit_exceeded.
[[nodiscard]] Result<std::vector<std::uint8_t>> read_file(const std::string& path,
                                                          std::size_t bytes_max);
// Writes beside the old file, fsyncs, renames, fsyncs the directory. On failure the old file stays
// and the temporary one is removed.
[[nodiscard]] Status replace_file(const std::string& path, std::span<const std::uint8_t> bytes,
                                  unsigned mode);
[[nodiscard]] Status make_directories(const std::string& path);

}  // namespace linkpilot
