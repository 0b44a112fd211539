// Turns messages whose parts interleave (RTMP lets an audio message pass between the chunks of a
// video message) into the tags of a TagSink, which never nest. The message that began first streams
// through untouched; what comes between its parts is held until it ends and delivered then, with
// the times at which it came. So a complete audio tag may be delivered with an earlier time than
// the video tag before it; times of one chunk stream never go back.
//
// Bound: kHeldOctetsMax and kHeldTagsMax; past them `part` returns false and the connection is done
// with. A tag that the sender aborts has no end, like one that the connection's end cuts off.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "base/time.h"
#include "prober/media/tag_sink.h"

namespace linkpilot::rtmp {

constexpr std::size_t kHeldOctetsMax = std::size_t{1} << 20;  // of bodies, all tags together
constexpr std::size_t kHeldTagsMax = 256;

class Deinterleaver {
 public:
  explicit Deinterleaver(prober::TagSink& sink) : sink_(sink) {}

  // `lane` names the message between its begin and its end or abort.
  [[nodiscard]] bool begin(std::uint8_t lane, const prober::TagHeader& tag, Now now) {
    if (active_ != kNone) return hold(lane, tag, now);
    active_ = lane;
    sink_.on_tag_begin(tag, now);
    return true;
  }
  [[nodiscard]] bool body(std::uint8_t lane, std::span<const std::uint8_t> part) {
    if (lane != active_) return hold_body(lane, part);
    if (!part.empty()) sink_.on_tag_body(part);
    return true;
  }
  void end(std::uint8_t lane, Now now) {
    if (lane != active_) return hold_end(lane, now);
    active_ = kNone;
    sink_.on_tag_end(now);
    if (!held_.empty()) release();
  }
  void abort(std::uint8_t lane);

  [[nodiscard]] bool is_idle() const { return active_ == kNone && held_.empty(); }
  [[nodiscard]] std::size_t held_octets() const { return held_octets_; }

 private:
  struct Held {
    std::uint8_t lane = 0;
    prober::TagHeader tag;
    Now begun;
    Now ended;
    bool complete = false;
    std::vector<std::uint8_t> body;
  };
  static constexpr std::uint8_t kNone = 0xff;

  [[nodiscard]] bool hold(std::uint8_t lane, const prober::TagHeader& tag, Now now);
  [[nodiscard]] bool hold_body(std::uint8_t lane, std::span<const std::uint8_t> part);
  void hold_end(std::uint8_t lane, Now now);
  void release();
  void deliver(const Held& held);
  [[nodiscard]] Held* find_open(std::uint8_t lane);

  prober::TagSink& sink_;
  std::uint8_t active_ = kNone;
  std::vector<Held> held_;  // in the order in which they began
  std::size_t held_octets_ = 0;
};

}  // namespace linkpilot::rtmp
