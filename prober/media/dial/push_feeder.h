// PushFeeder: the tags a push sends and when each is due, of the synthetic stream or of an FLV file
// in a loop. Every loop of a file goes on in time where the last ended, so that timestamps never go
// back. Sans-I/O. Single thread.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <vector>

#include "base/result.h"
#include "base/time.h"
#include "prober/media/dial/dial_request.h"
#include "prober/media/flv/flv_muxer.h"
#include "prober/media/flv/synthetic_stream.h"

namespace linkpilot::prober {

class PushFeeder {
 public:
  // Refuses options of the synthetic stream out of bounds, and files that cannot be looped: without
  // audio or video, or of no length.
  [[nodiscard]] static Result<PushFeeder> create(const PushOptions& options);

  // When the next tag is due, counted from the first. Configurations come first, at once.
  [[nodiscard]] Duration due() const;
  [[nodiscard]] OwnedTag next(UnixNanos wall);

 private:
  PushFeeder() = default;
  [[nodiscard]] std::uint32_t file_time() const;

  std::vector<OwnedTag> headers_;
  std::size_t next_header_ = 0;
  std::optional<SyntheticStream> synthetic_;
  std::shared_ptr<const std::vector<OwnedTag>> file_;
  std::size_t next_tag_ = 0;
  std::uint32_t file_begin_ms_ = 0;   // the file's own first time
  std::uint32_t file_length_ms_ = 0;  // with the last frame's length
  std::uint64_t rounds_ = 0;
};

// The tags of an FLV file; an error for what is none, or larger than `octets_max` in all.
[[nodiscard]] Result<std::vector<OwnedTag>> read_flv_tags(std::span<const std::uint8_t> file,
                                                          std::size_t octets_max);

}  // namespace linkpilot::prober
