// A sender session and a reflector joined by a simulated network in virtual time. The network
// decides every packet's fate from a seed and keeps the truth, against which the samples are
// compared.
#pragma once

#include <algorithm>
#include <array>
#include <functional>
#include <memory>
#include <set>
#include <utility>
#include <vector>

#include "base/rng.h"
#include "prober/stamp/reflector.h"
#include "prober/stamp/sender_session.h"
#include "tests/support/sim_clock.h"
#include "tests/support/sim_path.h"

namespace linkpilot::prober {

struct Truth {
  std::uint32_t sent = 0;
  std::uint32_t answered = 0;  // in time
  std::uint32_t late = 0;
  std::uint32_t lost_forward = 0;
  std::uint32_t lost_backward = 0;
  std::uint32_t duplicate_forward = 0;
  std::uint32_t duplicate_backward = 0;
  std::uint32_t reordered_forward = 0;
  std::uint32_t reordered_backward = 0;
  Duration rtt_sum{};
};

class StampSim {
 public:
  StampSim(SenderOptions options, std::uint64_t seed)
      : options_(options), rng_(seed), sender(options, MonoTime{1'000'000}), reflector(make()) {}

  [[nodiscard]] Impairment& forward() { return to_reflector_.impairment; }
  [[nodiscard]] Impairment& backward() { return to_sender_.impairment; }
  Duration dwell = std::chrono::microseconds(700);     // between T2 and the real T3
  Duration stamp_lead = std::chrono::microseconds(4);  // T3 of the packet is that much early
  bool kernel_stamps = true;
  Duration remote_wall_offset{};  // the reflector's wall clock minus ours
  std::optional<Duration> own_clock_error;
  ErrorEstimate remote_error;
  // Sees every packet before the network does; may change it. Returns false to drop it unseen.
  std::function<bool(std::vector<std::uint8_t>&)> tap_probe = [](auto&) { return true; };
  std::function<bool(std::vector<std::uint8_t>&)> tap_answer = [](auto&) { return true; };

  static Now at(MonoTime mono) { return SimClock().at(mono); }

  void run_until(MonoTime end) {
    while (true) {
      const MonoTime due = sender.next_due();
      const MonoTime arrival = std::min(to_reflector_.next(), to_sender_.next());
      const MonoTime next = std::min(due, arrival);
      if (next > end) break;
      now = next;
      if (arrival > due) {
        send();
      } else if (auto probe = to_reflector_.take(now)) {
        deliver_probe(std::move(*probe));
      } else if (auto answer = to_sender_.take(now)) {
        deliver_answer(*answer);
      }
      collect();
    }
    now = end;
    collect();
  }

  // Sequences begin anew at both ends of the truth; nothing may be on its way.
  void restart_reflector() {
    reflector = make();
    forward_ = {};
    backward_ = {};
  }

  SenderSession::AnswerOut last_answer;
  Reflector::Outcome last_outcome;
  std::vector<LinkSample> samples;
  MonoTime now{};

  Truth truth() const {
    Truth result = truth_;
    for (const Journey& journey : journeys_) {
      ++result.sent;
      if (journey.answered) {
        ++(journey.late ? result.late : result.answered);
      } else {
        ++(journey.reached ? result.lost_backward : result.lost_forward);
      }
    }
    return result;
  }

 private:
  struct Journey {
    bool reached = false;
    bool answered = false;
    bool late = false;
    MonoTime sent = {};
  };
  struct Packet {
    std::size_t journey = 0;
    std::uint8_t flow = 0;
    std::uint32_t sequence = 0;  // the probe's, or the reflector's of an answer
    Duration travelled{};        // an answer's: what its probe took
    std::vector<std::uint8_t> bytes = {};
  };
  using Path = SimPath<Packet>;
  // What arrived at one end of one flow, for the truth about duplicates and order (RFC 4737 s3.3).
  struct Arrivals {
    std::set<std::uint32_t> seen;
    std::uint32_t highest = 0;
    bool note(std::uint32_t sequence, std::uint32_t& duplicates, std::uint32_t& reordered) {
      if (!seen.insert(sequence).second) {
        ++duplicates;
        return false;
      }
      if (seen.size() > 1 && sequence < highest) ++reordered;
      highest = std::max(highest, sequence);
      return true;
    }
  };

  std::unique_ptr<Reflector> make() {
    auto made = std::make_unique<Reflector>(
        ReflectorOptions{.per_source_per_second_max = 50'000, .seed = rng_.next()});
    PlannedLink planned{.link = options_.link.reversed(),
                        .peer = {IpAddress::v4(192, 0, 2, 1), 862},
                        .mode = options_.mode,
                        .secret = {}};
    made->set_peers(std::vector{planned});
    return made;
  }

  void send() {
    while (const auto due = sender.take_due(at(now))) {
      std::vector<std::uint8_t> bytes(sender.packet_size());
      sender.write_probe(*due, at(now).wall, {}, bytes);
      if (kernel_stamps) sender.on_transmit_stamp(*due, now);
      journeys_.push_back({.sent = now});
      if (!tap_probe(bytes)) continue;
      to_reflector_.send({.journey = journeys_.size() - 1,
                          .flow = due->flow,
                          .sequence = due->sequence,
                          .bytes = std::move(bytes)},
                         now, rng_);
    }
  }

  void deliver_probe(Path::Arrival arrival) {
    Packet& packet = arrival.packet;
    const Duration shift = remote_wall_offset;
    last_outcome = reflector->on_probe(
        {.bytes = packet.bytes,
         .source = {IpAddress::v4(192, 0, 2, 1), static_cast<std::uint16_t>(40000 + packet.flow)},
         .port = options_.link.to.port,
         .ttl = 61,
         .received = at(now).wall + shift,
         .own_error = remote_error},
        now);
    if (last_outcome.verdict != Reflector::Verdict::answered) return;
    forward_[packet.flow].note(packet.sequence, truth_.duplicate_forward, truth_.reordered_forward);
    journeys_[packet.journey].reached = true;
    const MonoTime leaves = now + dwell;
    Reflector::finish(last_outcome, at(leaves - stamp_lead).wall + shift, packet.bytes);
    if (kernel_stamps) {
      reflector->on_transmit_stamp(last_outcome.answer, at(leaves).wall + shift);
    }
    if (!tap_answer(packet.bytes)) return;
    packet.sequence = last_outcome.answer.sequence;
    packet.travelled = arrival.delay;
    to_sender_.send(packet, leaves, rng_);
  }

  void deliver_answer(const Path::Arrival& arrival) {
    const Packet& packet = arrival.packet;
    last_answer = sender.on_answer({.bytes = packet.bytes,
                                    .flow = packet.flow,
                                    .received = now,
                                    .received_wall = at(now).wall,
                                    .kernel_stamp = kernel_stamps,
                                    .own_clock_error = own_clock_error});
    Journey& journey = journeys_[packet.journey];
    const bool first = backward_[packet.flow].note(packet.sequence, truth_.duplicate_backward,
                                                   truth_.reordered_backward);
    if (!first || journey.answered) return;
    journey.answered = true;
    journey.late = now - journey.sent > options_.answer_timeout;
    if (!journey.late) truth_.rtt_sum += packet.travelled + arrival.delay;
  }

  void collect() {
    while (auto sample = sender.take_sample(now)) samples.push_back(std::move(*sample));
  }

  SenderOptions options_;
  Rng rng_;

 public:
  SenderSession sender;
  std::unique_ptr<Reflector> reflector;

 private:
  Path to_reflector_, to_sender_;
  std::vector<Journey> journeys_;
  std::array<Arrivals, 8> forward_, backward_;
  Truth truth_;
};

}  // namespace linkpilot::prober
