#include "tools/lab/wan.h"

#include <algorithm>
#include <cmath>
#include <cstring>

#include "base/assert.h"

namespace linkpilot::lab {
namespace {

// Seeds of neighbouring pairs must not give neighbouring sequences; Rng's own output mixes them.
std::uint64_t pair_seed(std::uint64_t seed, std::size_t pair) {
  Rng mixer(seed ^ (pair + 1) * 0x9e3779b97f4a7c15ULL);
  return mixer.next();
}

Duration scale(Duration value, double by) {
  return Duration(static_cast<std::int64_t>(static_cast<double>(value.count()) * by));
}

bool is_for_neighbours(const IpAddress& address) {
  const auto& o = address.octets;
  if (address.is_v4()) return o[12] >= 224 || (o[12] == 169 && o[13] == 254);
  return o[0] == 0xff || (o[0] == 0xfe && (o[1] & 0xc0) == 0x80);
}

}  // namespace

Wan::Wan(const Topology& topology, const Options& options, LedgerSink& sink)
    : topology_(topology), sink_(sink), settings_(faults_.apply(topology_)) {
  const std::size_t pairs = topology_.pairs.size();
  states_.reserve(pairs);
  for (std::size_t pair = 0; pair < pairs; ++pair) {
    states_.push_back(
        {Rng(pair_seed(options.seed, pair)), {}, {}, std::vector<MonoTime>(kFlowsMax)});
  }
  pair_counters_.resize(pairs);
  slots_.resize(options.packets_max);
  bytes_.resize(std::size_t{options.packets_max} * kPacketBytesMax);
  heap_.reserve(options.packets_max);
  free_slots_.reserve(options.packets_max);
  for (std::uint32_t slot = options.packets_max; slot > 0; --slot) free_slots_.push_back(slot - 1);
}

void Wan::on_packet(NodeIndex from, std::span<const std::uint8_t> bytes, Now now) {
  ++counters_.read;
  Fateful packet{.from = from, .to = kNoNode, .now = now, .record = {}};
  packet.record.number = next_number_++;
  packet.record.arrival_ns = now.wall.ns;
  packet.record.source = from;
  packet.record.destination = kNoNode;
  packet.record.length = static_cast<std::uint16_t>(bytes.size());
  const std::optional<PacketFields> fields = parse_packet(bytes);
  if (!fields || bytes.size() > kPacketBytesMax) return drop(packet, Fate::malformed);
  packet.record.length = fields->length;
  packet.record.ip_version = fields->version;
  packet.record.protocol = fields->protocol;
  packet.record.icmp_type = fields->icmp_type;
  packet.record.source_port = fields->source_port;
  packet.record.destination_port = fields->destination_port;
  packet.record.payload = fields->payload;
  if (is_for_neighbours(fields->destination)) return drop(packet, Fate::not_ours);
  const auto to = node_of_address(fields->destination, topology_.nodes.size());
  if (!to || *to == from) return drop(packet, Fate::unroutable);
  packet.to = *to;
  packet.record.destination = *to;
  ++pair_counters_[topology_.pair_index(from, *to)].sent;
  decide(packet, *fields, bytes);
}

void Wan::decide(Fateful& packet, const PacketFields& fields, std::span<const std::uint8_t> bytes) {
  const std::size_t index = topology_.pair_index(packet.from, packet.to);
  const Impairment& pair = settings_.pairs[index];
  PairState& state = states_[index];
  packet.record.flow = choose_flow(fields, pair.flows);
  if (settings_.node_down[packet.from]) return drop(packet, Fate::node_down);
  if (settings_.pair_cut[index]) return drop(packet, Fate::region_cut);
  if ((pair.dead_flows >> packet.record.flow & 1) != 0) return drop(packet, Fate::blackhole);
  if (fields.ttl <= pair.hops) {
    answer_as_router(packet, fields, IcmpError::time_exceeded,
                     std::max<std::uint8_t>(fields.ttl, 1), bytes);
    return drop(packet, Fate::ttl);
  }
  if (fields.length > pair.mtu) {
    // A real router would fragment what may be fragmented; this one drops it without a word, as the
    // black holes of path MTU discovery do.
    if (fields.dont_fragment && pair.hops > 0) {
      answer_as_router(packet, fields, IcmpError::packet_too_big,
                       static_cast<std::uint8_t>((pair.hops + 1) / 2), bytes);
    }
    return drop(packet, Fate::mtu);
  }
  if (pair.loss > 0 && state.rng.uniform() < pair.loss) return drop(packet, Fate::loss);
  if (state.burst.advance(pair.burst, packet.now.mono, state.rng)) return drop(packet, Fate::burst);
  forward(packet, pair, state, bytes.first(fields.length));
}

void Wan::forward(Fateful& packet, const Impairment& pair, PairState& state,
                  std::span<const std::uint8_t> bytes) {
  const std::uint8_t flow = packet.record.flow;
  Duration delay = pair.delay + pair.flow_spread * flow / std::max<int>(pair.flows, 1);
  if (pair.rate_bits_per_s > 0) {
    const MonoTime start = std::max(state.rate_free, packet.now.mono);
    const Duration waiting = start - packet.now.mono;
    if (waiting > pair.queue) return drop(packet, Fate::queue);
    const double bits = static_cast<double>(bytes.size()) * 8;
    const Duration sending(
        static_cast<std::int64_t>(bits * 1e9 / static_cast<double>(pair.rate_bits_per_s)));
    state.rate_free = start + sending;
    delay += waiting + sending;
  }
  if (pair.jitter.count() > 0) delay += scale(pair.jitter, state.rng.uniform());
  if (pair.reorder > 0 && state.rng.uniform() < pair.reorder) {
    packet.record.flags |= kRecordReordered;
    delay += pair.reorder_delay;
  } else {
    MonoTime& last_due = state.last_due[flow];
    // Jitter is waiting in a queue, and queues keep their order.
    if (pair.jitter.count() > 0) delay = std::max(delay, last_due - packet.now.mono);
    last_due = packet.now.mono + delay;
  }
  const bool twice = pair.duplicate > 0 && state.rng.uniform() < pair.duplicate;
  if (!enqueue(packet, delay, bytes, pair.hops) || !twice) return;
  packet.record.flags |= kRecordDuplicate;
  (void)enqueue(packet, delay, bytes, pair.hops);
}

bool Wan::enqueue(Fateful& packet, Duration delay, std::span<const std::uint8_t> bytes,
                  std::uint8_t hops_passed) {
  packet.record.intended_ns = delay.count();
  if (free_slots_.empty()) {
    drop(packet, Fate::overloaded);
    return false;
  }
  const std::uint32_t slot = free_slots_.back();
  free_slots_.pop_back();
  const std::span<std::uint8_t> room =
      std::span(bytes_).subspan(std::size_t{slot} * kPacketBytesMax, kPacketBytesMax);
  std::memcpy(room.data(), bytes.data(), bytes.size());
  if (hops_passed > 0) lower_ttl(room.first(bytes.size()), hops_passed);
  slots_[slot] = {packet.record, static_cast<std::uint16_t>(bytes.size()), packet.to};
  push_event({(packet.now.mono + delay).ns, next_order_++, slot});
  counters_.in_flight_max = std::max<std::uint64_t>(counters_.in_flight_max, heap_.size());
  return true;
}

void Wan::answer_as_router(const Fateful& packet, const PacketFields& fields, IcmpError error,
                           std::uint8_t hop, std::span<const std::uint8_t> bytes) {
  const Impairment& there = settings_.pairs[topology_.pair_index(packet.from, packet.to)];
  const Impairment& back = settings_.pairs[topology_.pair_index(packet.to, packet.from)];
  const IpAddress router =
      hop_address(fields.version == 6, packet.from, packet.to, hop, there.hops);
  const auto answer = make_icmp_error(error, router, bytes, fields, there.mtu);
  if (!answer) return;
  Fateful reply{.from = packet.from, .to = packet.from, .now = packet.now, .record = packet.record};
  reply.record.flags |= kRecordFromRouter;
  reply.record.source = kNoNode;
  reply.record.destination = packet.from;
  reply.record.length = static_cast<std::uint16_t>(answer->size());
  reply.record.protocol = fields.version == 6 ? kProtocolIcmpV6 : kProtocolIcmp;
  reply.record.icmp_type = (*answer)[fields.version == 6 ? 40 : 20];
  // Routers stand evenly spaced along the way.
  const Duration delay = (there.delay + back.delay) * hop / (there.hops + 1);
  (void)enqueue(reply, delay, *answer, 0);
}

std::optional<MonoTime> Wan::next_due() const {
  if (heap_.empty()) return std::nullopt;
  return MonoTime{heap_.front().due_ns};
}

std::optional<Wan::Due> Wan::take_due(MonoTime now) {
  while (!heap_.empty() && heap_.front().due_ns <= now.ns) {
    const Event event = pop_event();
    Slot& slot = slots_[event.slot];
    if (settings_.node_down[slot.to]) {
      finish(slot.record, Fate::node_down);
      free_slots_.push_back(event.slot);
      continue;
    }
    const std::size_t start = std::size_t{event.slot} * kPacketBytesMax;
    return Due{slot.to, MonoTime{event.due_ns}, std::span(bytes_).subspan(start, slot.length),
               event.slot};
  }
  return std::nullopt;
}

void Wan::settle(const Due& due, UnixNanos written, WriteResult result) {
  LedgerRecord& record = slots_[due.slot].record;
  if (result == WriteResult::written) {
    record.delivered_ns = written.ns;
    finish(record, Fate::delivered);
  } else {
    finish(record, Fate::write_failed);
  }
  free_slots_.push_back(due.slot);
}

void Wan::drop(Fateful& packet, Fate fate) { finish(packet.record, fate); }

void Wan::finish(LedgerRecord& record, Fate fate) {
  record.fate = fate;
  ++counters_.by_fate[static_cast<std::size_t>(fate)];
  if (fate == Fate::delivered) ++counters_.delivered;
  if (record.source != kNoNode && record.destination != kNoNode) {
    PairCounters& pair = pair_counters_[topology_.pair_index(record.source, record.destination)];
    ++(fate == Fate::delivered ? pair.delivered : pair.dropped);
  }
  sink_.record(record);
}

Result<Fault> Wan::set_fault(const FaultRequest& request, UnixNanos wall) {
  Result<Fault> fault = faults_.set(topology_, request);
  if (!fault) return fault;
  refresh_settings();
  LedgerRecord record;
  record.arrival_ns = wall.ns;
  record.fate = Fate::fault_set;
  record.source =
      topology_.find_node(request.from.empty() ? request.node : request.from).value_or(kNoNode);
  record.destination = topology_.find_node(request.to).value_or(kNoNode);
  record.values = {fault->number, static_cast<std::uint64_t>(request.kind)};
  sink_.record(record);
  return fault;
}

Result<std::vector<Fault>> Wan::heal(const HealRequest& request, UnixNanos wall) {
  Result<std::vector<Fault>> healed = faults_.heal(topology_, request);
  if (!healed) return healed;
  refresh_settings();
  for (const Fault& fault : *healed) {
    LedgerRecord record;
    record.arrival_ns = wall.ns;
    record.fate = Fate::fault_healed;
    record.source =
        topology_.find_node(fault.request.from.empty() ? fault.request.node : fault.request.from)
            .value_or(kNoNode);
    record.destination = topology_.find_node(fault.request.to).value_or(kNoNode);
    record.values = {fault.number, static_cast<std::uint64_t>(fault.request.kind)};
    sink_.record(record);
  }
  return healed;
}

void Wan::refresh_settings() {
  SettingsInForce next = faults_.apply(topology_);
  for (std::size_t pair = 0; pair < states_.size(); ++pair) {
    if (next.pairs[pair].burst != settings_.pairs[pair].burst) states_[pair].burst.reset();
    if (next.pairs[pair].rate_bits_per_s != settings_.pairs[pair].rate_bits_per_s) {
      states_[pair].rate_free = {};
    }
    // A change of delay is another way through the network: its packets may overtake the older
    // ones.
    if (next.pairs[pair].delay != settings_.pairs[pair].delay) {
      std::ranges::fill(states_[pair].last_due, MonoTime{});
    }
  }
  settings_ = std::move(next);
}

void Wan::push_event(const Event& event) {
  heap_.push_back(event);
  std::ranges::push_heap(heap_, [](const Event& a, const Event& b) { return a.later_than(b); });
}

Wan::Event Wan::pop_event() {
  std::ranges::pop_heap(heap_, [](const Event& a, const Event& b) { return a.later_than(b); });
  const Event event = heap_.back();
  heap_.pop_back();
  return event;
}

}  // namespace linkpilot::lab
