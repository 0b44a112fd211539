// The other half of SenderSession: what an answer says about its probe and about those before it.
#include <algorithm>
#include <bit>

#include "prober/stamp/sender_session.h"

namespace linkpilot::prober {

SenderSession::Opened SenderSession::open(const Seal& seal, std::span<const std::uint8_t> bytes) {
  const PacketMode mode = packet_mode_of(seal.mode);
  const Strictness strictness =
      seal.mode == ProbeMode::twamp_light ? Strictness::twamp_light : Strictness::strict;
  if (bytes.size() > probe_size(seal.mode)) return {};
  const auto packet = decode_reflector_packet(bytes, mode, strictness);
  if (!packet) return {};
  Opened opened{.verdict = Verdict::accepted, .packet = *packet, .tlvs = {}};
  if (bytes.size() > base_size(mode)) opened.tlvs = read_tlvs(bytes.subspan(base_size(mode)));
  if (!seal.key) return opened;
  switch (check_seal(*seal.key, bytes)) {
    case SealState::good:
      break;
    case SealState::bad_base:
      return {.verdict = Verdict::bad_authentication};
    case SealState::bad_tlvs:
      opened.tlvs = {};
      break;
  }
  return opened;
}

SenderSession::AnswerOut SenderSession::on_answer(const AnswerIn& in) {
  Opened opened = open(seal_, in.bytes);
  if (opened.verdict != Verdict::accepted && in.received < earlier_until_) {
    const Opened earlier = open(earlier_seal_, in.bytes);
    if (earlier.verdict == Verdict::accepted) opened = earlier;
  }
  if (opened.verdict != Verdict::accepted) return {.verdict = opened.verdict};
  const ReflectorPacket& packet = opened.packet;
  KnownTlvs& tlvs = opened.tlvs;
  if (tlvs.link && !tlvs.link->answer)
    tlvs.link.reset();  // a reflector that copies without knowing
  const bool twamp = seal_.mode == ProbeMode::twamp_light;
  if (!twamp && packet.ssid != options_.link.from.node.value) {
    return {.verdict = Verdict::unmatched};
  }
  if (in.flow >= flows_.size()) return {.verdict = Verdict::unmatched};
  Flow& flow = flows_[in.flow];
  Probe* probe = flow.probes.find(packet.sender_sequence);
  if (probe == nullptr || probe->send_error) {
    return {.verdict = Verdict::unmatched, .link = tlvs.link};
  }
  note_answer(flow, *probe, packet, in, tlvs);
  if (twamp && in.bytes.size() < packet_size_) {
    OpenInterval* interval = find_interval(probe->interval);
    if (interval != nullptr) interval->nonconformant = true;
  }
  return {.verdict = Verdict::accepted, .link = tlvs.link};
}

bool SenderSession::is_new_epoch(const Flow& flow, const Probe& probe,
                                 const ReflectorPacket& packet,
                                 const std::optional<LinkTlv>& link) const {
  if (flow.answers.bits() == 0) return true;
  if (link) return flow.epoch != link->epoch;
  // A peer without our TLV: one reflector sequence never answers two probes, nor falls far back.
  switch (flow.answers.judge(packet.sequence)) {
    case ReceiveWindow::Verdict::duplicate:
      return !probe.answered;
    case ReceiveWindow::Verdict::too_old:
      return static_cast<std::int32_t>(packet.sender_sequence - flow.highest_answered) > 0;
    case ReceiveWindow::Verdict::first:
    case ReceiveWindow::Verdict::next:
    case ReceiveWindow::Verdict::reordered:
      return false;
  }
  return false;
}

void SenderSession::begin_epoch(Flow& flow, std::uint32_t sequence,
                                const std::optional<LinkTlv>& link) {
  const bool first = flow.answers.bits() == 0;
  finish_awaiting(flow);
  flow.answers = {};
  flow.recent = {};
  flow.duplicates = 0;
  flow.reordered = 0;
  flow.window_bits = 0;
  flow.epoch.reset();
  if (link) {
    flow.epoch = link->epoch;
    // A reflector that knows all of its session within the window began at the lowest bit; what was
    // sent before it belongs to the epoch before, of which nothing more will be heard.
    const bool whole = std::popcount(link->window) == static_cast<int>(link->received);
    const auto oldest = static_cast<std::uint32_t>(63 - std::countl_zero(link->window | 1U));
    flow.placeable_from = first ? flow.probes.first() : link->highest - oldest;
    if (!whole && !first) flow.placeable_from = sequence;
  }
}

void SenderSession::note_answer(Flow& flow, Probe& probe, const ReflectorPacket& packet,
                                const AnswerIn& in, const KnownTlvs& tlvs) {
  if (is_new_epoch(flow, probe, packet, tlvs.link)) {
    begin_epoch(flow, packet.sender_sequence, tlvs.link);
  }
  const ReceiveWindow::Verdict order = flow.answers.add(packet.sequence);
  if (tlvs.follow_up && tlvs.link) note_follow_up(flow, *tlvs.follow_up);
  if (tlvs.link) {
    note_window(flow, *tlvs.link);
    note_reflector_counts(flow, probe, packet, *tlvs.link);
  }
  if (order == ReceiveWindow::Verdict::duplicate) {
    ++probe.duplicate_backward;
    return;
  }
  if (order == ReceiveWindow::Verdict::reordered || order == ReceiveWindow::Verdict::too_old) {
    ++probe.reordered_backward;
  }
  if (probe.answered) {  // the reflector answered one probe twice: it came twice
    if (!tlvs.link) ++probe.duplicate_forward;
    return;
  }
  probe.answered = true;
  probe.reached_peer = true;
  probe.late = in.received - probe.sent > options_.answer_timeout;
  probe.received = in.received;
  probe.kernel_receive_stamp = in.kernel_stamp;
  probe.wall_offset = Duration(in.received_wall.ns - in.received.ns);
  probe.reflector_sequence = packet.sequence;
  probe.remote_received =
      decode_timestamp(packet.receive_timestamp, packet.error.format, in.received_wall);
  probe.remote_sent = decode_timestamp(packet.timestamp, packet.error.format, in.received_wall);
  if (in.own_clock_error && packet.error.synchronized && packet.error.multiplier != 0 &&
      packet.error.format == TimestampFormat::ntp) {
    probe.clock_error = std::max(*in.own_clock_error + packet.error.error(), Duration(1));
  }
  if (!tlvs.link && static_cast<std::int32_t>(packet.sender_sequence - flow.highest_answered) < 0 &&
      order == ReceiveWindow::Verdict::next) {
    ++probe.reordered_forward;
  }
  if (static_cast<std::int32_t>(packet.sender_sequence - flow.highest_answered) > 0) {
    flow.highest_answered = packet.sender_sequence;
  }
  finish_awaiting(flow);
  if (tlvs.link && !probe.late) {
    flow.awaiting_follow_up = packet.sender_sequence;
    flow.recent[packet.sequence % flow.recent.size()] = {
        .reflector_sequence = packet.sequence, .sequence = packet.sender_sequence, .valid = true};
  } else {
    settle(probe);
    probe.remote_sent_final = true;
  }
}

// Only what the newest window adds is touched: one probe per answer in the normal course.
void SenderSession::note_window(Flow& flow, const LinkTlv& link) {
  if (link.window == 0) return;
  const bool newer =
      flow.window_bits == 0 || static_cast<std::int32_t>(link.highest - flow.window_highest) >= 0;
  const std::uint32_t ahead = link.highest - flow.window_highest;
  const bool overlaps = flow.window_bits != 0 && newer && ahead < kReceiveWindowSize;
  const std::uint64_t known = overlaps ? flow.window_bits << ahead : 0;
  // Positions no earlier window covered; an older window than the newest covers nothing new.
  const std::uint64_t uncovered = !newer     ? 0
                                  : overlaps ? (std::uint64_t{1} << ahead) - 1
                                             : ~std::uint64_t{0};
  std::uint64_t changed = (link.window & ~known) | uncovered;
  while (changed != 0) {
    const auto back = static_cast<std::uint32_t>(std::countr_zero(changed));
    changed &= changed - 1;
    const std::uint32_t sequence = link.highest - back;
    Probe* probe = flow.probes.find(sequence);
    if (probe == nullptr) continue;
    if ((link.window >> back & 1U) != 0) probe->reached_peer = true;
    if (static_cast<std::int32_t>(sequence - flow.placeable_from) >= 0) {
      probe->peer_window_passed = true;
    }
  }
  if (!newer) return;
  flow.window_highest = link.highest;
  flow.window_bits = link.window;
}

// The reflector's sequence counts all it reflected, `received` the distinct ones: the rest came
// twice.
void SenderSession::note_reflector_counts(Flow& flow, Probe& probe, const ReflectorPacket& packet,
                                          const LinkTlv& link) {
  const std::uint32_t duplicates = packet.sequence + 1 - link.received;
  const auto more_duplicates = static_cast<std::int32_t>(duplicates - flow.duplicates);
  if (more_duplicates > 0) {
    probe.duplicate_forward = static_cast<std::uint16_t>(
        std::min<std::int32_t>(probe.duplicate_forward + more_duplicates, 0xffff));
    flow.duplicates = duplicates;
  }
  const auto more_reordered = static_cast<std::int32_t>(link.reordered - flow.reordered);
  if (more_reordered > 0) {
    probe.reordered_forward = static_cast<std::uint16_t>(
        std::min<std::int32_t>(probe.reordered_forward + more_reordered, 0xffff));
    flow.reordered = link.reordered;
  }
}

void SenderSession::note_follow_up(Flow& flow, const FollowUp& follow_up) {
  if (follow_up.timestamp == 0) return;
  const Flow::Answered& answered = flow.recent[follow_up.sequence % flow.recent.size()];
  if (!answered.valid || answered.reflector_sequence != follow_up.sequence) return;
  Probe* probe = flow.probes.find(answered.sequence);
  if (probe == nullptr || probe->reflector_sequence != follow_up.sequence) return;
  probe->remote_sent =
      decode_timestamp(follow_up.timestamp, TimestampFormat::ntp, probe->remote_sent);
  probe->remote_sent_final = true;
}

// A newer answer of the flow has come: what it did not say about the one before will not be said.
void SenderSession::finish_awaiting(Flow& flow) {
  if (!flow.awaiting_follow_up) return;
  if (Probe* probe = flow.probes.find(*flow.awaiting_follow_up)) settle(*probe);
  flow.awaiting_follow_up.reset();
}

}  // namespace linkpilot::prober
