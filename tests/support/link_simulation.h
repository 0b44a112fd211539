// Two agents and the link between them on virtual time: both ends run a real Detector on a 5 ms
// tick, packets travel with a delay, a loss rate and a cut of either direction. One seed, one run.
#pragma once

#include <array>
#include <functional>
#include <optional>
#include <utility>
#include <vector>

#include "agent/detect/detector.h"
#include "base/rng.h"
#include "prober/stamp/probe_phase.h"
#include "tests/support/sim_clock.h"
#include "tests/support/sim_path.h"

namespace linkpilot::agent {

// A packet as a scripted fate knows it.
struct SimulatedPacket {
  std::size_t from = 0;  // end that sends it
  bool is_answer = false;
  bool of_burst = false;
  std::uint64_t number =
      0;  // of the probe, or of the one it answers; of a burst: how many are left
  MonoTime left;
};
struct PacketFate {
  bool lost = false;
  Duration jitter{};
};
using FateOf = std::function<PacketFate(const SimulatedPacket&)>;

struct LinkSimulationOptions {
  Duration delay_ab = std::chrono::milliseconds(20);
  Duration delay_ba = std::chrono::milliseconds(20);
  Duration jitter{};
  double loss = 0;
  Duration interval = std::chrono::milliseconds(50);
  Duration tick = std::chrono::milliseconds(5);
  DetectorOptions detector{};
  std::uint64_t seed = 1;
  FateOf fate{};  // if set, decides instead of `jitter` and `loss`
  // End A steers the phase of its probes, as an agent's engine does.
  bool steer = true;
  // When the first probe of each end is due; otherwise drawn.
  std::optional<std::array<MonoTime, 2>> first_due{};
};

class LinkSimulation {
 public:
  static constexpr std::size_t kA = 0;
  static constexpr std::size_t kB = 1;

  explicit LinkSimulation(const LinkSimulationOptions& options)
      : options_(options), rng_(options.seed), ends_{End(options.detector), End(options.detector)} {
    for (std::size_t end : {kA, kB}) {
      End& e = ends_[end];
      e.outgoing = link_of(end);
      e.outbound.impairment = {.loss = options.loss,
                               .base = end == kA ? options.delay_ab : options.delay_ba,
                               .jitter = options.jitter};
      e.next_probe = MonoTime{} + phase();
      if (options.first_due) e.next_probe = (*options.first_due)[end];
      e.next_tick = MonoTime{} + Duration(static_cast<std::int64_t>(
                                     rng_.below(static_cast<std::uint64_t>(options.tick.count()))));
      e.first_probe = e.next_tick;
      while (e.first_probe < e.next_probe) e.first_probe += options.tick;
      PlannedLink planned;
      planned.link = e.outgoing;
      planned.interval = options.interval;
      e.detector.plan(std::span(&planned, 1), now_at(MonoTime{}), e.out);
      e.detector.set_round_trip(e.outgoing, options.delay_ab + options.delay_ba);
    }
  }

  static LinkId link_of(std::size_t from) {
    const PortId a{NodeId{1}, PortIndex{0}};
    const PortId b{NodeId{2}, PortIndex{0}};
    return from == kA ? LinkId{a, b} : LinkId{b, a};
  }

  void run_for(Duration length) {
    const MonoTime end = time_ + length;
    for (;;) {
      const std::size_t which = ends_[kA].next_tick <= ends_[kB].next_tick ? kA : kB;
      if (ends_[which].next_tick > end) break;
      time_ = ends_[which].next_tick;
      turn(which);
    }
    time_ = end;
  }

  // Packets that enter the link from `from` are lost from now on; those on their way still arrive.
  void cut(std::size_t from) { ends_[from].outbound.impairment.cut = true; }
  void heal(std::size_t from) { ends_[from].outbound.impairment.cut = false; }
  // The process of this end does nothing for a while; its kernel goes on receiving.
  void stall(std::size_t end, Duration length) { ends_[end].next_tick += length; }

  [[nodiscard]] MonoTime time() const { return time_; }
  // When probe 0 of this end leaves: with the first tick after it is due.
  [[nodiscard]] MonoTime first_probe(std::size_t end) const { return ends_[end].first_probe; }
  // When the next regular probe of this end is due.
  [[nodiscard]] MonoTime next_probe(std::size_t end) const { return ends_[end].next_probe; }
  // How far apart probe and answer leave, at the end where they are closer.
  [[nodiscard]] Duration apart() const { return ends_[kA].phase.apart(options_.interval); }
  [[nodiscard]] const Detector& detector(std::size_t end) const { return ends_[end].detector; }
  struct Marks {
    bool outbound = false;
    bool inbound = false;
    friend bool operator==(const Marks&, const Marks&) = default;
  };
  [[nodiscard]] Marks marks(std::size_t end) const { return ends_[end].marks; }
  // A stretch in which look-ups of this end skipped the link, in either direction.
  struct Skip {
    MonoTime from;
    MonoTime until;  // zero: still
    friend bool operator==(const Skip&, const Skip&) = default;
  };
  [[nodiscard]] const std::vector<Skip>& skips(std::size_t end) const { return ends_[end].skips; }
  [[nodiscard]] MonoTime outbound_marked_at(std::size_t end) const { return ends_[end].marked_at; }
  [[nodiscard]] std::size_t count(std::size_t end, LinkEvent event) const {
    std::size_t n = 0;
    for (const auto& t : ends_[end].transitions) n += t.event == event ? 1 : 0;
    return n;
  }
  [[nodiscard]] const std::vector<Alarm>& alarms(std::size_t end) const {
    return ends_[end].alarms;
  }
  [[nodiscard]] const std::vector<LinkTransition>& transitions(std::size_t end) const {
    return ends_[end].transitions;
  }

 private:
  struct Packet {
    bool is_answer = false;
    bool hears = true;
    std::uint8_t flow = 0;
    bool of_burst = false;
    std::uint64_t number = 0;
  };
  struct End {
    explicit End(const DetectorOptions& options) : detector(options) {}
    Detector detector;
    LinkId outgoing;
    MonoTime next_probe;
    MonoTime next_tick;
    MonoTime first_probe;
    prober::ProbePhase phase;
    std::uint64_t probes = 0;
    MonoTime expected_tick;
    std::uint32_t burst_left = 0;
    MonoTime burst_next;
    bool hears = true;
    std::uint8_t flow = 0;
    SimPath<Packet> outbound;
    DetectorOutput out;
    Marks marks;
    std::vector<Skip> skips;
    MonoTime marked_at;
    std::vector<Alarm> alarms;
    std::vector<LinkTransition> transitions;
  };

  static Now now_at(MonoTime time) { return SimClock().at(time); }
  Duration phase() {
    return Duration(static_cast<std::int64_t>(
        rng_.below(static_cast<std::uint64_t>(options_.interval.count()))));
  }

  void send(std::size_t from, Packet packet) {
    End& end = ends_[from];
    end.flow ^= 1;
    packet.hears = end.hears;
    packet.flow = end.flow;
    if (options_.fate) {
      const PacketFate fate =
          options_.fate({from, packet.is_answer, packet.of_burst, packet.number, time_});
      if (fate.lost) return;
      end.outbound.impairment.base =
          (from == kA ? options_.delay_ab : options_.delay_ba) + fate.jitter;
    }
    end.outbound.send(packet, time_, rng_);
  }

  void turn(std::size_t which) {
    End& end = ends_[which];
    const Now now = now_at(time_);
    const Duration late = end.expected_tick.ns == 0 ? Duration{} : time_ - end.expected_tick;
    arrivals_.clear();
    answers_.clear();
    while (const auto arrival = ends_[1 - which].outbound.take(time_)) {
      const Packet& packet = arrival->packet;
      using Kind = prober::Arrival::Kind;
      arrivals_.push_back({.link = end.outgoing.reversed(),
                           .kind = packet.is_answer ? Kind::answer : Kind::peer_probe,
                           .flow = packet.flow,
                           .received = now_at(arrival->time).wall,
                           .received_mono = arrival->time,
                           .peer_hears_us = packet.hears,
                           .peer_interval = options_.interval});
      if (packet.is_answer) {
        end.phase.on_answer(arrival->time);
        continue;
      }
      end.phase.on_peer_probe(arrival->time, options_.interval);
      end.phase.on_answer_sent(time_);
      answers_.push_back({.is_answer = true, .of_burst = packet.of_burst, .number = packet.number});
    }
    end.detector.on_arrivals(arrivals_, now, end.out);
    end.detector.judge(now, late, end.out);
    take_output(end);
    for (const Packet& answer : answers_) send(which, answer);
    bool sent = false;
    for (; end.next_probe <= time_; end.next_probe += options_.interval, ++end.probes) {
      // A probe that is due long ago is missed by us, not sent late.
      sent = time_ - end.next_probe < options_.interval;
      if (sent) send(which, {.number = end.probes});
    }
    if (sent) {
      end.phase.on_probe_sent(time_);
      if (options_.steer && which == kA) end.next_probe += end.phase.step(options_.interval);
    }
    for (; end.burst_left > 0 && end.burst_next <= time_; --end.burst_left) {
      send(which, {.of_burst = true, .number = end.burst_left});
      end.burst_next += options_.detector.burst_interval;
    }
    end.next_tick = time_ + options_.tick;
    end.expected_tick = end.next_tick;
  }

  void take_output(End& end) {
    for (const MarkChange& change : end.out.marks) {
      if (change.outbound_dead && !end.marks.outbound) end.marked_at = time_;
      const bool was_marked = end.marks != Marks{};
      end.marks = {change.outbound_dead, change.inbound_dead};
      const bool is_marked = end.marks != Marks{};
      if (is_marked && !was_marked) end.skips.push_back({time_, MonoTime{}});
      if (!is_marked && was_marked) end.skips.back().until = time_;
    }
    for (const HearingChange& change : end.out.hearing) end.hears = change.hearing;
    if (!end.out.bursts.empty()) {
      end.burst_left = options_.detector.burst_count;
      end.burst_next = time_;
    }
    end.alarms.insert(end.alarms.end(), end.out.alarms.begin(), end.out.alarms.end());
    end.transitions.insert(end.transitions.end(), end.out.transitions.begin(),
                           end.out.transitions.end());
    end.out.clear();
  }

  LinkSimulationOptions options_;
  Rng rng_;
  MonoTime time_;
  std::array<End, 2> ends_;
  std::vector<prober::Arrival> arrivals_;
  std::vector<Packet> answers_;
};

}  // namespace linkpilot::agent
