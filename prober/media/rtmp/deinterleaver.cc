#include "prober/media/rtmp/deinterleaver.h"

#include <algorithm>

namespace linkpilot::rtmp {

Deinterleaver::Held* Deinterleaver::find_open(std::uint8_t lane) {
  for (Held& held : held_) {
    if (held.lane == lane && !held.complete) return &held;
  }
  return nullptr;
}

bool Deinterleaver::hold(std::uint8_t lane, const prober::TagHeader& tag, Now now) {
  if (held_.size() >= kHeldTagsMax) return false;
  held_.push_back({.lane = lane, .tag = tag, .begun = now, .ended = {}, .body = {}});
  return true;
}

bool Deinterleaver::hold_body(std::uint8_t lane, std::span<const std::uint8_t> part) {
  Held* held = find_open(lane);
  if (held == nullptr) return true;
  if (part.size() > kHeldOctetsMax - held_octets_) return false;
  held->body.insert(held->body.end(), part.begin(), part.end());
  held_octets_ += part.size();
  return true;
}

void Deinterleaver::hold_end(std::uint8_t lane, Now now) {
  if (Held* held = find_open(lane)) {
    held->complete = true;
    held->ended = now;
  }
}

void Deinterleaver::abort(std::uint8_t lane) {
  if (lane == active_) {
    active_ = kNone;
    release();
    return;
  }
  const auto gone = std::find_if(held_.begin(), held_.end(), [lane](const Held& held) {
    return held.lane == lane && !held.complete;
  });
  if (gone == held_.end()) return;
  held_octets_ -= gone->body.size();
  held_.erase(gone);
}

void Deinterleaver::deliver(const Held& held) {
  sink_.on_tag_begin(held.tag, held.begun);
  if (!held.body.empty()) sink_.on_tag_body(held.body);
  held_octets_ -= held.body.size();
}

// The complete ones first, so that they do not wait for the next long one; then the oldest
// incomplete one takes the way through.
void Deinterleaver::release() {
  std::vector<Held> waiting;
  for (Held& held : held_) {
    if (!held.complete) {
      waiting.push_back(std::move(held));
      continue;
    }
    deliver(held);
    sink_.on_tag_end(held.ended);
  }
  held_ = std::move(waiting);
  if (held_.empty()) return;
  active_ = held_.front().lane;
  deliver(held_.front());
  held_.erase(held_.begin());
}

}  // namespace linkpilot::rtmp
