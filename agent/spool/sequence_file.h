// SequenceFile: the epoch and the next report sequence, on disk, so that no (epoch, sequence) is
// ever used twice, whatever kills the process. Sequences are reserved in blocks: the file always
// names one beyond all that were handed out, and a restart goes on from there (it skips, it never
// repeats).
#pragma once

#include <cstdint>
#include <string>

#include "base/result.h"

namespace linkpilot::agent {

class SequenceFile {
 public:
  inline static constexpr std::uint64_t kBlock = 1'024;

  // Reads the file; makes one, with a fresh random epoch, if there is none or it is damaged (a new
  // epoch is always safe).
  [[nodiscard]] static Result<SequenceFile> open(std::string path);

  [[nodiscard]] std::uint64_t epoch() const { return epoch_; }
  // The next sequence. When a block is used up and the disk refuses the next, an error: no report
  // can be numbered until it works again.
  [[nodiscard]] Result<std::uint64_t> take();

 private:
  SequenceFile(std::string path, std::uint64_t epoch, std::uint64_t next)
      : path_(std::move(path)), epoch_(epoch), next_(next), reserved_(next) {}
  [[nodiscard]] Status reserve();

  std::string path_;
  std::uint64_t epoch_;
  std::uint64_t next_;
  std::uint64_t reserved_;  // first sequence that is not ours to use
};

}  // namespace linkpilot::agent
