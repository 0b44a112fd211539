#include "prober/path/trace.h"

#include <algorithm>

#include "base/assert.h"
#include "prober/path/blame.h"
#include "prober/path/multipath.h"
#include "prober/path/probe_match.h"

namespace linkpilot::prober {
namespace {

constexpr Duration kPatienceMin = std::chrono::milliseconds(250);
constexpr Duration kPatienceExtra = std::chrono::milliseconds(100);
constexpr std::size_t kFlowsAtOnce = 32;     // added to a first round for the stopping rule
constexpr std::uint32_t kCatchUpRounds = 4;  // then the others are measured as well
constexpr double kBurstSeconds = 0.02;
// A stamp may be at most so much beyond what the monotonic clock allows.
constexpr Duration kStampSlack = std::chrono::microseconds(200);

}  // namespace

Status check(const TraceOptions& options) {
  const auto bad = [](const char* what) { return fail(ErrorCode::invalid_argument, what); };
  if (options.flows < 1 || options.flows > kFlowsMax) return bad("flows: 1 to 256");
  if (options.flows_max > kFlowsMax) return bad("flows at most: up to 256");
  if (options.size > kPacketOctetsMax) return bad("size: up to 9216");
  if (options.hops_max < 1 || options.hops_max > kHopsMax) return bad("hops: 1 to 64");
  if (options.ahead < 1 || options.gap_max < 1) return bad("hops ahead: 1 or more");
  if (options.attempts < 1) return bad("attempts: 1 or more");
  if (!(options.packets_per_second >= 1 && options.packets_per_second <= 10'000)) {
    return bad("packets a second: 1 to 10000");
  }
  if (!(options.confidence > 0 && options.confidence < 1))
    return bad("confidence: between 0 and 1");
  if (options.timeout <= Duration(0) || options.timeout > std::chrono::seconds(60)) {
    return bad("timeout: up to 60 seconds");
  }
  if (options.interval < Duration(0)) return bad("interval: not negative");
  if (options.first.source.is_v4() != options.first.destination.is_v4()) {
    return bad("source and destination: both IPv4 or both IPv6");
  }
  const std::uint32_t most = options.all_paths ? options.flows_max : options.flows;
  if (options.first.source_port + std::max(most, options.flows) > 0x10000) {
    return bad("source port: too high for so many flows");
  }
  return {};
}

Trace::Trace(const TraceOptions& options, MonoTime start)
    : options_(options),
      ids_(options.secret),
      pacer_(options.packets_per_second, std::max(1.0, options.packets_per_second * kBurstSeconds)),
      probes_(kProbesKept),
      started_(start),
      round_at_(start),
      last_sent_(start) {
  LP_ASSERT(check(options));
  for (std::uint32_t i = 0; i < options_.flows; ++i) add_flow();
}

void Trace::add_flow() {
  Flow flow;
  flow.key = options_.first;
  flow.key.source_port = static_cast<std::uint16_t>(flow.key.source_port + flows_.size());
  flow.hops.resize(options_.hops_max);
  for (std::size_t i = 0; i < flow.hops.size(); ++i) {
    flow.hops[i].seen.ttl = static_cast<std::uint8_t>(i + 1);
  }
  flows_.push_back(std::move(flow));
}

std::uint8_t Trace::shortest_end() const {
  std::uint8_t end = 0;
  for (const Flow& flow : flows_) {
    if (flow.end != 0 && (end == 0 || flow.end < end)) end = flow.end;
  }
  return end;
}

std::uint8_t Trace::limit_of(const Flow& flow) const {
  if (flow.end != 0) return flow.end;
  int limit = 0;
  if (const int end = shortest_end(); end != 0) {
    limit = flow.reach >= end ? flow.reach + 2 : end;
  } else if (&flow == &flows_.front()) {
    limit = std::min(std::max(reach_, flow.settled) + options_.ahead, reach_ + options_.gap_max);
  } else {
    limit = reach_;
  }
  return static_cast<std::uint8_t>(std::min<int>(limit, options_.hops_max));
}

// Hop by hop: the flow that is least far.
std::optional<Trace::Retry> Trace::choose() const {
  std::optional<Retry> best;
  const auto count = static_cast<std::uint32_t>(flows_.size());
  for (std::uint32_t i = 0; i < count; ++i) {
    const std::uint32_t index = (i + round_) % count;
    const Flow& flow = flows_[index];
    if (best && flow.next_ttl >= best->ttl) continue;
    if (flow.next_ttl <= limit_of(flow)) best = Retry{.flow = index, .ttl = flow.next_ttl};
  }
  return best;
}

std::optional<OutgoingProbe> Trace::next_probe(Now now) {
  on_time(now.mono);
  if (done_ || !round_begun_ || !pacer_.may_send(now.mono)) return std::nullopt;
  if (!retries_.empty()) {
    const Retry retry = retries_.front();
    retries_.pop_front();
    return send(retry, now);
  }
  const auto target = choose();
  if (!target) return std::nullopt;
  ++flows_[target->flow].next_ttl;
  return send(*target, now);
}

OutgoingProbe Trace::send(Retry target, Now now) {
  while (ids_.ip_id(next_sequence_) == 0) ++next_sequence_;
  const std::uint32_t sequence = next_sequence_++;
  Flow& flow = flows_[target.flow];
  Hop& hop = flow.hops[target.ttl - std::size_t{1}];
  build_probe({.flow = flow.key, .sequence = sequence, .ttl = target.ttl, .size = options_.size},
              ids_, packet_);
  Probe& slot = probes_[sequence % kProbesKept];
  if (slot.state == State::waiting) give_up(slot);
  slot = {.sequence = sequence,
          .flow = target.flow,
          .round = round_,
          .octets = static_cast<std::uint16_t>(packet_.size()),
          .ttl = target.ttl,
          .state = State::waiting,
          .sent_mono = now.mono,
          .sent_wall = now.wall};
  waiting_.push_back(sequence);
  ++outstanding_;
  hop.attempts = hop.asked_in == round_ ? static_cast<std::uint8_t>(hop.attempts + 1) : 1;
  hop.asked_in = round_;
  ++counters_.sent;
  pacer_.note_send(now.mono);
  last_sent_ = now.mono;
  return {.packet = packet_, .sequence = sequence};
}

Trace::Probe* Trace::find(std::uint32_t sequence) {
  Probe& probe = probes_[sequence % kProbesKept];
  return probe.state != State::empty && probe.sequence == sequence ? &probe : nullptr;
}

void Trace::on_sent(std::uint32_t sequence, UnixNanos stamp) {
  Probe* probe = find(sequence);
  // A stamp is never before the call that sent it; one that is comes of a clock that was set.
  if (probe != nullptr && stamp >= probe->sent_wall) probe->sent_wall = stamp;
}

void Trace::on_not_sent(std::uint32_t sequence, bool) {
  Probe* probe = find(sequence);
  if (probe == nullptr || probe->state != State::waiting) return;
  ++counters_.not_sent;
  --counters_.sent;
  --outstanding_;
  probe->state = State::empty;
}

Duration Trace::patience() const {
  if (shortest_end() == 0) return options_.timeout;
  return std::min(options_.timeout, std::max(kPatienceMin, 3 * longest_ + kPatienceExtra));
}

void Trace::give_up(Probe& probe) {
  Flow& flow = flows_[probe.flow];
  Hop& hop = flow.hops[probe.ttl - std::size_t{1}];
  probe.state = State::timed_out;
  --outstanding_;
  ++hop.seen.probes.sent;
  ++hop.seen.probes.lost;
  if (probe.round == round_ && round_begun_ && hop.seen.silent() &&
      hop.attempts < options_.attempts && probe.ttl <= limit_of(flow)) {
    retries_.push_back({.flow = probe.flow, .ttl = probe.ttl});
  }
  settle(flow);
}

void Trace::expire(MonoTime now) {
  const Duration wait = patience();
  while (!waiting_.empty()) {
    Probe* probe = find(waiting_.front());
    if (probe != nullptr && probe->state == State::waiting) {
      if (now < probe->sent_mono + wait) return;
      give_up(*probe);
    }
    waiting_.pop_front();
  }
}

void Trace::settle(Flow& flow) const {
  while (flow.settled + 1 < flow.next_ttl) {
    const Hop& hop = flow.hops[flow.settled];
    if (hop.seen.silent() && hop.seen.probes.sent == 0) return;
    ++flow.settled;
  }
}

void Trace::on_time(MonoTime now) {
  if (done_) return;
  expire(now);
  drop_stale_retries();
  skip_asked();
  advance(now);
}

// Those that were answered after all, or turned out to be beyond the destination.
void Trace::drop_stale_retries() {
  while (!retries_.empty()) {
    const Retry& retry = retries_.front();
    const Flow& flow = flows_[retry.flow];
    const bool wanted = flow.hops[retry.ttl - std::size_t{1}].seen.silent();
    if (wanted && retry.ttl <= limit_of(flow)) return;
    retries_.pop_front();
  }
}

// What a round began with is not asked again on the way, nor what would take the answers of others.
void Trace::skip_asked() {
  if (round_ == 0) return;
  for (Flow& flow : flows_) {
    const std::uint8_t limit = limit_of(flow);
    while (flow.next_ttl <= limit) {
      const Hop& hop = flow.hops[flow.next_ttl - std::size_t{1}];
      if (hop.asked_in != round_ && (hop.seen.silent() || !catching_up_[flow.next_ttl])) break;
      ++flow.next_ttl;
    }
  }
}

void Trace::advance(MonoTime now) {
  if (!round_begun_) {
    if (now >= round_at_) begin_round();
    return;
  }
  if (has_more_to_ask()) return;
  const bool last = options_.rounds != 0 && round_ + 1 >= options_.rounds;
  if (outstanding_ > 0 && (round_ == 0 || last)) return;
  if (round_ == 0) {
    end_first_round(now);
    if (has_more_to_ask()) return;
  }
  ++round_;
  if (last) {
    done_ = true;
    return;
  }
  round_begun_ = false;
  round_at_ = std::max(round_at_ + options_.interval, now);
}

void Trace::end_first_round(MonoTime now) {
  first_round_ = now - started_;
  if (!options_.all_paths) return;
  const std::size_t missing = missing_flows(paths(), options_.confidence);
  satisfied_ = missing == 0;
  const std::size_t most = options_.flows_max;
  const std::size_t room = most - std::min(most, flows_.size());
  const std::size_t more = std::min({missing, room, kFlowsAtOnce});
  for (std::size_t i = 0; i < more; ++i) add_flow();
}

void Trace::begin_round() {
  round_begun_ = true;
  retries_.clear();
  std::array<bool, kHopsMax + 1> answered{};
  catching_up_ = {};
  for (std::uint32_t i = 0; i < flows_.size(); ++i) {
    Flow& flow = flows_[i];
    flow.next_ttl = 1;
    for (std::uint8_t ttl = 1; ttl <= limit_of(flow); ++ttl) {
      const bool silent = flow.hops[ttl - std::size_t{1}].seen.silent();
      if (silent) retries_.push_back({.flow = i, .ttl = ttl});
      catching_up_[ttl] = catching_up_[ttl] || silent;
      answered[ttl] = answered[ttl] || !silent;
    }
  }
  for (std::size_t ttl = 0; ttl <= kHopsMax; ++ttl) {
    catching_up_[ttl] = catching_up_[ttl] && answered[ttl] && round_ <= kCatchUpRounds;
  }
}

std::optional<MonoTime> Trace::next_wakeup() const {
  if (done_) return std::nullopt;
  std::optional<MonoTime> at;
  if (!round_begun_) {
    at = round_at_;
  } else if (has_more_to_ask()) {
    at = pacer_.next_at();
  }
  if (!waiting_.empty()) {
    const Probe& probe = probes_[waiting_.front() % kProbesKept];
    const MonoTime ends = probe.sent_mono + patience();
    at = at ? std::min(*at, ends) : ends;
  }
  return at;
}

void Trace::on_packet(const ReceivedPacket& packet, Now now) {
  if (done_) return;
  const auto answer = read_answer(packet);
  if (!answer) {
    ++counters_.malformed;
    return;
  }
  const auto sequence = claimed_sequence(*answer, ids_, next_sequence_);
  Probe* probe = sequence ? find(*sequence) : nullptr;
  if (probe == nullptr) {
    ++counters_.not_ours;
    return;
  }
  const Fit fit = fits(*answer, flows_[probe->flow].key, probe->sequence, probe->octets, ids_);
  if (!fit.ours) {
    ++counters_.not_ours;
    return;
  }
  ++counters_.answers;
  take_answer(*probe, *answer, fit.nat, packet, now);
}

Duration Trace::round_trip(const Probe& probe, UnixNanos received, Now now) {
  const Duration at_most = now.mono - probe.sent_mono;
  if (received == UnixNanos{}) return at_most;
  const Duration stamped = received - probe.sent_wall;
  if (stamped >= Duration(0) && stamped <= at_most + kStampSlack) return stamped;
  ++counters_.clock_doubts;
  return at_most;
}

void Trace::take_answer(Probe& probe, const PathAnswer& answer, bool nat,
                        const ReceivedPacket& packet, Now now) {
  Flow& flow = flows_[probe.flow];
  Hop& hop = flow.hops[probe.ttl - std::size_t{1}];
  PathHop& seen = hop.seen;
  if (probe.state == State::answered) {
    ++seen.duplicates;
    return;
  }
  if (probe.state == State::waiting || probe.state == State::beyond) {
    if (probe.state == State::waiting) --outstanding_;
    ++seen.probes.sent;
  } else {
    --seen.probes.lost;
    ++seen.late;
  }
  probe.state = State::answered;
  const Duration rtt = round_trip(probe, packet.received, now);
  seen.rtt.add(rtt);
  longest_ = std::max(longest_, rtt);
  const auto known = std::ranges::find(seen.addresses, answer.source, &HopAddress::address);
  if (known != seen.addresses.end()) {
    ++known->answers;
  } else if (seen.addresses.size() < kHopAddressesMax) {
    seen.addresses.push_back({.address = answer.source, .answers = 1});
  }
  seen.reply_ttl = answer.ttl;
  seen.labels = answer.error ? answer.error->labels : LabelStack{};
  seen.nat = seen.nat || nat;
  note_end(flow, probe, answer, seen);
  settle(flow);
}

void Trace::note_end(Flow& flow, const Probe& probe, const PathAnswer& answer, PathHop& hop) {
  const bool passed_on = answer.error && answer.error->kind == IcmpErrorKind::time_exceeded;
  if (passed_on) {
    // Its own address in front of it: a NAT hides what is behind, or the answer comes from there.
    hop.nat = hop.nat || answer.source == flow.key.destination;
    hop.is_destination = false;
    hop.refused.reset();
    if (flow.end != 0 && probe.ttl >= flow.end) flow.end = 0;  // the path is longer now
    flow.reach = std::max(flow.reach, probe.ttl);
    reach_ = std::max(reach_, probe.ttl);
    return;
  }
  const bool from_destination = answer.source == flow.key.destination;
  const bool arrived =
      from_destination && (!answer.error || answer.error->kind == IcmpErrorKind::port_unreachable);
  hop.is_destination = from_destination;
  hop.refused.reset();
  if (!arrived) hop.refused = answer.error->kind;
  if (flow.end != 0 && probe.ttl > flow.end) return;
  flow.end = probe.ttl;
  flow.refused = !arrived;
  flow.reach = std::min<std::uint8_t>(flow.reach, static_cast<std::uint8_t>(probe.ttl - 1));
  forget_beyond(probe.flow);
}

void Trace::forget_beyond(std::uint32_t flow) {
  for (const std::uint32_t sequence : waiting_) {
    Probe* probe = find(sequence);
    if (probe == nullptr || probe->state != State::waiting || probe->flow != flow) continue;
    if (probe->ttl <= flows_[flow].end) continue;
    probe->state = State::beyond;
    --outstanding_;
  }
}

std::vector<FlowPath> Trace::paths() const {
  std::vector<FlowPath> all;
  for (const Flow& flow : flows_) {
    FlowPath path{.flow = flow.key, .hops = {}};
    std::size_t length = flow.end;
    if (flow.end != 0) {
      path.end = flow.refused ? FlowEnd::refused : FlowEnd::reached;
    } else {
      length = flow.reach;
    }
    for (std::size_t i = 0; i < length; ++i) path.hops.push_back(flow.hops[i].seen);
    all.push_back(std::move(path));
  }
  return all;
}

TraceReport Trace::report() const {
  TraceReport report{.flows = paths(),
                     .rounds = round_,
                     .took = first_round_,
                     .width = 0,
                     .all_paths = satisfied_,
                     .blames = {},
                     .blame_withheld = false,
                     .counters = counters_};
  report.width = path_width(report.flows);
  Blames blames = blamed_hops(report.flows, last_sent_ - started_);
  report.blames = std::move(blames.blames);
  report.blame_withheld = blames.withheld;
  return report;
}

}  // namespace linkpilot::prober
