// MtuSearch: the largest packet that reaches a host whole. A state machine without I/O, turned like
// Trace.
//
// A binary search over sizes of echo requests that may not be fragmented. A size passes when one of
// its probes was answered; it fails when a router or our own link says so, or when all of several
// stay unanswered while a control of a size known to pass is answered beside them: loss is not a
// size. What a router says of the next MTU (fragmentation needed, packet too big) is a hint, tried
// first and confirmed from both sides. Failing without a word is a black hole (RFC 2923 s2.1; the
// method is that of RFC 8899, packetization layer path MTU discovery).
//
// IPv4 and IPv6; sizes are of whole packets. One thread.
#pragma once

#include <cstdint>
#include <deque>
#include <optional>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "base/time.h"
#include "prober/path/answer.h"
#include "prober/path/pacer.h"
#include "prober/path/probe_packet.h"
#include "prober/path/trace.h"

namespace linkpilot::prober {

struct MtuOptions {
  PathFlow flow;  // of ICMP
  // The least that is tried: every host takes 68 (RFC 791) or 1280 octets (RFC 8200). Zero: 576 or
  // 1280.
  std::size_t least = 0;
  std::size_t most = 1500;
  std::uint8_t tries = 3;  // of a size, at once
  Duration timeout = std::chrono::seconds(1);
  double packets_per_second = 100;
  std::uint64_t secret = 0;
};
[[nodiscard]] Status check(const MtuOptions& options);

enum class MtuVerdict : std::uint8_t {
  full,        // the largest size asked for passes
  announced,   // a router says what would pass, or that this does not
  local,       // our own link passes no more
  black_hole,  // larger packets vanish, and nobody says so
  no_answer,   // the host does not answer echo requests of the least size
  unsure,      // even small packets came through too seldom to tell
};
[[nodiscard]] std::string_view to_string(MtuVerdict verdict);

struct MtuResult {
  MtuVerdict verdict = MtuVerdict::unsure;
  std::size_t octets = 0;            // the largest that passes; 0 of the last two verdicts
  std::optional<IpAddress> said_by;  // the router, of `announced`
  std::uint32_t said_octets = 0;     // what it says would pass; 0: it does not
  std::uint32_t probes = 0;
};

class MtuSearch {
 public:
  explicit MtuSearch(const MtuOptions& options);

  [[nodiscard]] std::optional<OutgoingProbe> next_probe(Now now);
  void on_sent(std::uint32_t, UnixNanos) {}
  void on_not_sent(std::uint32_t sequence, bool too_long);
  void on_packet(const ReceivedPacket& packet, Now now);
  void on_time(MonoTime now);
  [[nodiscard]] std::optional<MonoTime> next_wakeup() const;
  [[nodiscard]] bool done() const { return done_; }
  void stop() { done_ = true; }

  [[nodiscard]] const MtuResult& result() const { return result_; }

 private:
  struct Try {
    std::uint32_t sequence = 0;  // 0: not sent yet
    std::size_t size = 0;
    MonoTime sent;
    bool answered = false;
  };
  enum class Failing : std::uint8_t { silence, announced, local };

  void begin_step();
  void passed(std::size_t size);
  void failed(Failing how);
  void finish(MtuVerdict verdict);
  [[nodiscard]] Duration patience() const;
  [[nodiscard]] bool control_answered() const;

  MtuOptions options_;
  ProbeIds ids_;
  Pacer pacer_;
  std::size_t low_ = 0;   // passes; 0: nothing known
  std::size_t high_ = 0;  // fails
  std::size_t size_ = 0;  // in question
  std::deque<std::size_t> preferred_;
  std::vector<Try> tries_;
  std::size_t sent_ = 0;  // of tries_
  int repeats_ = 0;
  MonoTime last_sent_{};
  Duration longest_{};
  std::uint32_t next_sequence_ = 1;
  Failing how_high_fails_ = Failing::silence;
  std::vector<std::uint8_t> packet_;
  MtuResult result_;
  bool done_ = false;
};

}  // namespace linkpilot::prober
