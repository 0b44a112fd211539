// PushFeeder: the tags a push sends and when each is due, of the synthetic stream or of an FLV file
// in a loop. Every loop of a file goes on in time where the last ended, so that timestamps never go
// back. Only frames have times of their own: configurations and scripts, which servers write with
// time 0 before media of any time, go with what is before them, and a leap of the frames by more
// than kLeapMax lasts as long as a frame. Sans-I/O. Single thread.
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
  // a frame of audio or video, or of no length.
  [[nodiscard]] static Result<PushFeeder> create(const PushOptions& options);

  static constexpr Duration kLeapMax = std::chrono::seconds(10);

  // When the next tag is due, counted from the first. Configurations come first, at once.
  [[nodiscard]] Duration due() const;
  [[nodiscard]] OwnedTag next(UnixNanos wall);
  // For a server that has seen nothing yet: configurations once more, at the present time; a file
  // from its beginning.
  void begin_anew();

 private:
  PushFeeder() = default;
  std::vector<OwnedTag> headers_;
  std::size_t next_header_ = 0;
  std::optional<SyntheticStream> synthetic_;
  std::shared_ptr<const std::vector<OwnedTag>> file_;
  std::vector<std::uint32_t> times_ms_;  // of each tag of the file, from its first frame
  std::size_t next_tag_ = 0;
  std::uint32_t file_length_ms_ = 0;  // with the last frame's length
  std::uint64_t rounds_ms_ = 0;       // of what was sent before this round
};

// The tags of an FLV file; an error for what is none, or larger than `octets_max` in all.
[[nodiscard]] Result<std::vector<OwnedTag>> read_flv_tags(std::span<const std::uint8_t> file,
                                                          std::size_t octets_max);

}  // namespace linkpilot::prober
