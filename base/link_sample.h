// What one agent saw of one link in one interval (one second by default): counts and integers,
// never ratios, so that samples add up exactly whatever the probe rate was.
//
// "Forward" is from the reporting node to the peer, "backward" the way back. A sample is final only
// when its last probe is answered or timed out, so an interval is reported a few seconds late.
#pragma once

#include <cstdint>

#include "base/ids.h"
#include "base/sketch.h"
#include "base/time.h"

namespace linkpilot {

// One-way delay of one direction, from wall clocks at both ends. `error` bounds the clock error of
// both ends together; with no synchronised clock `count` is 0 and nothing is claimed.
struct OneWayDelay {
  std::uint32_t count = 0;
  Duration min{};
  Duration sum{};
  Duration error{};
  friend bool operator==(const OneWayDelay&, const OneWayDelay&) = default;
};

// How the four timestamps were taken; the worst method of the interval is reported.
enum class TimestampMethod : std::uint8_t { unspecified, hardware, kernel, user };

struct LinkSample {
  LinkId link;  // from = the reporting agent's port
  UnixNanos start;
  Duration length{};
  Duration probe_interval{};
  std::uint8_t flows = 0;

  // sent = answered + late + lost_forward + lost_backward + lost_unplaced. A late probe was
  // answered after the time-out: neither lost nor part of the RTT figures.
  std::uint32_t sent = 0;
  std::uint32_t answered = 0;
  std::uint32_t late = 0;
  std::uint32_t lost_forward = 0;
  std::uint32_t lost_backward = 0;
  std::uint32_t lost_unplaced = 0;  // lost, but the peer never said whether it had arrived

  std::uint32_t duplicate_forward = 0;
  std::uint32_t duplicate_backward = 0;
  std::uint32_t reordered_forward = 0;
  std::uint32_t reordered_backward = 0;
  std::uint32_t missed_by_us = 0;      // scheduled, never sent: our own lateness, not loss
  std::uint32_t local_send_error = 0;  // the kernel refused the packet: ours, not the network's

  // RTT less the reflector's dwell, of the `answered` probes.
  Duration rtt_min{};
  Duration rtt_max{};
  Duration rtt_sum{};
  LatencySketch rtt;
  OneWayDelay forward_delay;
  OneWayDelay backward_delay;
  // RFC 3393 IPDV, absolute values, of neighbours that were both answered.
  std::uint32_t ipdv_count = 0;
  Duration ipdv_sum{};

  TimestampMethod timestamps = TimestampMethod::unspecified;
  bool nonconformant_peer = false;  // TWAMP-Light answers, accepted in lenient mode

  friend bool operator==(const LinkSample&, const LinkSample&) = default;
};

}  // namespace linkpilot
