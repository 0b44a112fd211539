// MediaWatch: what every carrier does with the tags of a pull: the analyser, the copy of a file,
// the ceilings of the policy, and when enough has been seen. Sans-I/O. Single thread; the request's
// `copy` must outlive it.
#pragma once

#include <cstdint>
#include <optional>
#include <span>

#include "base/time.h"
#include "prober/media/dial/dial_report.h"
#include "prober/media/dial/dial_request.h"
#include "prober/media/playback/stream_analyzer.h"
#include "prober/media/tag_sink.h"

namespace linkpilot::prober {

class MediaWatch final : public TagSink {
 public:
  // `started`: when the dial began, before DNS.
  MediaWatch(Now started, const DialRequest& request);

  // Forgets all: the dial begins now.
  void restart(Now started);

  void on_tag_begin(const TagHeader& tag, Now now) override;
  void on_tag_body(std::span<const std::uint8_t> part) override;
  void on_tag_end(Now now) override;

  // Octets of the connection, media or not, as they come.
  void on_octets(std::size_t octets, MonoTime now);
  // A ceiling was passed: the dial is to end with this.
  [[nodiscard]] const std::optional<DialFailure>& breach() const { return breach_; }
  // When the length asked for is over; nothing before the first audio or video tag has begun.
  // The carrier saw media, which may wait behind a tag that never ends: the length runs from here.
  void media_began(MonoTime at);
  [[nodiscard]] std::optional<MonoTime> ends_at() const;
  [[nodiscard]] bool seen_enough(MonoTime now) const;
  [[nodiscard]] std::uint64_t octets() const { return octets_; }
  [[nodiscard]] const StreamAnalyzer& analyzer() const { return analyzer_; }

  // Sets `playback`, and `phases` from the opening hop's marks and the playback's.
  void fill(DialReport& report, Now now) const;
  [[nodiscard]] std::optional<DialPhase> newest_phase() const;

 private:
  static constexpr Duration kRateWindow = std::chrono::seconds(5);

  StreamAnalyzer analyzer_;
  TagSink* copy_;
  Duration length_;
  DialCeilings ceilings_;
  bool stop_at_key_frame_;
  std::optional<MonoTime> first_media_;
  std::optional<DialFailure> breach_;
  std::uint64_t octets_ = 0;
  MonoTime window_begin_;
  std::uint64_t window_octets_ = 0;
  bool first_window_ = true;  // a server's burst is no breach
};

}  // namespace linkpilot::prober
