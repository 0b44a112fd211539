// The emulator's core: packets in, packets out later, every decision in the ledger. No devices, no
// clock, no threads; one seed and one sequence of calls give one outcome, bit for bit.
//
//   wan.on_packet(node, bytes, now);             // a node sent this
//   while (auto due = wan.take_due(now.mono)) {  // to be written to a node's device now
//     write(due->to, due->bytes);
//     wan.settle(*due, now, WriteResult::written);
//   }
//   sleep_until(wan.next_due());
//
// Bounds: `packets_max` packets in flight; one more is dropped, with its own fate.
#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <span>
#include <vector>

#include "base/rng.h"
#include "base/time.h"
#include "tools/lab/faults.h"
#include "tools/lab/ledger.h"
#include "tools/lab/packet.h"
#include "tools/lab/topology.h"

namespace linkpilot::lab {

struct WanCounters {
  std::uint64_t read = 0;                   // packets that nodes sent
  std::uint64_t delivered = 0;              // copies written, the routers' answers included
  std::array<std::uint64_t, 16> by_fate{};  // index: Fate, packets only
  std::uint64_t in_flight_max = 0;
};

struct PairCounters {
  std::uint64_t sent = 0;
  std::uint64_t delivered = 0;
  std::uint64_t dropped = 0;
};

class Wan {
 public:
  struct Options {
    std::uint64_t seed = 1;
    std::uint32_t packets_max = 16'384;
  };
  struct Due {
    NodeIndex to = 0;
    MonoTime due;
    std::span<const std::uint8_t> bytes;  // valid until `settle`
    std::uint32_t slot = 0;
  };
  enum class WriteResult : std::uint8_t { written, refused };

  // `sink` must outlive the object.
  Wan(const Topology& topology, const Options& options, LedgerSink& sink);

  void on_packet(NodeIndex from, std::span<const std::uint8_t> bytes, Now now);
  [[nodiscard]] std::optional<MonoTime> next_due() const;
  // The earliest packet due at or before `now`. Packets to a node that is down are dropped on the
  // way.
  [[nodiscard]] std::optional<Due> take_due(MonoTime now);
  // `written` is the wall clock right before the write.
  void settle(const Due& due, UnixNanos written, WriteResult result);

  // At a change packets already on their way are left alone. `wall` goes to the ledger.
  [[nodiscard]] Result<Fault> set_fault(const FaultRequest& request, UnixNanos wall);
  [[nodiscard]] Result<std::vector<Fault>> heal(const HealRequest& request, UnixNanos wall);

  [[nodiscard]] const Topology& topology() const { return topology_; }
  [[nodiscard]] const FaultList& faults() const { return faults_; }
  [[nodiscard]] const SettingsInForce& settings() const { return settings_; }
  [[nodiscard]] const WanCounters& counters() const { return counters_; }
  [[nodiscard]] const std::vector<PairCounters>& pair_counters() const { return pair_counters_; }
  [[nodiscard]] std::size_t in_flight() const { return heap_.size(); }

 private:
  struct Event {
    std::int64_t due_ns;
    std::uint64_t order;  // equal due times leave in the order they were decided
    std::uint32_t slot;
    [[nodiscard]] bool later_than(const Event& other) const {
      return due_ns != other.due_ns ? due_ns > other.due_ns : order > other.order;
    }
  };
  struct Slot {
    LedgerRecord record;
    std::uint16_t length = 0;
    NodeIndex to = 0;
  };
  // What a pair remembers between packets.
  struct PairState {
    Rng rng;
    BurstState burst;
    MonoTime rate_free;              // when a limited link has sent all it took
    std::vector<MonoTime> last_due;  // per flow: jitter must not reorder
  };
  struct Fateful {  // where a packet is going and what the ledger will say
    NodeIndex from;
    NodeIndex to;
    Now now;
    LedgerRecord record;
  };

  void decide(Fateful& packet, const PacketFields& fields, std::span<const std::uint8_t> bytes);
  void forward(Fateful& packet, const Impairment& pair, PairState& state,
               std::span<const std::uint8_t> bytes);
  void answer_as_router(const Fateful& packet, const PacketFields& fields, IcmpError error,
                        std::uint8_t hop, std::span<const std::uint8_t> bytes);
  void drop(Fateful& packet, Fate fate);
  bool enqueue(Fateful& packet, Duration delay, std::span<const std::uint8_t> bytes,
               std::uint8_t hops_passed);
  void push_event(const Event& event);
  Event pop_event();
  void finish(LedgerRecord& record, Fate fate);
  void refresh_settings();

  Topology topology_;
  LedgerSink& sink_;
  FaultList faults_;
  SettingsInForce settings_;
  std::vector<PairState> states_;
  std::vector<PairCounters> pair_counters_;
  std::vector<Event> heap_;
  std::vector<Slot> slots_;
  std::vector<std::uint8_t> bytes_;  // kPacketBytesMax for each slot
  std::vector<std::uint32_t> free_slots_;
  std::uint64_t next_order_ = 0;
  std::uint32_t next_number_ = 0;
  WanCounters counters_;
};

}  // namespace linkpilot::lab
