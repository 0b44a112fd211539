#include "prober/stamp/reflector.h"

#include <algorithm>
#include <array>

namespace linkpilot::prober {
namespace {

constexpr double kBurstMin = 64;  // one receive batch passes even at the lowest rate

Strictness strictness_of(ProbeMode mode) {
  return mode == ProbeMode::twamp_light ? Strictness::twamp_light : Strictness::strict;
}

}  // namespace

Reflector::Reflector(const ReflectorOptions& options)
    : options_(options), rng_(options.seed), total_(options.per_second_max, kBurstMin) {}

Reflector::Seal Reflector::seal_of(ProbeMode mode, std::span<const std::uint8_t> secret,
                                   std::uint32_t epoch, NodeId ssid) {
  Seal seal{.mode = mode, .key = std::nullopt};
  if (mode == ProbeMode::stamp_authenticated) seal.key = derive_session_key(secret, ssid, epoch);
  return seal;
}

void Reflector::set_peers(std::span<const PlannedLink> links) {
  std::vector<Peer> peers;
  std::unordered_map<LinkId, std::uint32_t> peer_of_link;
  peers.reserve(links.size());
  for (const PlannedLink& planned : links) {
    const LinkId incoming = planned.link.reversed();
    const NodeId ssid = incoming.from.node;
    const ProbeMode mode = planned.mode == ProbeMode::unspecified ? ProbeMode::stamp : planned.mode;
    Peer peer{
        .link = incoming,
        .address = planned.peer.address,
        .seal = seal_of(mode, planned.secret, planned.secret_epoch, ssid),
        .also = seal_of(planned.also_mode, planned.also_secret, planned.also_secret_epoch, ssid),
        .own_interval = planned.interval,
        .hearing = {},
        .bucket = TokenBucket(options_.per_source_per_second_max, kBurstMin)};
    if (const auto known = peer_of_link_.find(incoming); known != peer_of_link_.end()) {
      peer.hearing = peers_[known->second].hearing;
      peer.bucket = peers_[known->second].bucket;
    }
    peer_of_link.emplace(incoming, static_cast<std::uint32_t>(peers.size()));
    peers.push_back(std::move(peer));
  }
  peers_ = std::move(peers);
  peer_of_link_ = std::move(peer_of_link);
  peers_at_.clear();
  for (std::uint32_t i = 0; i < peers_.size(); ++i) peers_at_.emplace(peers_[i].address, i);
  for (std::uint32_t slot = 0; slot < sessions_.size(); ++slot) {
    const Session& session = sessions_[slot];
    if (session.epoch == 0) continue;
    const auto peer = peer_of_link_.find(session.link);
    if (peer == peer_of_link_.end() ||
        peers_[peer->second].address != session.source.endpoint.address) {
      close(slot);
    }
  }
}

void Reflector::set_hearing(LinkId incoming, Hearing hearing) {
  const auto peer = peer_of_link_.find(incoming);
  if (peer != peer_of_link_.end()) peers_[peer->second].hearing = hearing;
}

Reflector::Peer* Reflector::find_peer(const ProbeIn& in, std::uint16_t ssid,
                                      const std::optional<LinkTlv>& word) {
  if (word && ssid != 0) {  // several ports of a node behind one address: the probe names its own
    const LinkId link{{NodeId(ssid), PortIndex(word->port)}, {}};
    const auto [begin, end] = peers_at_.equal_range(in.source.address);
    for (auto it = begin; it != end; ++it) {
      Peer& peer = peers_[it->second];
      if (peer.link.from == link.from && peer.link.to.port == in.port) return &peer;
    }
  }
  const auto [begin, end] = peers_at_.equal_range(in.source.address);
  for (auto it = begin; it != end; ++it) {
    Peer& peer = peers_[it->second];
    if (peer.link.to.port != in.port) continue;
    if (peer.link.from.node.value == ssid) return &peer;
    const bool twamp = peer.seal.mode == ProbeMode::twamp_light;
    if (ssid == 0 && twamp) return &peer;  // TWAMP has no SSID
  }
  return nullptr;
}

Reflector::Opened Reflector::open(const ProbeIn& in) {
  // A first, lenient look, only to find whose it is; SSIDs sit apart in the two modes.
  const auto look =
      decode_sender_packet(in.bytes, PacketMode::unauthenticated, Strictness::twamp_light);
  if (!look) return {.verdict = Verdict::malformed};
  Opened opened;
  if (in.bytes.size() > kUnauthenticatedSize) {
    opened.tlvs = read_tlvs(in.bytes.subspan(kUnauthenticatedSize));
  }
  opened.peer = find_peer(in, look->ssid, opened.tlvs.link);
  if (opened.peer == nullptr) return open_sealed(in);
  for (const Seal* seal : {&opened.peer->seal, &opened.peer->also}) {
    if (seal->mode == ProbeMode::unspecified || seal->key) continue;
    opened.seal = seal;
    break;
  }
  if (opened.seal == nullptr) {  // it came without the seal that this peer must set
    return {.verdict = Verdict::bad_authentication, .peer = opened.peer};
  }
  const auto probe =
      decode_sender_packet(in.bytes, PacketMode::unauthenticated, strictness_of(opened.seal->mode));
  if (!probe) return {.verdict = Verdict::malformed};
  opened.probe = *probe;
  opened.verdict = Verdict::answered;
  return opened;
}

Reflector::Opened Reflector::open_sealed(const ProbeIn& in) {
  const auto probe = decode_sender_packet(in.bytes, PacketMode::authenticated, Strictness::strict);
  if (!probe) return {.verdict = Verdict::unknown_session};
  Opened opened{.probe = *probe, .tlvs = read_tlvs(in.bytes.subspan(kAuthenticatedSize))};
  opened.peer = find_peer(in, probe->ssid, opened.tlvs.link);
  if (opened.peer == nullptr) return {.verdict = Verdict::unknown_session};
  opened.verdict = Verdict::bad_authentication;
  for (const Seal* seal : {&opened.peer->seal, &opened.peer->also}) {
    if (!seal->key) continue;
    const SealState state = check_seal(*seal->key, in.bytes);
    if (state == SealState::bad_base) continue;
    opened.verdict = Verdict::answered;
    opened.seal = seal;
    opened.tlvs_intact = state == SealState::good;
    if (!opened.tlvs_intact) opened.tlvs = {};
    break;
  }
  return opened;
}

Reflector::Outcome Reflector::on_probe(const ProbeIn& in, MonoTime now) {
  const Opened opened = open(in);
  if (opened.verdict != Verdict::answered) {
    return {.verdict = opened.verdict, .link = opened.peer ? opened.peer->link : LinkId{}};
  }
  Peer& peer = *opened.peer;
  const KnownTlvs& tlvs = opened.tlvs;
  if (tlvs.link && tlvs.link->answer) return {.verdict = Verdict::malformed};
  if (!peer.bucket.take(now) || !total_.take(now)) return {.verdict = Verdict::rate};

  const std::uint32_t sequence = opened.probe.sequence;
  const auto slot =
      find_or_open({.endpoint = in.source, .port = in.port, .ssid = opened.probe.ssid}, peer, now);
  if (!slot) return {.verdict = Verdict::table_full};
  Session& session = sessions_[*slot];
  if (!is_fresh(session, *opened.seal, sequence, tlvs.link)) return {.verdict = Verdict::replayed};

  const ReceiveWindow::Verdict order = session.window.add(sequence);
  const bool duplicate = order == ReceiveWindow::Verdict::duplicate;
  if (!duplicate) ++session.received;
  if (order == ReceiveWindow::Verdict::reordered) ++session.reordered;
  session.last_heard = now;
  write_answer(in, opened, session);
  const PacketMode mode = packet_mode_of(opened.seal->mode);
  if (!opened.tlvs_intact) mark_integrity_failure(in.bytes.subspan(base_size(mode)));
  const AnswerId answer{.slot = *slot, .epoch = session.epoch, .sequence = session.next_sequence++};
  return {.verdict = Verdict::answered,
          .answer = answer,
          .link = peer.link,
          .mode = mode,
          .key = opened.seal->key ? &*opened.seal->key : nullptr,
          .word = tlvs.link,
          .duplicate = duplicate};
}

bool Reflector::is_fresh(Session& session, const Seal& seal, std::uint32_t sequence,
                         const std::optional<LinkTlv>& word) {
  if (word && session.sender_epoch != word->epoch) {
    // With keys, only a later start of the sender counts: an earlier one is a recording.
    if (session.sender_epoch && seal.key &&
        static_cast<std::int32_t>(word->epoch - *session.sender_epoch) < 0) {
      return false;
    }
    if (session.window.bits() != 0) restart(session);
    session.sender_epoch = word->epoch;
  }
  if (session.window.judge(sequence) != ReceiveWindow::Verdict::too_old) return true;
  // A foreign sender cannot say that it began anew; without keys there is nothing to protect.
  if (word || seal.key) return false;
  restart(session);
  return true;
}

void Reflector::write_answer(const ProbeIn& in, const Opened& opened, const Session& session) {
  const Peer& peer = *opened.peer;
  const SenderPacket& probe = opened.probe;
  const PacketMode mode = packet_mode_of(opened.seal->mode);
  const ReflectorPacket answer{
      .sequence = session.next_sequence,
      .timestamp = 0,
      .error = in.own_error,
      .ssid = probe.ssid,
      .receive_timestamp = encode_timestamp(in.received, TimestampFormat::ntp),
      .sender_sequence = probe.sequence,
      .sender_timestamp = probe.timestamp,
      .sender_error = probe.error.pack(),
      .sender_ttl = in.ttl};
  if (in.bytes.size() < base_size(mode)) {  // TWAMP-Light: as much of it as was asked for
    std::array<std::uint8_t, kUnauthenticatedSize> whole{};
    encode(answer, mode, whole);
    std::copy_n(whole.begin(), in.bytes.size(), in.bytes.begin());
    return;
  }
  encode(answer, mode, in.bytes);
  const LinkTlv link{.hears = peer.hearing.hears,
                     .answer = true,
                     .flow = opened.tlvs.link ? opened.tlvs.link->flow : std::uint8_t{0},
                     .port = peer.link.to.port.value,
                     .epoch = session.epoch,
                     .silence = peer.hearing.silence,
                     .interval = peer.own_interval,
                     .highest = session.window.highest(),
                     .window = session.window.bits(),
                     .received = session.received,
                     .reordered = session.reordered};
  reflect_tlvs(in.bytes.subspan(base_size(mode)), session.last_transmit, link,
               opened.seal->key.has_value());
}

void Reflector::finish(const Outcome& outcome, UnixNanos transmit, std::span<std::uint8_t> answer) {
  write_transmit_timestamp(encode_timestamp(transmit, TimestampFormat::ntp), outcome.mode, answer);
  if (outcome.key != nullptr) seal(*outcome.key, answer);
}

void Reflector::on_transmit_stamp(AnswerId answer, UnixNanos transmit) {
  Session& session = sessions_[answer.slot];
  if (session.epoch != answer.epoch) return;
  session.last_transmit = {.sequence = answer.sequence,
                           .timestamp = encode_timestamp(transmit, TimestampFormat::ntp),
                           .kernel = true};
}

std::optional<std::uint32_t> Reflector::find_or_open(const Source& source, const Peer& peer,
                                                     MonoTime now) {
  const auto known = by_source_.find(source);
  if (known != by_source_.end()) {
    Session& session = sessions_[known->second];
    if (session.link != peer.link) {  // the same socket now speaks for another port
      restart(session);
      session.link = peer.link;
    }
    return known->second;
  }
  if (!make_room(peer.link)) return std::nullopt;
  std::uint32_t slot = 0;
  if (free_.empty()) {
    slot = static_cast<std::uint32_t>(sessions_.size());
    sessions_.emplace_back();
  } else {
    slot = free_.back();
    free_.pop_back();
  }
  Session& session = sessions_[slot];
  session = Session{.source = source, .link = peer.link, .last_heard = now};
  restart(session);
  by_source_.emplace(source, slot);
  return slot;
}

void Reflector::restart(Session& session) {
  session.epoch = static_cast<std::uint32_t>(rng_.next()) | 1U;
  session.sender_epoch.reset();
  session.window = {};
  session.next_sequence = 0;
  session.received = 0;
  session.reordered = 0;
  session.last_transmit = {};
}

// Whether a session for `link` may be opened, closing that peer's longest idle one if it has too
// many.
bool Reflector::make_room(LinkId link) {
  std::size_t count = 0;
  std::uint32_t oldest = 0;
  for (std::uint32_t slot = 0; slot < sessions_.size(); ++slot) {
    const Session& session = sessions_[slot];
    if (session.epoch == 0 || session.link != link) continue;
    if (count == 0 || session.last_heard < sessions_[oldest].last_heard) oldest = slot;
    ++count;
  }
  if (count >= kSessionsPerPeerMax) close(oldest);
  return by_source_.size() < options_.sessions_max;
}

void Reflector::close(std::uint32_t slot) {
  by_source_.erase(sessions_[slot].source);
  sessions_[slot] = Session{};
  free_.push_back(slot);
}

void Reflector::expire(MonoTime now) {
  for (std::uint32_t slot = 0; slot < sessions_.size(); ++slot) {
    const Session& session = sessions_[slot];
    if (session.epoch != 0 && now - session.last_heard > options_.idle) close(slot);
  }
}

}  // namespace linkpilot::prober
