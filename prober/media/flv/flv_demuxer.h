// FlvDemuxer: an FLV file or HTTP-FLV body as tags (Adobe FLV 10.1, annex E), fed in parts of any
// size. Bodies pass through as they come; nothing of them is kept.
//
// The header's flags say what the stream claims to hold, and servers guess them (SRS), so nothing
// depends on them; DataOffset may leave a gap. PreviousTagSize is counted where wrong, never
// trusted. Tags with the filter bit (encrypted) and of unknown types are skipped and counted.
// Anything that shows the octets to be no FLV ends the stream for good with an Error. Single
// thread; the sink must outlive it.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <span>
#include <string_view>

#include "base/result.h"
#include "prober/media/tag_sink.h"

namespace linkpilot::prober {

struct FlvCounters {
  std::uint64_t tags = 0;                 // handed on whole
  std::uint64_t wrong_previous_size = 0;  // PreviousTagSize is not what went before
  std::uint64_t encrypted_tags = 0;       // filter bit set
  std::uint64_t unknown_tags = 0;         // types other than audio, video, script
  std::uint64_t empty_tags = 0;           // DataSize 0
  std::uint64_t nonzero_stream_ids = 0;   // must be 0 (E.4.1)
};

struct FlvFlags {
  bool audio = false;
  bool video = false;
};

class FlvDemuxer {
 public:
  // Gaps up to here are skipped; more than this is no header.
  static constexpr std::uint32_t kDataOffsetMax = 1U << 20;
  // This many unknown tags in a row with wrong sizes: the framing is lost.
  static constexpr unsigned kLostAfter = 8;

  explicit FlvDemuxer(TagSink& sink) : sink_(&sink) {}

  // After an error every further call gives the same error.
  [[nodiscard]] Status consume(std::span<const std::uint8_t> bytes, Now now);

  [[nodiscard]] bool has_header() const { return has_header_; }
  [[nodiscard]] FlvFlags flags() const { return flags_; }
  [[nodiscard]] const FlvCounters& counters() const { return counters_; }
  // Whether the octets so far end between two tags (or before the first PreviousTagSize's end).
  [[nodiscard]] bool at_boundary() const;

 private:
  enum class State : std::uint8_t { file_header, gap, previous_size, tag_header, body, broken };

  void take_fixed(std::span<const std::uint8_t>& bytes, Now now);
  void read_file_header();
  void read_previous_size();
  void begin_tag(Now now);
  void end_tag(Now now);
  void enter(State state, std::size_t octets);
  void refuse(std::string_view why);

  TagSink* sink_;
  State state_ = State::file_header;
  bool has_header_ = false;  // a good one
  std::size_t wanted_ = 9;   // octets of fixed_ the state waits for
  std::size_t have_ = 0;
  std::array<std::uint8_t, 11> fixed_{};
  std::uint32_t left_ = 0;           // of a gap or body
  std::uint32_t previous_size_ = 0;  // what the next PreviousTagSize should say
  bool delivering_ = false;          // the tag goes to the sink
  unsigned lost_in_a_row_ = 0;
  bool suspicious_ = false;
  FlvFlags flags_;
  FlvCounters counters_;
  Error error_;
};

}  // namespace linkpilot::prober
