#include "agent/detect/detector.h"

#include <algorithm>
#include <unordered_set>

namespace linkpilot::agent {

namespace {

StageTimes stages_of(UnixNanos evidence, Now now) {
  StageTimes stages;
  stages.probe_sent = evidence;
  stages.reported = now.wall;
  return stages;
}

}  // namespace

std::string_view to_string(LinkEvent event) {
  switch (event) {
    case LinkEvent::suspected:
      return "link_suspected";
    case LinkEvent::undone:
      return "skip_undone";
    case LinkEvent::dead:
      return "link_dead";
    case LinkEvent::returned:
      return "link_returned";
    case LinkEvent::peer_deaf:
      return "peer_deaf";
    case LinkEvent::peer_hears:
      return "peer_hears";
    case LinkEvent::never_heard:
      return "link_never_heard";
    case LinkEvent::first_heard:
      return "link_first_heard";
    case LinkEvent::self_suspected:
      return "self_suspected";
    case LinkEvent::self_cleared:
      return "self_cleared";
  }
  return "unknown";
}

std::string_view to_string(UndoCause cause) {
  switch (cause) {
    case UndoCause::none:
      return "none";
    case UndoCause::probe_arrived:
      return "probe_arrived";
    case UndoCause::answer_arrived:
      return "answer_arrived";
    case UndoCause::peer_hears:
      return "peer_hears_us";
    case UndoCause::own_trouble:
      return "own_trouble";
  }
  return "unknown";
}

void DetectorOutput::clear() {
  marks.clear();
  hearing.clear();
  bursts.clear();
  alarms.clear();
  transitions.clear();
}

void Detector::plan(std::span<const PlannedLink> links, Now now, DetectorOutput& out) {
  std::unordered_set<LinkId> kept;
  for (const PlannedLink& link : links) {
    const LinkId incoming = link.link.reversed();
    kept.insert(incoming);
    const auto [it, added] = watches_.try_emplace(incoming);
    Watch& watch = it->second;
    if (added) {
      watch.incoming = incoming;
      watch.last_any = now.mono;
      watch.last_any_wall = now.wall;
      watch.floor = now.mono + options_.settle;
    } else if (watch.own_interval != link.interval) {
      watch.floor = now.mono + options_.settle;
    }
    watch.own_interval = link.interval;
    watch.answers.interval = link.interval;
    // The peer's own plan changes about now too; until its next probe says so, expect no more of it
    // than of ourselves.
    if (watch.probes.interval > Duration::zero()) {
      watch.probes.interval = std::max(watch.probes.interval, link.interval);
    }
  }
  for (auto it = watches_.begin(); it != watches_.end();) {
    if (kept.contains(it->first)) {
      ++it;
      continue;
    }
    const Watch& watch = it->second;
    if (watch.said_inbound_dead || watch.said_outbound_dead) {
      out.marks.push_back({.outgoing = watch.incoming.reversed()});
    }
    it = watches_.erase(it);
  }
}

void Detector::set_round_trip(LinkId outgoing, Duration round_trip) {
  const auto it = watches_.find(outgoing.reversed());
  if (it != watches_.end()) it->second.round_trip = round_trip;
}

void Detector::hold(NodeId peer, Duration grace, Now now) {
  for (auto& [link, watch] : watches_) {
    if (link.from.node != peer) continue;
    if (grace > Duration::zero()) {
      watch.held_until = now.mono + std::min(grace, kHoldMax);
    } else if (now.mono < watch.held_until) {
      watch.held_until = MonoTime{};
      watch.floor = std::max(watch.floor, now.mono + options_.settle);
    }
  }
}

LinkState Detector::state_of(LinkId incoming) const {
  const auto it = watches_.find(incoming);
  if (it == watches_.end()) return LinkState::unspecified;
  switch (it->second.hearing) {
    case Hearing::unheard:
      return LinkState::unspecified;
    case Hearing::alive:
      return LinkState::alive;
    case Hearing::suspect:
      return LinkState::suspect;
    case Hearing::dead:
      return LinkState::dead;
  }
  return LinkState::unspecified;
}

void Detector::on_arrivals(std::span<const prober::Arrival> arrivals, Now now,
                           DetectorOutput& out) {
  for (const prober::Arrival& arrival : arrivals) {
    const auto it = watches_.find(arrival.link);
    if (it != watches_.end()) on_arrival(it->second, arrival, now, out);
  }
}

void Detector::on_arrival(Watch& watch, const prober::Arrival& arrival, Now now,
                          DetectorOutput& out) {
  const MonoTime at = arrival.received_mono;
  const bool was_silent = is_silent(watch, at);
  const Duration silence = silence_of(watch, at);
  const bool is_answer = arrival.kind == prober::Arrival::Kind::answer;
  Rhythm& rhythm = is_answer ? watch.answers : watch.probes;
  if (!rhythm.heard || at > rhythm.last) rhythm.last = at;
  rhythm.heard = true;
  if (arrival.peer_interval > Duration::zero()) {
    watch.probes.interval = std::max(arrival.peer_interval, watch.own_interval);
  }
  if (watch.hearing == Hearing::unheard || at > watch.last_any) {
    watch.last_any = at;
    watch.last_any_wall = arrival.received;
    watch.stall_before = stall_;
  }

  if (self_suspected_) {
    // Somebody is heard again: the trouble is over. The others get time to be heard as well.
    self_suspected_ = false;
    for (auto& [link, other] : watches_)
      other.floor = std::max(other.floor, now.mono + options_.settle);
    out.transitions.push_back({.event = LinkEvent::self_cleared, .time = now.wall});
  }
  if (watch.hearing == Hearing::unheard) {
    watch.hearing = Hearing::alive;
    if (watch.unheard_marked) note(watch, watch.incoming, LinkEvent::first_heard, now, out);
    watch.unheard_marked = false;
  } else if (watch.hearing == Hearing::suspect) {
    watch.hearing = Hearing::alive;
    note_undone(watch, watch.incoming,
                is_answer ? UndoCause::answer_arrived : UndoCause::probe_arrived, silence, now,
                out);
  } else if (watch.hearing == Hearing::dead) {
    if (watch.arrivals_since_dead == 0 || was_silent) {
      watch.arrivals_since_dead = 0;
      watch.return_from = at;
    }
    ++watch.arrivals_since_dead;
  }
  take_word(watch, arrival, now, out);
  say(watch, now, out);
}

void Detector::take_word(Watch& watch, const prober::Arrival& arrival, Now now,
                         DetectorOutput& out) {
  if (arrival.peer_hears_us) {
    if (watch.word == Word::deaf && watch.hearing == Hearing::alive) {
      const LinkId outgoing = watch.incoming.reversed();
      if (watch.deaf_confirmed) {
        note(watch, outgoing, LinkEvent::peer_hears, now, out);
      } else {
        note_undone(watch, outgoing, UndoCause::peer_hears, {}, now, out);
      }
    }
    watch.word = Word::hears;
    watch.deaf_confirmed = false;
    return;
  }
  if (watch.word == Word::deaf) return;
  watch.word = Word::deaf;
  watch.deaf_at = now.mono;
  watch.deaf_confirm_at = confirm_time(watch, now.mono);
  if (watch.hearing != Hearing::alive) return;
  watch.episode = ++episodes_;
  note(watch, watch.incoming.reversed(), LinkEvent::peer_deaf, now, out);
  vouch(watch, now, out);
}

// The other half of the evidence of a one-way cut: what the peer sends does arrive, so only one
// direction is dead. The peer cannot know that and has called both suspect.
void Detector::vouch(const Watch& watch, Now now, DetectorOutput& out) {
  out.alarms.push_back({.link = watch.incoming,
                        .state = LinkState::alive,
                        .confirmed = true,
                        .since = watch.last_any_wall,
                        .episode = watch.episode,
                        .stages = stages_of(watch.last_any_wall, now)});
}

void Detector::judge(Now now, Duration late, DetectorOutput& out) {
  if (late >= options_.stall_min) stall_ += late;
  if (self_suspected_) return;
  bool any_silent = false;
  for (const auto& [link, watch] : watches_) {
    if (watch.hearing == Hearing::alive && is_silent(watch, now.mono)) {
      any_silent = true;
      break;
    }
  }
  if (any_silent) {
    if (const std::uint32_t peers = peers_all_quiet(now.mono); peers >= options_.self_peers_min) {
      suspect_self(now, peers, out);
      return;
    }
  }
  for (auto& [link, watch] : watches_) judge_watch(watch, now, out);
}

void Detector::judge_watch(Watch& watch, Now now, DetectorOutput& out) {
  switch (watch.hearing) {
    case Hearing::unheard: {
      const Duration grace = std::max(options_.unheard_grace,
                                      watch.own_interval * options_.missed_min + options_.margin);
      if (watch.unheard_marked || now.mono < watch.last_any + grace) return;
      watch.unheard_marked = true;
      note(watch, watch.incoming, LinkEvent::never_heard, now, out);
      break;
    }
    case Hearing::alive:
      if (is_silent(watch, now.mono)) {
        suspect(watch, now, out);
      } else if (watch.word == Word::deaf && !watch.deaf_confirmed &&
                 now.mono >= watch.deaf_confirm_at) {
        watch.deaf_confirmed = true;
        note(watch, watch.incoming.reversed(), LinkEvent::dead, now, out);
        vouch(watch, now, out);  // by now the peer's burst has failed, and it has said "dead"
      } else {
        return;
      }
      break;
    case Hearing::suspect:
      if (now.mono < watch.confirm_at) return;
      watch.hearing = Hearing::dead;
      watch.arrivals_since_dead = 0;
      note(watch, watch.incoming, LinkEvent::dead, now, out);
      break;
    case Hearing::dead:
      if (watch.arrivals_since_dead < options_.return_arrivals) return;
      if (now.mono - watch.return_from < options_.return_dwell || is_silent(watch, now.mono))
        return;
      watch.hearing = Hearing::alive;
      note(watch, watch.incoming, LinkEvent::returned, now, out);
      if (watch.word == Word::deaf) watch.deaf_confirm_at = confirm_time(watch, now.mono);
      break;
  }
  say(watch, now, out);
}

void Detector::suspect(Watch& watch, Now now, DetectorOutput& out) {
  watch.hearing = Hearing::suspect;
  watch.word = Word::unknown;
  watch.deaf_confirmed = false;
  watch.episode = ++episodes_;
  watch.suspected_at = now.mono;
  watch.confirm_at = confirm_time(watch, now.mono);
  out.bursts.push_back(watch.incoming.reversed());
  note(watch, watch.incoming, LinkEvent::suspected, now, out);
}

void Detector::suspect_self(Now now, std::uint32_t peers, DetectorOutput& out) {
  self_suspected_ = true;
  out.transitions.push_back({.event = LinkEvent::self_suspected, .time = now.wall, .peers = peers});
  // Packets of far peers were still on their way when the near ones went silent: those suspicions
  // belong to the same trouble and are taken back.
  for (auto& [link, watch] : watches_) {
    if (watch.hearing != Hearing::suspect) continue;
    watch.hearing = Hearing::alive;
    note_undone(watch, watch.incoming, UndoCause::own_trouble, silence_of(watch, now.mono), now,
                out);
    say(watch, now, out);
  }
}

MonoTime Detector::confirm_time(const Watch& watch, MonoTime now) const {
  const Duration round_trip =
      watch.round_trip > Duration::zero() ? watch.round_trip : options_.rtt_unknown;
  return now + options_.burst_interval * options_.burst_count + round_trip +
         options_.confirm_margin;
}

Duration Detector::silence_of(const Watch& watch, MonoTime now) const {
  return now - watch.last_any;
}

bool Detector::is_silent(const Watch& watch, MonoTime now) const {
  if (now < watch.held_until) return false;
  const MonoTime base = std::max(watch.last_any, watch.floor);
  // Two rhythms, neither faster than our own: the n-th instant is at least (n-1)/2 periods away.
  if (now - base < watch.own_interval * ((options_.missed_min - 1) / 2)) return false;
  const auto due =
      nth_expected_arrival(watch.probes, watch.answers, watch.last_any, base, options_.missed_min);
  if (!due) return false;
  return now >= *due + options_.margin + (stall_ - watch.stall_before);
}

// How many peers there are if none of them was heard for four expected arrivals; zero otherwise.
// Links already dead, and peers that restart, say nothing about us. Fast links are asked first:
// slow ones cannot answer in time.
std::uint32_t Detector::peers_all_quiet(MonoTime now) const {
  const auto count = [&](bool fast_only) -> std::uint32_t {
    std::unordered_set<NodeId> peers;
    for (const auto& [link, watch] : watches_) {
      if (watch.hearing != Hearing::alive && watch.hearing != Hearing::suspect) continue;
      if (now < watch.held_until) continue;
      const auto spacing = mean_spacing(watch.probes, watch.answers, watch.last_any);
      if (!spacing || (fast_only && *spacing > kFastProbeInterval)) continue;
      if (now - watch.last_any - (stall_ - watch.stall_before) < *spacing * 4) return 0;
      peers.insert(watch.incoming.from.node);
    }
    return static_cast<std::uint32_t>(peers.size());
  };
  const auto fast_peers = [&] {
    std::unordered_set<NodeId> peers;
    for (const auto& [link, watch] : watches_) {
      if (watch.hearing != Hearing::alive && watch.hearing != Hearing::suspect) continue;
      if (now < watch.held_until) continue;
      const auto spacing = mean_spacing(watch.probes, watch.answers, watch.last_any);
      if (spacing && *spacing <= kFastProbeInterval) peers.insert(watch.incoming.from.node);
    }
    return peers.size();
  };
  return count(fast_peers() >= options_.self_peers_min);
}

void Detector::note(const Watch& watch, LinkId link, LinkEvent event, Now now,
                    DetectorOutput& out) const {
  out.transitions.push_back({.event = event,
                             .link = link,
                             .episode = watch.episode,
                             .time = now.wall,
                             .silence = silence_of(watch, now.mono)});
}

void Detector::note_undone(const Watch& watch, LinkId link, UndoCause cause, Duration silence,
                           Now now, DetectorOutput& out) {
  const MonoTime since = cause == UndoCause::peer_hears ? watch.deaf_at : watch.suspected_at;
  out.transitions.push_back({.event = LinkEvent::undone,
                             .link = link,
                             .episode = watch.episode,
                             .time = now.wall,
                             .silence = silence,
                             .skipped = now.mono - since,
                             .cause = cause});
}

// Brings what was said in line with what is believed; says only what changed.
void Detector::say(Watch& watch, Now now, DetectorOutput& out) {
  const bool silent = watch.hearing == Hearing::suspect || watch.hearing == Hearing::dead;
  const bool inbound_dead = silent || watch.unheard_marked;
  const bool outbound_dead =
      watch.word == Word::deaf || (silent && watch.word == Word::unknown) || watch.unheard_marked;
  if (inbound_dead != watch.said_inbound_dead || outbound_dead != watch.said_outbound_dead) {
    watch.said_inbound_dead = inbound_dead;
    watch.said_outbound_dead = outbound_dead;
    out.marks.push_back({watch.incoming.reversed(), outbound_dead, inbound_dead});
  }
  if (inbound_dead == watch.said_hearing) {
    watch.said_hearing = !inbound_dead;
    out.hearing.push_back({watch.incoming, !inbound_dead, silence_of(watch, now.mono)});
  }
  const auto alarm = [&](LinkId link, LinkState state, LinkState& said) {
    if (state == said) return;
    said = state;
    out.alarms.push_back({.link = link,
                          .state = state,
                          .confirmed = state != LinkState::suspect,
                          .since = watch.last_any_wall,
                          .episode = watch.episode,
                          .stages = stages_of(watch.last_any_wall, now)});
  };
  const bool dead = watch.hearing == Hearing::dead;
  LinkState incoming = LinkState::alive;
  if (silent) incoming = dead ? LinkState::dead : LinkState::suspect;
  LinkState outgoing = LinkState::alive;
  if (outbound_dead && !watch.unheard_marked) {
    outgoing = dead || watch.deaf_confirmed ? LinkState::dead : LinkState::suspect;
  }
  alarm(watch.incoming, incoming, watch.said_incoming);
  alarm(watch.incoming.reversed(), outgoing, watch.said_outgoing);
}

}  // namespace linkpilot::agent
