// StampEngine: all STAMP sessions of one agent behind one narrow door. It owns the UDP sockets (one
// reflector socket per port, `flows` sender sockets per port), probes every planned link on an
// absolute schedule, reflects the peers' probes, and turns what arrives into link samples and
// arrivals.
//
// It is driven by a tick (5-10 ms): drain error queues and sockets with their kernel stamps first,
// judge and send after. Between ticks it does nothing; kernel timestamps make the tick harmless to
// RTT. One thread. Sources: RFC 8762, RFC 8972.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "base/fleet.h"
#include "base/link_sample.h"
#include "base/plan.h"
#include "base/result.h"
#include "base/time.h"
#include "prober/stamp/clock_error.h"
#include "prober/stamp/probe_result.h"

namespace linkpilot::prober {

struct StampEngineOptions {
  NodeId self;
  std::vector<Port> ports;
  std::uint8_t flows_max = 4;
  double probes_per_second_max = 20'000;   // hard ceiling: what the plan asks above it is capped
  double reflect_per_second_max = 50'000;  // token bucket over all sources
  double reflect_per_source_per_second_max = 2'000;
  std::size_t sessions_max = 8'192;  // reflector sessions; beyond: refused and counted
  Duration answer_timeout = std::chrono::seconds(2);  // later answers are `late`
  Duration drain = std::chrono::seconds(3);  // a sample is closed this long after its interval
  Duration settle =
      std::chrono::milliseconds(500);  // ... or this long, if all its probes are final
  std::uint8_t dscp = 0;
  std::uint64_t seed = 0;                                  // schedule phases
  std::function<KernelClockState()> clock_state = {};      // empty: ask the kernel
  std::function<void(const ProbeResult&)> on_result = {};  // every probe, as its sample closes
};

// One packet heard from a peer on one link, at the kernel's receive time.
struct Arrival {
  enum class Kind : std::uint8_t { peer_probe, answer };
  LinkId link;  // the direction the packet travelled: from = the peer's port
  Kind kind = Kind::peer_probe;
  std::uint8_t flow = 0;
  UnixNanos received;  // kernel stamp, wall clock
  MonoTime received_mono;
  bool peer_hears_us = true;  // the peer's word on the opposite direction (private TLV)
  Duration peer_silence{};    // how long it has heard nothing from us, when it does not
  Duration peer_interval{};   // the peer's own probe interval on this link; 0: unknown
};

struct StampCounters {
  std::uint64_t probes_sent = 0;
  std::uint64_t answers_received = 0;
  std::uint64_t probes_reflected = 0;
  std::uint64_t refused_unknown_session = 0;
  std::uint64_t refused_rate = 0;
  std::uint64_t refused_malformed = 0;
  std::uint64_t refused_authentication = 0;
  std::uint64_t answers_unmatched = 0;
  std::uint64_t send_errors = 0;
  std::uint64_t missed_by_us = 0;
  std::uint64_t receive_queue_drops = 0;  // SO_RXQ_OVFL
  std::uint64_t timestamps_missing = 0;
  std::uint64_t refused_replay = 0;
  std::uint64_t refused_table_full = 0;
  std::uint64_t clock_steps = 0;
};

struct ApplyOutcome {
  std::uint32_t sessions = 0;
  std::uint32_t capped = 0;
};

class StampEngine {
 public:
  // Binds the sockets. Fails with the address and the reason (in use, not ours, no right).
  [[nodiscard]] static Result<std::unique_ptr<StampEngine>> create(
      const StampEngineOptions& options);
  virtual ~StampEngine() = default;

  // Makes `links` the whole set, as a difference: sessions that stay keep their sequence, schedule
  // phase and open interval; a changed interval re-paces the same session. Peers of `links` are
  // also those whose probes are reflected.
  virtual ApplyOutcome apply(std::span<const PlannedLink> links, Now now) = 0;

  // Extra probes for one link, spread over its flows, starting now; part of the link's samples.
  virtual void burst(LinkId link, std::uint32_t count, Duration interval, Now now) = 0;

  // What our next probes and answers on the link tell the peer: whether we hear it.
  virtual void set_hearing(LinkId incoming, bool hearing, Duration silence) = 0;

  // Drains, then sends what is due. Returns the arrivals since the last call, oldest first; the
  // span is valid until the next call.
  virtual std::span<const Arrival> tick(Now now) = 0;

  // Samples whose interval closed and whose probes are all final, oldest first; taken out.
  virtual std::vector<LinkSample> take_samples(Now now) = 0;

  // Packets since the last call that came from where a peer of the plan is, but not under its
  // secret; by the link they travelled, from = the peer's port. Taken out.
  virtual std::map<LinkId, std::uint64_t> take_unauthenticated() = 0;

  // When the next send is due.
  [[nodiscard]] virtual MonoTime next_wakeup() const = 0;
  [[nodiscard]] virtual const StampCounters& counters() const = 0;
};

}  // namespace linkpilot::prober
