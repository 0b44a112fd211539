#include "prober/stamp/sender_session.h"

#include <algorithm>
#include <bit>
#include <limits>
#include <utility>

#include "base/assert.h"

namespace linkpilot::prober {
namespace {

constexpr MonoTime kNoProbe{std::numeric_limits<std::int64_t>::max()};

// RTT of an answered probe; nullopt where the stamps contradict each other, as after a clock step
// at the reflector: dwell and RTT are never negative and the dwell is within the whole.
std::optional<Duration> rtt_of(const Probe& probe) {
  const MonoTime sent = probe.transmitted.ns != 0 ? probe.transmitted : probe.sent;
  const Duration whole = probe.received - sent;
  const Duration dwell = probe.remote_sent - probe.remote_received;
  if (dwell < Duration(0) || dwell > whole) return std::nullopt;
  return whole - dwell;
}

void add_delay(OneWayDelay& delay, Duration value, Duration error) {
  delay.min = delay.count == 0 ? value : std::min(delay.min, value);
  delay.sum += value;
  delay.error = std::max(delay.error, error);
  ++delay.count;
}

}  // namespace

PacketMode packet_mode_of(ProbeMode mode) {
  return mode == ProbeMode::stamp_authenticated ? PacketMode::authenticated
                                                : PacketMode::unauthenticated;
}

std::size_t probe_size(ProbeMode mode) {
  switch (mode) {
    case ProbeMode::unspecified:
    case ProbeMode::stamp:
      return kUnauthenticatedSize + kOwnTlvsSize;
    case ProbeMode::stamp_authenticated:
      return kAuthenticatedSize + kOwnTlvsSize + kTlvHeaderSize + kHmacValueSize;
    case ProbeMode::twamp_light:
      return kUnauthenticatedSize;
  }
  return 0;
}

SenderSession::SenderSession(const SenderOptions& options, MonoTime first_due)
    : options_(options),
      seal_{.mode = options.mode, .key = options.key},
      packet_size_(probe_size(options.mode)),
      regular_due_(first_due),
      flows_(std::max<std::uint8_t>(options.flows, 1)) {
  LP_ASSERT(options.interval > Duration(0));
  LP_ASSERT(options.mode != ProbeMode::stamp_authenticated || options.key.has_value());
}

void SenderSession::reseal(ProbeMode mode, std::optional<SessionKey> key, MonoTime now) {
  LP_ASSERT(mode != ProbeMode::stamp_authenticated || key.has_value());
  LP_ASSERT((mode == ProbeMode::twamp_light) == (seal_.mode == ProbeMode::twamp_light));
  earlier_seal_ = std::exchange(seal_, Seal{.mode = mode, .key = key});
  earlier_until_ = now + options_.drain;
  packet_size_ = probe_size(mode);
}

MonoTime SenderSession::next_due() const {
  const MonoTime regular = stopped_ ? kNoProbe : regular_due_;
  return burst_due_ ? std::min(regular, *burst_due_) : regular;
}

void SenderSession::skip_missed(Now now) {
  const Duration lateness_max = std::max(options_.interval, kSendLatenessMax);
  const Duration late = now.mono - regular_due_;
  if (late <= lateness_max) return;
  const std::int64_t missed = (late - lateness_max) / options_.interval + 1;
  regular_due_ += options_.interval * missed;
  open_interval(now).missed += static_cast<std::uint32_t>(missed);
  missed_total_ += static_cast<std::uint64_t>(missed);
}

std::optional<SenderSession::Due> SenderSession::take_due(Now now) {
  if (burst_due_ && *burst_due_ <= now.mono) {
    --burst_left_;
    burst_due_ = burst_left_ == 0 ? std::nullopt : std::optional(*burst_due_ + burst_interval_);
    return push_probe(now, open_interval(now));
  }
  if (stopped_ || regular_due_ > now.mono) return std::nullopt;
  skip_missed(now);
  regular_due_ += options_.interval;
  return push_probe(now, open_interval(now));
}

std::optional<SenderSession::Due> SenderSession::push_probe(Now now, OpenInterval& interval) {
  const std::uint8_t index = next_flow_;
  next_flow_ =
      static_cast<std::uint8_t>((next_flow_ + 1) % std::max<std::uint8_t>(options_.flows, 1));
  Flow& flow = flows_[index];
  if (flow.probes.full()) {
    ++interval.missed;
    ++missed_total_;
    return std::nullopt;
  }
  const std::uint32_t sequence = flow.probes.next();
  Probe& probe = flow.probes.push();
  probe.sent = now.mono;
  probe.interval = interval.index;
  ++interval.unsettled;
  return Due{.flow = index, .sequence = sequence};
}

SenderSession::OpenInterval& SenderSession::open_interval(Now now) {
  const std::uint32_t index = options_.samples.index_of(now.mono);
  if (open_.empty() || open_.back().index != index) {
    const Duration into = now.mono - options_.samples.start_of(index);
    open_.push_back({.index = index,
                     .start = now.wall - into,
                     .probe_interval = options_.interval,
                     .flows = options_.flows});
  }
  return open_.back();
}

SenderSession::OpenInterval* SenderSession::find_interval(std::uint32_t index) {
  for (OpenInterval& interval : open_) {
    if (interval.index == index) return &interval;
  }
  return nullptr;
}

void SenderSession::write_probe(Due due, UnixNanos now, ErrorEstimate own_error,
                                std::span<std::uint8_t> out) const {
  LP_ASSERT(out.size() == packet_size_);
  const bool twamp = seal_.mode == ProbeMode::twamp_light;
  const PacketMode mode = packet_mode_of(seal_.mode);
  encode(SenderPacket{.sequence = due.sequence,
                      .timestamp = encode_timestamp(now, TimestampFormat::ntp),
                      .error = own_error,
                      .ssid = twamp ? std::uint16_t{0} : options_.link.from.node.value},
         mode, out);
  if (twamp) return;
  std::span<std::uint8_t> rest = out.subspan(base_size(mode));
  rest = rest.subspan(write_tlv(FollowUp{}, kTlvUnrecognized, rest));
  const LinkTlv link{.hears = hearing_.hears,
                     .flow = due.flow,
                     .port = options_.link.from.port.value,
                     .epoch = options_.epoch,
                     .silence = hearing_.silence,
                     .interval = options_.interval};
  rest = rest.subspan(write_tlv(link, kTlvUnrecognized, rest));
  if (!seal_.key) return;
  write_hmac_tlv(kTlvUnrecognized, rest);
  seal(*seal_.key, out);
}

void SenderSession::settle(const Probe& probe) {
  OpenInterval* interval = find_interval(probe.interval);
  if (interval != nullptr && interval->unsettled > 0) --interval->unsettled;
}

void SenderSession::on_send_error(Due due) {
  Probe* probe = flows_[due.flow].probes.find(due.sequence);
  if (probe == nullptr || probe->send_error) return;
  probe->send_error = true;
  settle(*probe);
}

void SenderSession::on_transmit_stamp(Due due, MonoTime transmitted) {
  Probe* probe = flows_[due.flow].probes.find(due.sequence);
  if (probe != nullptr) probe->transmitted = transmitted;
}

void SenderSession::repace(Duration interval, std::uint8_t flows, MonoTime first_due) {
  LP_ASSERT(interval > Duration(0));
  options_.interval = interval;
  options_.flows = std::max<std::uint8_t>(flows, 1);
  if (flows_.size() < options_.flows) flows_.resize(options_.flows);
  next_flow_ = static_cast<std::uint8_t>(next_flow_ % options_.flows);
  regular_due_ = first_due;
  stopped_ = false;
}

void SenderSession::burst(std::uint32_t count, Duration interval, MonoTime now) {
  if (count == 0) return;
  burst_left_ = std::min(count, kBurstMax);
  burst_interval_ = std::max(interval, kBurstIntervalMin);
  burst_due_ = now;
}

void SenderSession::stop() {
  stopped_ = true;
  burst_due_.reset();
  burst_left_ = 0;
}

std::optional<LinkSample> SenderSession::take_sample(MonoTime now) {
  if (open_.empty()) return std::nullopt;
  const OpenInterval& interval = open_.front();
  const MonoTime end = options_.samples.start_of(interval.index + 1);
  const Duration wait =
      interval.unsettled == 0 ? std::min(options_.settle, options_.drain) : options_.drain;
  if (now < end + wait) return std::nullopt;
  LinkSample sample;
  sample.link = options_.link;
  sample.start = interval.start;
  sample.length = options_.samples.length;
  sample.probe_interval = interval.probe_interval;
  sample.flows = interval.flows;
  sample.missed_by_us = interval.missed;
  sample.nonconformant_peer = interval.nonconformant;
  for (std::uint8_t index = 0; index < flows_.size(); ++index) {
    Flow& flow = flows_[index];
    while (!flow.probes.empty() && flow.probes.front().interval <= interval.index) {
      if (options_.on_result) tell_result(index, flow.probes.first(), flow.probes.front());
      add_to_sample(flow, flow.probes.first(), flow.probes.front(), sample);
      flow.probes.pop();
    }
  }
  open_.pop_front();
  return sample;
}

void SenderSession::tell_result(std::uint8_t flow, std::uint32_t sequence,
                                const Probe& probe) const {
  const bool measured = probe.answered && !probe.late;
  options_.on_result({.link = options_.link,
                      .flow = flow,
                      .sequence = sequence,
                      .rtt = measured ? rtt_of(probe) : std::nullopt});
}

void SenderSession::add_to_sample(Flow& flow, std::uint32_t sequence, const Probe& probe,
                                  LinkSample& sample) {
  sample.duplicate_forward += probe.duplicate_forward;
  sample.duplicate_backward += probe.duplicate_backward;
  sample.reordered_forward += probe.reordered_forward;
  sample.reordered_backward += probe.reordered_backward;
  if (probe.send_error) {
    ++sample.local_send_error;
    return;
  }
  ++sample.sent;
  if (probe.late) {
    ++sample.late;
  } else if (probe.answered) {
    add_answered(flow, sequence, probe, sample);
  } else if (probe.reached_peer) {
    ++sample.lost_backward;
  } else if (probe.peer_window_passed) {
    ++sample.lost_forward;
  } else {
    ++sample.lost_unplaced;
  }
}

void SenderSession::add_answered(Flow& flow, std::uint32_t sequence, const Probe& probe,
                                 LinkSample& sample) {
  ++sample.answered;
  const bool kernel = probe.transmitted.ns != 0 && probe.kernel_receive_stamp;
  const TimestampMethod method = kernel ? TimestampMethod::kernel : TimestampMethod::user;
  sample.timestamps = std::max(sample.timestamps, method);
  const std::optional<Duration> rtt = rtt_of(probe);
  if (rtt) {
    sample.rtt_min = sample.rtt.cells().empty() ? *rtt : std::min(sample.rtt_min, *rtt);
    sample.rtt_max = std::max(sample.rtt_max, *rtt);
    sample.rtt_sum += *rtt;
    sample.rtt.add(*rtt);
    if (flow.last_rtt && flow.last_sequence + 1 == sequence) {
      ++sample.ipdv_count;
      sample.ipdv_sum += std::chrono::abs(*rtt - *flow.last_rtt);
    }
    if (probe.clock_error > Duration(0)) {
      const MonoTime sent = kernel ? probe.transmitted : probe.sent;
      const UnixNanos sent_wall{sent.ns + probe.wall_offset.count()};
      const UnixNanos received_wall{probe.received.ns + probe.wall_offset.count()};
      add_delay(sample.forward_delay, probe.remote_received - sent_wall, probe.clock_error);
      add_delay(sample.backward_delay, received_wall - probe.remote_sent, probe.clock_error);
    }
  }
  flow.last_rtt = rtt;
  flow.last_sequence = sequence;
}

}  // namespace linkpilot::prober
