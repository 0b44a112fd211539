// ProbeRing: the probes of one flow whose sample is still open, by sequence number; oldest first
// out. Grows by doubling up to kProbesOpenMax; a full ring refuses (the probe then counts as missed
// by us).
#pragma once

#include <bit>
#include <cstddef>
#include <cstdint>
#include <vector>

#include "base/time.h"

namespace linkpilot::prober {

inline constexpr std::size_t kProbesOpenMax = std::size_t{1} << 19;

// One probe from its sending to the closing of its sample.
struct Probe {
  MonoTime sent;              // user space, right before the send
  MonoTime transmitted;       // T1, kernel; zero: no stamp
  MonoTime received;          // T4
  Duration wall_offset{};     // wall clock minus monotonic at T4
  UnixNanos remote_received;  // T2, the reflector's wall clock
  UnixNanos remote_sent;      // T3, the same; refined by Follow-Up Telemetry
  std::uint32_t interval = 0;
  std::uint32_t reflector_sequence = 0;
  Duration clock_error{};  // both ends' together; zero: not synchronised, no one-way delay
  std::uint16_t duplicate_forward = 0;
  std::uint16_t duplicate_backward = 0;
  std::uint16_t reordered_forward = 0;   // found out with this probe's answer
  std::uint16_t reordered_backward = 0;  // answers of this probe that came after a later one
  bool send_error : 1 = false;
  bool answered : 1 = false;
  bool late : 1 = false;
  bool kernel_receive_stamp : 1 = false;  // T4
  bool remote_sent_final : 1 = false;     // no better T3 will come
  bool reached_peer : 1 = false;          // answered, or the peer's window says so
  bool peer_window_passed : 1 = false;    // a window of the peer covered this sequence
};

class ProbeRing {
 public:
  [[nodiscard]] std::uint32_t first() const { return next_ - static_cast<std::uint32_t>(size_); }
  [[nodiscard]] std::uint32_t next() const { return next_; }
  [[nodiscard]] bool empty() const { return size_ == 0; }
  [[nodiscard]] bool full() const { return size_ == kProbesOpenMax; }
  [[nodiscard]] Probe& front() { return slots_[first() & mask()]; }

  // nullptr: not open (closed long ago, or never sent).
  [[nodiscard]] Probe* find(std::uint32_t sequence) {
    return sequence - first() < size_ ? &slots_[sequence & mask()] : nullptr;
  }
  // The new probe's sequence is next() before the call. Not when full().
  Probe& push() {
    if (size_ == slots_.size()) grow();
    Probe& probe = slots_[next_ & mask()];
    probe = Probe{};
    ++next_;
    ++size_;
    return probe;
  }
  void pop() { --size_; }

 private:
  [[nodiscard]] std::uint32_t mask() const { return static_cast<std::uint32_t>(slots_.size() - 1); }
  void grow() {
    std::vector<Probe> larger(slots_.empty() ? 8 : slots_.size() * 2);
    const auto larger_mask = static_cast<std::uint32_t>(larger.size() - 1);
    for (std::uint32_t sequence = first(); sequence != next_; ++sequence) {
      larger[sequence & larger_mask] = slots_[sequence & mask()];
    }
    slots_ = std::move(larger);
  }

  std::vector<Probe> slots_;  // a power of two
  std::uint32_t next_ = 0;
  std::size_t size_ = 0;
};

}  // namespace linkpilot::prober
