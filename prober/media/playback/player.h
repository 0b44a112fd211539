// VirtualPlayer: what a viewer with one kind of player would have seen, from arrival and decode
// times alone (a Lindley recursion on lateness; two-threshold rebuffering as Ameigeiras et al.,
// IEEE Comm. Letters 16(2), 2012). O(1) a frame, no decoding.
//
// A frame's lateness is its arrival less its decode time. The play-out offset O is set at the first
// decodable frame: its lateness plus `start` (or, for a player that chases the live edge, the least
// lateness of the first two seconds plus `margin`). The frame with decode time d is due at d + O;
// if it comes later a stall began at d + O, and it ends at the first arrival after which `resume`
// of media lies ahead of it; O grows by its length. Stalls shorter than the threshold count only in
// `short_total`. First buffering is never a stall. A stall still open at the end counts to the end.
// Single thread.
#pragma once

#include <cstdint>
#include <string_view>
#include <vector>

#include "base/time.h"

namespace linkpilot::prober {

struct PlayerRule {
  std::string_view name;  // of static storage
  Duration start{};
  Duration resume{};
  Duration threshold{};
  Duration margin{};  // over the least lateness, for a live-edge player
  bool live_edge = false;
};

inline constexpr Duration kLiveEdgeWindow = std::chrono::seconds(2);
inline constexpr Duration kStallThreshold = std::chrono::milliseconds(200);

inline constexpr PlayerRule kPlainPlayer{.name = "plain", .threshold = kStallThreshold};
inline constexpr PlayerRule kBufferedPlayer{.name = "buffered",
                                            .start = std::chrono::seconds(1),
                                            .resume = std::chrono::seconds(1),
                                            .threshold = kStallThreshold};
inline constexpr PlayerRule kLiveEdgePlayer{.name = "live_edge",
                                            .threshold = kStallThreshold,
                                            .margin = std::chrono::milliseconds(800),
                                            .live_edge = true};

struct Stall {
  MonoTime start;
  Duration length{};
  bool open = false;  // had not ended when the dial did
  friend bool operator==(const Stall&, const Stall&) = default;
};

struct PlayerReport {
  static constexpr std::size_t kStallsMax = 64;

  PlayerRule rule;
  std::uint32_t stalls = 0;
  Duration stalled{};  // sum over `stalls`
  Duration longest{};
  Duration short_total{};  // of those below the threshold
  Duration played{};
  std::vector<Stall> list;  // the first kStallsMax

  [[nodiscard]] double stall_ratio() const;
  [[nodiscard]] double stalls_per_100s() const;
  [[nodiscard]] double stall_ms_per_100s() const;
};

class VirtualPlayer {
 public:
  explicit VirtualPlayer(const PlayerRule& rule) { report_.rule = rule; }

  // At the first decodable frame; a second call forgets what was before.
  void start(MonoTime arrived, Duration at);
  // `threshold` is the rule's, or more for a stream of few frames. Frames whose decode time does
  // not pass the newest are taken for played.
  void arrive(MonoTime arrived, Duration at, Duration threshold);

  [[nodiscard]] bool started() const { return started_; }
  // Media ahead of the play-out position; 0 while stalled.
  [[nodiscard]] Duration buffered(MonoTime now) const;
  // As if the dial ended at `now`, with the next frame due one `step` behind the newest.
  [[nodiscard]] PlayerReport report(MonoTime now, Duration step, Duration threshold) const;

 private:
  [[nodiscard]] MonoTime due(Duration at) const { return MonoTime{} + (at + offset_); }
  void settle_live_edge();
  static void count(PlayerReport& report, const Stall& stall, Duration threshold);

  PlayerReport report_;
  bool started_ = false;
  bool settled_ = false;  // the offset is final; false in a live-edge player's first two seconds
  bool stalled_ = false;
  MonoTime started_at_;
  MonoTime stalled_since_;
  Duration needed_{};  // decode time at which play stopped
  Duration begin_{};
  Duration begin_offset_{};
  Duration frontier_{};
  Duration offset_{};
  Duration least_lateness_{};
};

}  // namespace linkpilot::prober
