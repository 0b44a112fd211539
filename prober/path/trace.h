// Trace: finds the hops to a destination, flow by flow, and measures them in rounds. A state
// machine without I/O: packets and times in, packets out.
//
// All hops of all flows are in flight at once, within a rate limit. How far a flow is asked: the
// first one runs `ahead` of the last hop that answered, so that not too many probes reach the
// destination (hosts limit their errors); the others follow where it has been answered, and stop
// where the destination was found; what is under way beyond it is not waited for. Rounds begin on
// an absolute schedule, each with another flow, and first with the hops that have never answered: a
// limit on answers then lets each be seen in its turn. Those are also asked again within a round. A
// path that gets longer or shorter between rounds is followed.
//
// A probe is lost when nothing came within the timeout: `timeout`, or, once the destination
// answers, three times the longest round trip and a tenth of a second, if that is less. What comes
// later is counted as late, and not as lost. Round trips come from kernel stamps where both are
// there.
//
// Bounds: kFlowsMax flows, kHopsMax hops, kProbesKept probes remembered. One thread.
#pragma once

#include <array>
#include <cstdint>
#include <deque>
#include <optional>
#include <span>
#include <vector>

#include "base/time.h"
#include "prober/path/answer.h"
#include "prober/path/pacer.h"
#include "prober/path/probe_packet.h"
#include "prober/path/trace_options.h"
#include "prober/path/trace_report.h"

namespace linkpilot::prober {

inline constexpr std::size_t kProbesKept = 8192;  // a power of two

struct OutgoingProbe {
  std::span<const std::uint8_t> packet;  // until the next call
  std::uint32_t sequence = 0;
};

class Trace {
 public:
  // `options` have passed check().
  Trace(const TraceOptions& options, MonoTime start);

  // A packet to send now, if there is any; call until there is none.
  [[nodiscard]] std::optional<OutgoingProbe> next_probe(Now now);
  // The kernel's transmit stamp of a probe, before the answer to it.
  void on_sent(std::uint32_t sequence, UnixNanos stamp);
  // The kernel refused it.
  void on_not_sent(std::uint32_t sequence, bool too_long);
  // All that was received comes before on_time: what waits to be read is not lost.
  void on_packet(const ReceivedPacket& packet, Now now);
  void on_time(MonoTime now);

  // After on_time: when to call next_probe or on_time again; nothing: not before a packet comes.
  [[nodiscard]] std::optional<MonoTime> next_wakeup() const;
  [[nodiscard]] bool done() const { return done_; }
  // Ends it where it is: probes still on their way count neither as sent nor as lost.
  void stop() { done_ = true; }

  [[nodiscard]] std::uint32_t rounds_done() const { return round_; }
  [[nodiscard]] TraceReport report() const;

 private:
  enum class State : std::uint8_t { empty, waiting, beyond, answered, timed_out };
  struct Probe {
    std::uint32_t sequence = 0;
    std::uint32_t flow = 0;
    std::uint32_t round = 0;
    std::uint16_t octets = 0;
    std::uint8_t ttl = 0;
    State state = State::empty;
    MonoTime sent_mono;
    UnixNanos sent_wall;
  };
  struct Hop {
    PathHop seen;
    std::uint8_t attempts = 0;  // in the round it was last asked in
    std::optional<std::uint32_t> asked_in;
  };
  struct Flow {
    PathFlow key;
    std::vector<Hop> hops;      // by ttl - 1
    std::uint8_t next_ttl = 1;  // to be asked in this round
    std::uint8_t reach = 0;     // the last hop that answered and was not the end
    std::uint8_t settled = 0;   // up to here every hop answered or was waited for once
    std::uint8_t end = 0;       // where the destination, or a refusal, is; 0: not known
    bool refused = false;       // the end is a refusal
  };
  struct Retry {
    std::uint32_t flow = 0;
    std::uint8_t ttl = 0;
  };

  void add_flow();
  [[nodiscard]] std::uint8_t limit_of(const Flow& flow) const;
  [[nodiscard]] std::uint8_t shortest_end() const;
  [[nodiscard]] std::optional<Retry> choose() const;
  void drop_stale_retries();
  void skip_asked();
  [[nodiscard]] bool has_more_to_ask() const { return !retries_.empty() || choose().has_value(); }
  OutgoingProbe send(Retry target, Now now);
  void advance(MonoTime now);
  void end_first_round(MonoTime now);
  void begin_round();
  [[nodiscard]] Duration patience() const;
  void expire(MonoTime now);
  void give_up(Probe& probe);
  void settle(Flow& flow) const;
  void forget_beyond(std::uint32_t flow);
  [[nodiscard]] Probe* find(std::uint32_t sequence);
  void take_answer(Probe& probe, const PathAnswer& answer, bool nat, const ReceivedPacket& packet,
                   Now now);
  void note_end(Flow& flow, const Probe& probe, const PathAnswer& answer, PathHop& hop);
  [[nodiscard]] Duration round_trip(const Probe& probe, UnixNanos received, Now now);
  [[nodiscard]] std::vector<FlowPath> paths() const;

  TraceOptions options_;
  ProbeIds ids_;
  Pacer pacer_;
  std::vector<Flow> flows_;
  std::vector<Probe> probes_;          // a ring, by sequence
  std::deque<std::uint32_t> waiting_;  // in the order sent; some have ended since
  std::deque<Retry> retries_;
  std::vector<std::uint8_t> packet_;
  std::uint32_t next_sequence_ = 1;
  std::uint32_t outstanding_ = 0;
  std::uint8_t reach_ = 0;  // of any flow
  std::uint32_t round_ = 0;
  MonoTime started_;
  MonoTime round_at_;  // of this round's begin
  MonoTime last_sent_;
  std::array<bool, kHopsMax + 1> catching_up_{};  // by ttl: ask only flows not answered there yet
  Duration first_round_{};
  Duration longest_{};  // round trip
  bool round_begun_ = true;
  bool done_ = false;
  bool satisfied_ = false;
  TraceCounters counters_;
};

}  // namespace linkpilot::prober
