#include "prober/stamp/engine.h"

#include <algorithm>
#include <array>
#include <optional>
#include <unordered_map>
#include <utility>

#include "base/assert.h"
#include "base/rng.h"
#include "prober/stamp/clock_map.h"
#include "prober/stamp/reflector.h"
#include "prober/stamp/sender_session.h"
#include "prober/stamp/stamp_socket.h"

namespace linkpilot::prober {
namespace {

constexpr std::size_t kBatchesPerTickMax = 512;  // one flooded socket must not starve the schedule
constexpr Duration kClockStateEvery = std::chrono::seconds(1);
constexpr Duration kExpireEvery = std::chrono::seconds(10);
constexpr Duration kIntervalMin = std::chrono::microseconds(10);
constexpr std::size_t kProbeSizeMax = 256;
// Receive buffers hold this long a stall at the highest rate, at about 1 kB of kernel memory a
// packet.
constexpr double kStallSeconds = 0.5;
constexpr double kBufferPerPacket = 1024;
constexpr double kBufferMin = 1 << 20;
constexpr double kBufferMax = 64 << 20;
constexpr MonoTime kNever{std::numeric_limits<std::int64_t>::max()};

std::size_t buffer_for(double per_second) {
  return static_cast<std::size_t>(
      std::clamp(per_second * kStallSeconds * kBufferPerPacket, kBufferMin, kBufferMax));
}

class Engine final : public StampEngine {
 public:
  explicit Engine(const StampEngineOptions& options);
  Status open();

  ApplyOutcome apply(std::span<const PlannedLink> links, Now now) override;
  void burst(LinkId link, std::uint32_t count, Duration interval, Now now) override;
  void set_hearing(LinkId incoming, bool hearing, Duration silence) override;
  std::span<const Arrival> tick(Now now) override;
  std::vector<LinkSample> take_samples(Now now) override;
  [[nodiscard]] MonoTime next_wakeup() const override;
  [[nodiscard]] const StampCounters& counters() const override { return counters_; }

 private:
  // One planned link, or one that left the plan and still has samples to close.
  struct Link {
    PlannedLink planned;  // as planned; the pace in use is the session's
    SenderSession session;
    std::size_t port = 0;  // position in ports_
    std::uint32_t generation = 0;
    bool retired = false;
    MonoTime queued{};  // the due time of its valid entry in due_
  };
  struct PortSockets {
    Port port;
    std::unique_ptr<StampSocket> reflector;
    std::vector<std::unique_ptr<StampSocket>> senders;                              // by flow
    std::unordered_map<Endpoint, std::uint32_t> slots;                              // peer -> link
    std::vector<std::vector<std::pair<std::uint32_t, SenderSession::Due>>> outbox;  // by flow
  };
  struct DueEntry {
    MonoTime due;
    std::uint32_t slot = 0;
    // For a heap with the earliest on top.
    friend bool operator<(const DueEntry& a, const DueEntry& b) { return a.due > b.due; }
  };

  Status open_port(const Port& port);
  std::optional<std::size_t> find_port(PortIndex index) const;
  double stretch_over_ceiling(std::span<const PlannedLink> links) const;
  void add_link(const PlannedLink& planned, Duration interval, std::size_t port, Now now);
  void retire(std::uint32_t slot);
  void erase(std::uint32_t slot);
  void queue(std::uint32_t slot);

  void update_clock(Now now);
  void drain_stamps(PortSockets& sockets);
  void drain_probes(PortSockets& sockets, Now now);
  void reflect(PortSockets& sockets, std::span<ReceivedDatagram> probes, Now now);
  void count_refusal(Reflector::Verdict verdict);
  void drain_answers(PortSockets& sockets, std::uint8_t flow, Now now);
  void take_answer(PortSockets& sockets, std::uint8_t flow, const ReceivedDatagram& datagram,
                   Now now);
  void send_due(Now now);
  void flush(PortSockets& sockets, std::uint8_t flow);
  void send_batch(PortSockets& sockets, std::uint8_t flow,
                  std::span<const std::pair<std::uint32_t, SenderSession::Due>> dues);
  MonoTime received_mono(const ReceivedDatagram& datagram, Now now);
  void add_arrival(LinkId link, Arrival::Kind kind, std::uint8_t flow, MonoTime received,
                   const std::optional<LinkTlv>& word);

  StampEngineOptions options_;
  Rng rng_;
  SampleClock sample_clock_;
  ClockMap clock_;
  ErrorEstimate own_error_;
  std::optional<Duration> own_clock_error_;
  MonoTime clock_state_due_{};
  MonoTime expire_due_{};
  std::vector<PortSockets> ports_;
  Reflector reflector_;
  std::vector<std::unique_ptr<Link>> links_;
  std::vector<std::uint32_t> free_;
  std::unordered_map<LinkId, std::uint32_t> slot_of_;  // planned links only
  std::vector<DueEntry> due_;                          // heap; entries not `queued` are stale
  std::uint32_t generation_ = 0;
  DatagramBatch batch_;
  std::array<OutgoingDatagram, kDatagramBatch> outgoing_;
  std::array<Reflector::Outcome, kDatagramBatch> outcomes_;
  std::vector<std::array<std::uint8_t, kProbeSizeMax>> packets_;
  std::vector<Arrival> arrivals_;
  StampCounters counters_;
};

Engine::Engine(const StampEngineOptions& options)
    : options_(options),
      rng_(options.seed),
      reflector_({.per_second_max = options.reflect_per_second_max,
                  .per_source_per_second_max = options.reflect_per_source_per_second_max,
                  .sessions_max = options.sessions_max,
                  .seed = rng_.next() ^ static_cast<std::uint64_t>(read_wall_clock().ns)}),
      packets_(kDatagramBatch) {
  if (!options_.clock_state) options_.clock_state = read_kernel_clock;
  const Now now = read_clocks().now;
  // Intervals begin with the wall clock's seconds, as it stands now; a step later does not move
  // them.
  sample_clock_.origin = now.mono - Duration(now.wall.ns % sample_clock_.length.count());
}

Status Engine::open() {
  if (options_.self.value == 0) {
    return fail(ErrorCode::invalid_argument, "STAMP needs a node number from 1 to 65535");
  }
  for (const Port& port : options_.ports) {
    if (Status opened = open_port(port); !opened) return opened;
  }
  return {};
}

Status Engine::open_port(const Port& port) {
  PortSockets sockets{.port = port, .reflector = {}, .senders = {}, .slots = {}, .outbox = {}};
  auto reflector =
      StampSocket::open({.listen = port.listen,
                         .port = port.stamp_port,
                         .dscp = options_.dscp,
                         .receive_buffer = buffer_for(options_.reflect_per_second_max)});
  if (!reflector) return fail(reflector.error());
  sockets.reflector = std::move(*reflector);
  const std::size_t flows = std::max<std::uint8_t>(options_.flows_max, 1);
  for (std::size_t flow = 0; flow < flows; ++flow) {
    auto sender = StampSocket::open({.listen = port.listen,
                                     .port = 0,
                                     .dscp = options_.dscp,
                                     .receive_buffer = buffer_for(options_.probes_per_second_max)});
    if (!sender) return fail(sender.error());
    sockets.senders.push_back(std::move(*sender));
  }
  sockets.outbox.resize(flows);
  ports_.push_back(std::move(sockets));
  return {};
}

std::optional<std::size_t> Engine::find_port(PortIndex index) const {
  for (std::size_t i = 0; i < ports_.size(); ++i) {
    if (ports_[i].port.index == index) return i;
  }
  return std::nullopt;
}

// By how much every interval must grow so that all links together stay under the ceiling; 1: not at
// all.
double Engine::stretch_over_ceiling(std::span<const PlannedLink> links) const {
  double per_second = 0;
  for (const PlannedLink& link : links) {
    per_second +=
        1.0 / std::chrono::duration<double>(std::max(link.interval, kIntervalMin)).count();
  }
  return std::max(1.0, per_second / std::max(options_.probes_per_second_max, 1e-3));
}

ApplyOutcome Engine::apply(std::span<const PlannedLink> links, Now now) {
  ApplyOutcome outcome;
  const double stretch = stretch_over_ceiling(links);
  std::unordered_map<LinkId, bool> wanted;
  for (const PlannedLink& planned : links) {
    const auto port = find_port(planned.link.from.port);
    const bool duplicate = !wanted.emplace(planned.link, true).second;
    if (!port || duplicate || planned.link.from.node != options_.self) {
      ++outcome.capped;
      continue;
    }
    const Duration asked = std::max(planned.interval, kIntervalMin);
    const Duration interval(
        static_cast<std::int64_t>(static_cast<double>(asked.count()) * stretch));
    if (interval != planned.interval || planned.flows > ports_[*port].senders.size()) {
      ++outcome.capped;
    }
    add_link(planned, interval, *port, now);
  }
  for (std::uint32_t slot = 0; slot < links_.size(); ++slot) {
    if (links_[slot] && !links_[slot]->retired && !wanted.contains(links_[slot]->planned.link)) {
      retire(slot);
    }
  }
  reflector_.set_peers(links);
  outcome.sessions = static_cast<std::uint32_t>(slot_of_.size());
  return outcome;
}

// Adds a link, or changes the pace of the one that is there. Another peer address, mode or key is a
// new session.
void Engine::add_link(const PlannedLink& planned, Duration interval, std::size_t port, Now now) {
  const auto flows = static_cast<std::uint8_t>(
      std::clamp<std::size_t>(planned.flows, 1, ports_[port].senders.size()));
  const MonoTime first_due =
      now.mono +
      Duration(static_cast<std::int64_t>(rng_.uniform() * static_cast<double>(interval.count())));
  if (const auto known = slot_of_.find(planned.link); known != slot_of_.end()) {
    Link& link = *links_[known->second];
    const bool same = link.planned.peer == planned.peer && link.planned.mode == planned.mode &&
                      link.planned.secret == planned.secret &&
                      link.planned.secret_epoch == planned.secret_epoch;
    if (same) {
      link.planned = planned;
      if (link.session.options().interval == interval && link.session.options().flows == flows) {
        return;
      }
      link.session.repace(interval, flows, first_due);
      queue(known->second);
      return;
    }
    retire(known->second);
  }
  SenderOptions options{.link = planned.link,
                        .mode = planned.mode,
                        .key = std::nullopt,
                        .interval = interval,
                        .flows = flows,
                        .answer_timeout = options_.answer_timeout,
                        .drain = options_.drain,
                        .settle = options_.settle,
                        .samples = sample_clock_,
                        .on_result = options_.on_result};
  if (planned.mode == ProbeMode::stamp_authenticated) {
    options.key = derive_session_key(planned.secret, options_.self, planned.secret_epoch);
  }
  std::uint32_t slot = 0;
  if (free_.empty()) {
    slot = static_cast<std::uint32_t>(links_.size());
    links_.emplace_back();
  } else {
    slot = free_.back();
    free_.pop_back();
  }
  links_[slot] = std::make_unique<Link>(Link{.planned = planned,
                                             .session = SenderSession(options, first_due),
                                             .port = port,
                                             .generation = ++generation_});
  slot_of_[planned.link] = slot;
  ports_[port].slots[planned.peer] = slot;
  queue(slot);
}

void Engine::retire(std::uint32_t slot) {
  Link& link = *links_[slot];
  link.retired = true;
  link.session.stop();
  slot_of_.erase(link.planned.link);
}

void Engine::erase(std::uint32_t slot) {
  Link& link = *links_[slot];
  auto& slots = ports_[link.port].slots;
  const auto known = slots.find(link.planned.peer);
  if (known != slots.end() && known->second == slot) slots.erase(known);
  links_[slot].reset();
  free_.push_back(slot);
}

void Engine::queue(std::uint32_t slot) {
  Link& link = *links_[slot];
  link.queued = link.session.next_due();
  if (link.queued == kNever) return;
  due_.push_back({.due = link.queued, .slot = slot});
  std::push_heap(due_.begin(), due_.end());
}

void Engine::burst(LinkId link, std::uint32_t count, Duration interval, Now now) {
  const auto known = slot_of_.find(link);
  if (known == slot_of_.end()) return;
  links_[known->second]->session.burst(count, interval, now.mono);
  queue(known->second);
}

void Engine::set_hearing(LinkId incoming, bool hearing, Duration silence) {
  const Hearing value{.hears = hearing, .silence = silence};
  reflector_.set_hearing(incoming, value);
  const auto known = slot_of_.find(incoming.reversed());
  if (known != slot_of_.end()) links_[known->second]->session.set_hearing(value);
}

std::span<const Arrival> Engine::tick(Now now) {
  arrivals_.clear();
  update_clock(now);
  for (PortSockets& sockets : ports_) {
    drain_stamps(sockets);
    drain_probes(sockets, now);
    for (std::uint8_t flow = 0; flow < sockets.senders.size(); ++flow) {
      drain_answers(sockets, flow, now);
    }
  }
  send_due(now);
  if (now.mono >= expire_due_) {
    reflector_.expire(now.mono);
    expire_due_ = now.mono + kExpireEvery;
  }
  std::ranges::stable_sort(arrivals_, {}, [](const Arrival& a) { return a.received_mono; });
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
  for (std::uint8_t flow = 0; flow < sockets.senders.size(); ++flow) {
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
      count_refusal(outcome.verdict);
      continue;
    }
    add_arrival(outcome.link, Arrival::Kind::peer_probe,
                outcome.word ? outcome.word->flow : std::uint8_t{0}, received, outcome.word);
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

void Engine::count_refusal(Reflector::Verdict verdict) {
  switch (verdict) {
    case Reflector::Verdict::answered:
      break;
    case Reflector::Verdict::unknown_session:
      ++counters_.refused_unknown_session;
      break;
    case Reflector::Verdict::malformed:
      ++counters_.refused_malformed;
      break;
    case Reflector::Verdict::bad_authentication:
      ++counters_.refused_authentication;
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
      if (!link.retired) {
        add_arrival(link.planned.link.reversed(), Arrival::Kind::answer, flow, received, out.link);
      }
      break;
    case SenderSession::Verdict::malformed:
      ++counters_.refused_malformed;
      break;
    case SenderSession::Verdict::bad_authentication:
      ++counters_.refused_authentication;
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
    while (const auto due = link->session.take_due(now)) {
      ports_[link->port].outbox[due->flow].emplace_back(entry.slot, *due);
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

std::vector<LinkSample> Engine::take_samples(Now now) {
  std::vector<LinkSample> samples;
  for (std::uint32_t slot = 0; slot < links_.size(); ++slot) {
    Link* link = links_[slot].get();
    if (link == nullptr) continue;
    while (auto sample = link->session.take_sample(now.mono)) {
      counters_.missed_by_us += sample->missed_by_us;
      samples.push_back(std::move(*sample));
    }
    if (link->retired && !link->session.has_open_intervals()) erase(slot);
  }
  std::ranges::stable_sort(samples, {}, &LinkSample::start);
  return samples;
}

MonoTime Engine::next_wakeup() const { return due_.empty() ? kNever : due_.front().due; }

}  // namespace

Result<std::unique_ptr<StampEngine>> StampEngine::create(const StampEngineOptions& options) {
  auto engine = std::make_unique<Engine>(options);
  if (Status opened = engine->open(); !opened) return fail(opened.error());
  return engine;
}

}  // namespace linkpilot::prober
