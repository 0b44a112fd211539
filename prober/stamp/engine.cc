#include "prober/stamp/engine.h"

#include <algorithm>
#include <utility>

#include "base/assert.h"
#include "prober/stamp/engine_core.h"

namespace linkpilot::prober {
namespace {

constexpr double kBurstSaved = 1000;              // probes of bursts that may start at once
constexpr std::int64_t kEpochUnit = 100'000'000;  // 100 ms
constexpr Duration kIntervalMin = std::chrono::microseconds(10);
// Receive buffers hold this long a stall at the highest rate, at about 1 kB of kernel memory a
// packet.
constexpr double kStallSeconds = 0.5;
constexpr double kBufferPerPacket = 1024;
constexpr double kBufferMin = 1 << 20;
constexpr double kBufferMax = 64 << 20;

std::size_t buffer_for(double per_second) {
  return static_cast<std::size_t>(
      std::clamp(per_second * kStallSeconds * kBufferPerPacket, kBufferMin, kBufferMax));
}

bool same_seal(const PlannedLink& a, const PlannedLink& b) {
  return a.mode == b.mode && a.secret == b.secret && a.secret_epoch == b.secret_epoch;
}

}  // namespace

Engine::Engine(const StampEngineOptions& options)
    : options_(options),
      rng_(options.seed),
      reflector_({.per_second_max = options.reflect_per_second_max,
                  .per_source_per_second_max = options.reflect_per_source_per_second_max,
                  .sessions_max = options.sessions_max,
                  .seed = rng_.next() ^ static_cast<std::uint64_t>(read_wall_clock().ns)}),
      burst_bucket_(options.probes_per_second_max, kBurstSaved),
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
  PortSockets sockets{
      .port = port, .reflector = {}, .senders = {}, .flows_used = 0, .slots = {}, .outbox = {}};
  auto reflector =
      StampSocket::open({.listen = port.listen,
                         .port = port.stamp_port,
                         .dscp = options_.dscp,
                         .with_ttl = true,
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
  std::erase_if(hearing_,
                [&](const auto& entry) { return !wanted.contains(entry.first.reversed()); });
  std::erase_if(unauthenticated_,
                [&](const auto& entry) { return !wanted.contains(entry.first.reversed()); });
  reflector_.set_peers(links);
  outcome.sessions = static_cast<std::uint32_t>(slot_of_.size());
  return outcome;
}

// The session that already probes this link, or did until a moment ago. Another peer address is
// another session; another secret is not.
std::optional<std::uint32_t> Engine::find_same(const PlannedLink& planned) const {
  const auto is_same = [&planned](const PlannedLink& known) {
    return known.link == planned.link && known.peer == planned.peer &&
           (known.mode == ProbeMode::twamp_light) == (planned.mode == ProbeMode::twamp_light);
  };
  const auto known = slot_of_.find(planned.link);
  if (known != slot_of_.end() && is_same(links_[known->second]->planned)) return known->second;
  for (std::uint32_t slot = 0; slot < links_.size() && retired_ > 0; ++slot) {
    if (links_[slot] && links_[slot]->retired && is_same(links_[slot]->planned)) return slot;
  }
  return std::nullopt;
}

std::optional<SessionKey> Engine::key_of(const PlannedLink& planned) const {
  if (planned.mode != ProbeMode::stamp_authenticated) return std::nullopt;
  return derive_session_key(planned.secret, options_.self, planned.secret_epoch);
}

// Adds a link, or changes the pace or the secret of the one that is there.
void Engine::add_link(const PlannedLink& planned, Duration interval, std::size_t port, Now now) {
  const auto flows = static_cast<std::uint8_t>(
      std::clamp<std::size_t>(planned.flows, 1, ports_[port].senders.size()));
  const MonoTime first_due =
      now.mono +
      Duration(static_cast<std::int64_t>(rng_.uniform() * static_cast<double>(interval.count())));
  const auto known = slot_of_.find(planned.link);
  if (const auto same = find_same(planned)) {
    Link& link = *links_[*same];
    const SenderOptions& current = link.session.options();
    const bool paced = !link.retired && current.interval == interval && current.flows == flows;
    if (known != slot_of_.end() && known->second != *same) retire(known->second);
    if (link.retired) --retired_;
    if (!same_seal(link.planned, planned)) {
      link.session.reseal(planned.mode, key_of(planned), now.mono);
    }
    link.planned = planned;
    link.retired = false;
    slot_of_[planned.link] = *same;
    ports_[port].slots[planned.peer] = *same;
    if (paced) return;
    link.session.repace(interval, flows, first_due);
    queue(*same);
    return;
  }
  if (known != slot_of_.end()) retire(known->second);
  last_epoch_ = std::max(last_epoch_ + 1, static_cast<std::uint32_t>(now.wall.ns / kEpochUnit));
  const SenderOptions options{.link = planned.link,
                              .mode = planned.mode,
                              .key = key_of(planned),
                              .interval = interval,
                              .flows = flows,
                              .epoch = last_epoch_,
                              .answer_timeout = options_.answer_timeout,
                              .drain = options_.drain,
                              .settle = options_.settle,
                              .samples = sample_clock_,
                              .on_result = options_.on_result};
  open_link(planned, options, port, first_due);
}

void Engine::open_link(const PlannedLink& planned, const SenderOptions& options, std::size_t port,
                       MonoTime first_due) {
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
  const auto hearing = hearing_.find(planned.link.reversed());
  if (hearing != hearing_.end()) links_[slot]->session.set_hearing(hearing->second);
  slot_of_[planned.link] = slot;
  ports_[port].slots[planned.peer] = slot;
  queue(slot);
}

void Engine::retire(std::uint32_t slot) {
  Link& link = *links_[slot];
  link.retired = true;
  ++retired_;
  link.session.stop();
  slot_of_.erase(link.planned.link);
}

void Engine::erase(std::uint32_t slot) {
  Link& link = *links_[slot];
  auto& slots = ports_[link.port].slots;
  const auto known = slots.find(link.planned.peer);
  if (known != slots.end() && known->second == slot) slots.erase(known);
  if (link.retired) --retired_;
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
  // Bursts have the ceiling of the plan for themselves: many links in trouble do not add to it.
  std::uint32_t allowed = 0;
  while (allowed < std::min(count, kBurstMax) && burst_bucket_.take(now.mono)) ++allowed;
  links_[known->second]->session.burst(allowed, interval, now.mono);
  queue(known->second);
}

void Engine::set_hearing(LinkId incoming, bool hearing, Duration silence) {
  const Hearing value{.hears = hearing, .silence = silence};
  reflector_.set_hearing(incoming, value);
  const auto known = slot_of_.find(incoming.reversed());
  if (known == slot_of_.end()) return;
  links_[known->second]->session.set_hearing(value);
  hearing_[incoming] = value;
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
  std::ranges::sort(samples, {},
                    [](const LinkSample& sample) { return std::pair(sample.start, sample.link); });
  return samples;
}

std::map<LinkId, std::uint64_t> Engine::take_unauthenticated() {
  return std::exchange(unauthenticated_, {});
}

MonoTime Engine::next_wakeup() const { return due_.empty() ? kNever : due_.front().due; }

Result<std::unique_ptr<StampEngine>> StampEngine::create(const StampEngineOptions& options) {
  auto engine = std::make_unique<Engine>(options);
  if (Status opened = engine->open(); !opened) return fail(opened.error());
  return engine;
}

}  // namespace linkpilot::prober
