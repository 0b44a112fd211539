// What happens in a tick: stamps and sockets first, then what is due.
#include <algorithm>
#include <utility>

#include "prober/stamp/engine_core.h"

namespace linkpilot::prober {
namespace {

constexpr std::size_t kBatchesPerTickMax = 512;  // one flooded socket must not starve the schedule
constexpr Duration kClockStateEvery = std::chrono::seconds(1);
constexpr Duration kExpireEvery = std::chrono::seconds(10);

}  // namespace

std::span<const Arrival> Engine::tick(Now now) {
  arrivals_.clear();
  update_clock(now);
  for (PortSockets& sockets : ports_) {
    drain_stamps(sockets);
    drain_probes(sockets, now);
    for (std::uint8_t flow = 0; flow < sockets.flows_used; ++flow) {
      drain_answers(sockets, flow, now);
    }
  }
  send_due(now);
  if (now.mono >= expire_due_) {
    reflector_.expire(now.mono);
    expire_due_ = now.mono + kExpireEvery;
  }
  std::ranges::sort(arrivals_, {}, &Arrival::received_mono);
  return arrivals_;
}

void Engine::update_clock(Now now) {
  const ClockReading reading = read_clocks();
  clock_.update(reading.now, reading.tight);
  if (clock_.stepped()) ++counters_.clock_steps;
  if (now.mono < clock_state_due_) return;
  const KernelClockState state = options_.clock_state();
  own_error_ = error_estimate_of(state);
  own_clock_error_ = clock_error_of(state);
  clock_state_due_ = now.mono + kClockStateEvery;
}

void Engine::drain_stamps(PortSockets& sockets) {
  for (std::uint8_t flow = 0; flow < sockets.flows_used; ++flow) {
    for (auto stamps = sockets.senders[flow]->drain_stamps(batch_); !stamps.empty();
         stamps = sockets.senders[flow]->drain_stamps(batch_)) {
      for (const TransmitStamp& stamp : stamps) {
        if (stamp.time.ns == 0) continue;
        Link* link = stamp.token.owner < links_.size() ? links_[stamp.token.owner].get() : nullptr;
        const std::optional<MonoTime> time = clock_.to_mono(stamp.time);
        if (link == nullptr || link->generation != stamp.token.epoch || !time) continue;
        link->session.on_transmit_stamp({.flow = flow, .sequence = stamp.token.sequence}, *time);
      }
    }
  }
  for (auto stamps = sockets.reflector->drain_stamps(batch_); !stamps.empty();
       stamps = sockets.reflector->drain_stamps(batch_)) {
    for (const TransmitStamp& stamp : stamps) {
      // T2 of these answers was told by the clock before the step: a T3 after it would not fit.
      if (stamp.time.ns == 0 || clock_.stepped()) continue;
      reflector_.on_transmit_stamp(
          {.slot = stamp.token.owner, .epoch = stamp.token.epoch, .sequence = stamp.token.sequence},
          stamp.time);
    }
  }
}

MonoTime Engine::received_mono(const ReceivedDatagram& datagram, Now now) {
  if (datagram.received.ns != 0) {
    if (const std::optional<MonoTime> time = clock_.to_mono(datagram.received)) return *time;
  }
  ++counters_.timestamps_missing;
  return now.mono;
}

void Engine::drain_probes(PortSockets& sockets, Now now) {
  for (std::size_t batches = 0; batches < kBatchesPerTickMax; ++batches) {
    const std::span<ReceivedDatagram> probes = sockets.reflector->receive(batch_);
    if (!probes.empty()) reflect(sockets, probes, now);
    if (probes.size() < kDatagramBatch) break;
  }
  counters_.receive_queue_drops = 0;
  for (const PortSockets& port : ports_) {
    counters_.receive_queue_drops += port.reflector->queue_drops();
    for (const auto& sender : port.senders) counters_.receive_queue_drops += sender->queue_drops();
  }
}

void Engine::reflect(PortSockets& sockets, std::span<ReceivedDatagram> probes, Now now) {
  std::size_t count = 0;
  for (ReceivedDatagram& datagram : probes) {
    if (datagram.truncated) {
      ++counters_.refused_malformed;
      continue;
    }
    const MonoTime received = received_mono(datagram, now);
    const Reflector::Outcome outcome = reflector_.on_probe({.bytes = datagram.bytes,
                                                            .source = datagram.source,
                                                            .port = sockets.port.index,
                                                            .ttl = datagram.ttl,
                                                            .received = clock_.to_wall(received),
                                                            .own_error = own_error_},
                                                           now.mono);
    if (outcome.verdict != Reflector::Verdict::answered) {
      count_refusal(outcome);
      continue;
    }
    add_arrival(outcome.link, Arrival::Kind::peer_probe,
                outcome.word ? outcome.word->flow : std::uint8_t{0}, received, outcome.word);
    if (outcome.word) note_phase(outcome.link, received, outcome.word->interval, now);
    outcomes_[count] = outcome;
    outgoing_[count] = {.bytes = datagram.bytes,
                        .destination = datagram.source,
                        .local = datagram.local,
                        .token = {.owner = outcome.answer.slot,
                                  .epoch = outcome.answer.epoch,
                                  .sequence = outcome.answer.sequence}};
    ++count;
  }
  if (count == 0) return;
  choose_stamped(count);
  const UnixNanos transmit = read_wall_clock();
  for (std::size_t i = 0; i < count; ++i) {
    // The bytes are the batch's own, borrowed read-only by `outgoing_`.
    const std::span<const std::uint8_t> bytes = outgoing_[i].bytes;
    Reflector::finish(outcomes_[i], transmit,
                      {const_cast<std::uint8_t*>(bytes.data()), bytes.size()});
  }
  const std::size_t failed = sockets.reflector->send(std::span(outgoing_).first(count), batch_);
  counters_.send_errors += failed;
  counters_.probes_reflected += count - failed;
}

void Engine::note_phase(LinkId incoming, MonoTime received, Duration peer_interval, Now now) {
  if (incoming.from < incoming.to) return;  // theirs to steer
  const auto known = slot_of_.find(incoming.reversed());
  if (known == slot_of_.end()) return;
  ProbePhase& phase = links_[known->second]->phase;
  phase.on_peer_probe(received, peer_interval);
  phase.on_answer_sent(now.mono);
}

// A session tells the transmit time of its newest answer only, with the first answer after it; of
// the answers that leave together none but the last is worth a stamp.
void Engine::choose_stamped(std::size_t count) {
  ++answer_batch_;
  for (std::size_t i = count; i-- > 0;) {
    const std::uint32_t slot = outgoing_[i].token.owner;
    if (slot >= last_batch_of_.size()) last_batch_of_.resize(slot + std::size_t{1});
    outgoing_[i].stamped = std::exchange(last_batch_of_[slot], answer_batch_) != answer_batch_;
  }
}

void Engine::count_unauthenticated(LinkId link) {
  ++counters_.refused_authentication;
  if (slot_of_.contains(link.reversed())) ++unauthenticated_[link];
}

void Engine::count_refusal(const Reflector::Outcome& outcome) {
  switch (outcome.verdict) {
    case Reflector::Verdict::answered:
      break;
    case Reflector::Verdict::unknown_session:
      ++counters_.refused_unknown_session;
      break;
    case Reflector::Verdict::malformed:
      ++counters_.refused_malformed;
      break;
    case Reflector::Verdict::bad_authentication:
      count_unauthenticated(outcome.link);
      break;
    case Reflector::Verdict::replayed:
      ++counters_.refused_replay;
      break;
    case Reflector::Verdict::rate:
      ++counters_.refused_rate;
      break;
    case Reflector::Verdict::table_full:
      ++counters_.refused_table_full;
      break;
  }
}

void Engine::drain_answers(PortSockets& sockets, std::uint8_t flow, Now now) {
  for (std::size_t batches = 0; batches < kBatchesPerTickMax; ++batches) {
    const std::span<ReceivedDatagram> answers = sockets.senders[flow]->receive(batch_);
    for (const ReceivedDatagram& datagram : answers) take_answer(sockets, flow, datagram, now);
    if (answers.size() < kDatagramBatch) break;
  }
}

void Engine::take_answer(PortSockets& sockets, std::uint8_t flow, const ReceivedDatagram& datagram,
                         Now now) {
  const auto known = sockets.slots.find(datagram.source);
  if (known == sockets.slots.end() || datagram.truncated) {
    ++counters_.answers_unmatched;
    return;
  }
  Link& link = *links_[known->second];
  const MonoTime received = received_mono(datagram, now);
  const SenderSession::AnswerOut out =
      link.session.on_answer({.bytes = datagram.bytes,
                              .flow = flow,
                              .received = received,
                              .received_wall = clock_.to_wall(received),
                              .kernel_stamp = datagram.received.ns != 0,
                              .own_clock_error = own_clock_error_});
  switch (out.verdict) {
    case SenderSession::Verdict::accepted:
      ++counters_.answers_received;
      link.phase.on_answer(received);
      if (!link.retired) {
        add_arrival(link.planned.link.reversed(), Arrival::Kind::answer, flow, received, out.link);
      }
      break;
    case SenderSession::Verdict::malformed:
      ++counters_.refused_malformed;
      break;
    case SenderSession::Verdict::bad_authentication:
      count_unauthenticated(link.planned.link.reversed());
      break;
    case SenderSession::Verdict::unmatched:
      ++counters_.answers_unmatched;
      break;
  }
}

void Engine::add_arrival(LinkId link, Arrival::Kind kind, std::uint8_t flow, MonoTime received,
                         const std::optional<LinkTlv>& word) {
  Arrival arrival{.link = link,
                  .kind = kind,
                  .flow = flow,
                  .received = clock_.to_wall(received),
                  .received_mono = received};
  if (word) {
    arrival.peer_hears_us = word->hears;
    arrival.peer_silence = word->silence;
    arrival.peer_interval = word->interval;
  }
  arrivals_.push_back(arrival);
}

void Engine::send_due(Now now) {
  while (!due_.empty() && due_.front().due <= now.mono) {
    const DueEntry entry = due_.front();
    std::pop_heap(due_.begin(), due_.end());
    due_.pop_back();
    Link* link = links_[entry.slot].get();
    if (link == nullptr || link->queued != entry.due) continue;
    bool sent = false;
    while (const auto due = link->session.take_due(now)) {
      ports_[link->port].outbox[due->flow].emplace_back(entry.slot, *due);
      sent = true;
    }
    if (sent && link->steers()) {
      link->phase.on_probe_sent(now.mono);
      link->session.shift(link->phase.step(link->session.options().interval));
    }
    queue(entry.slot);
  }
  for (PortSockets& sockets : ports_) {
    for (std::uint8_t flow = 0; flow < sockets.outbox.size(); ++flow) flush(sockets, flow);
  }
}

void Engine::flush(PortSockets& sockets, std::uint8_t flow) {
  auto& outbox = sockets.outbox[flow];
  for (std::size_t done = 0; done < outbox.size(); done += kDatagramBatch) {
    send_batch(sockets, flow,
               std::span(outbox).subspan(done, std::min(kDatagramBatch, outbox.size() - done)));
  }
  outbox.clear();
}

void Engine::send_batch(PortSockets& sockets, std::uint8_t flow,
                        std::span<const std::pair<std::uint32_t, SenderSession::Due>> dues) {
  sockets.flows_used = std::max<std::size_t>(sockets.flows_used, flow + std::size_t{1});
  const UnixNanos wall = read_wall_clock();
  for (std::size_t i = 0; i < dues.size(); ++i) {
    const auto& [slot, due] = dues[i];
    const Link& link = *links_[slot];
    const std::span<std::uint8_t> bytes = std::span(packets_[i]).first(link.session.packet_size());
    link.session.write_probe(due, wall, own_error_, bytes);
    outgoing_[i] = {.bytes = bytes,
                    .destination = link.planned.peer,
                    .local = sockets.port.listen,
                    .token = {.owner = slot, .epoch = link.generation, .sequence = due.sequence}};
  }
  const std::size_t failed =
      sockets.senders[flow]->send(std::span(outgoing_).first(dues.size()), batch_);
  counters_.probes_sent += dues.size() - failed;
  counters_.send_errors += failed;
  if (failed == 0) return;
  for (std::size_t i = 0; i < dues.size(); ++i) {
    if (outgoing_[i].failed) links_[dues[i].first]->session.on_send_error(dues[i].second);
  }
}

}  // namespace linkpilot::prober
