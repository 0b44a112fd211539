#include "collector/evidence/link_book.h"

#include <algorithm>
#include <cmath>
#include <optional>
#include <utility>

namespace linkpilot::collector {

namespace {

// One-way delays are believed when both clocks together are at most this wrong.
constexpr Duration kClockErrorMax = std::chrono::milliseconds(2);

double book_milliseconds(Duration duration) { return static_cast<double>(duration.count()) * 1e-6; }

// Of one that was answered.
float mean_rtt_ms(const LinkSample& sample) {
  return static_cast<float>(book_milliseconds(sample.rtt_sum) / sample.answered);
}

std::optional<double> mean_one_way(const OneWayDelay& delay) {
  if (delay.count == 0 || delay.error > kClockErrorMax) return {};
  return book_milliseconds(delay.sum) / delay.count;
}

optimizer::LinkLook look_of(const LinkSample& sample) {
  optimizer::LinkLook look;
  look.sent = sample.sent;
  look.lost_forward = sample.lost_forward;
  look.lost_backward = sample.lost_backward;
  look.lost_unplaced = sample.lost_unplaced;
  if (sample.answered > 0) {
    look.rtt_ms = book_milliseconds(
        sample.rtt.quantile(0.5).value_or(Duration(sample.rtt_sum.count() / sample.answered)));
  }
  look.forward_ms = mean_one_way(sample.forward_delay);
  look.backward_ms = mean_one_way(sample.backward_delay);
  if (sample.ipdv_count > 0) {
    look.jitter_ms = book_milliseconds(sample.ipdv_sum) / sample.ipdv_count;
  }
  return look;
}

}  // namespace

LinkBook::Place LinkBook::place_for(LinkId link) {
  Place place = 0;
  if (!free_.empty()) {
    place = free_.back();
    free_.pop_back();
  } else {
    place = static_cast<Place>(pairs_.size());
    pairs_.emplace_back();
    pulses_.emplace_back();
    if (2 * place / kDetectorsEach == detectors_.size()) {
      detectors_.emplace_back().reserve(kDetectorsEach);
    }
    detectors_.back().resize(detectors_.back().size() + 2);
  }
  pairs_[place].link = link;
  return place;
}

LinkBook::Session LinkBook::find_or_create(LinkId link) {
  if (const Session found = index_.find(link); found != kNone) return found;
  if (pairs() >= pairs_max_ || link.from.node == link.to.node) {
    ++refused_;
    return kNone;
  }
  const Place pair = place_for(link);
  index_.add(link, 2 * pair);
  index_.add(link.reversed(), 2 * pair + 1);
  for (const NodeId node : {link.from.node, link.to.node}) {
    if (of_node_.size() <= node.value) of_node_.resize(std::size_t{node.value} + 1);
    of_node_[node.value].push_back(pair);
  }
  return 2 * pair;
}

void LinkBook::find(std::span<const FoldedSample> samples, std::vector<Session>& sessions) {
  constexpr std::size_t kAhead = 8;
  sessions.clear();
  for (std::size_t i = 0; i < samples.size(); ++i) {
    if (i + kAhead < samples.size()) index_.prefetch(samples[i + kAhead].sample->link);
    const Session session = find_or_create(samples[i].sample->link);
    if (session != kNone) __builtin_prefetch(&pulse(session), 1);
    sessions.push_back(session);
  }
}

// This sample does not change that nothing stands out.
bool LinkBook::Pulse::quiet(const LinkSample& sample) const {
  if (!calm || sample.answered == 0 || sample.sent != sample.answered || sample.sent > kSentMax) {
    return false;
  }
  return std::abs(mean_rtt_ms(sample) - usual_ms) <= near_ms;
}

LinkBook::Looked LinkBook::add(Session session, const LinkSample& sample, Now at) {
  if (session == kNone) return {};
  Pulse& line = pulse(session);
  if (at.mono <= line.looked) return {};
  if (line.quiet(sample) && !line.reaches_detector()) {
    line.looked = at.mono;
    line.rtt_ms[line.waiting++ % Pulse::kKept] = mean_rtt_ms(sample);
    line.waiting_sent = static_cast<std::uint16_t>(line.waiting_sent + sample.sent);
  } else {
    look(session, sample, at);
  }
  return {line.timed, line.skewed};
}

void LinkBook::look(Session session, const LinkSample& sample, Now at) {
  const Place number = session / 2;
  const Pair& pair = pairs_[number];
  Pulse& line = pulse(session);
  optimizer::LinkLook look = look_of(sample);
  if (line.quiet(sample)) {
    // The newest ones go on waiting, for what may come next.
    const std::uint32_t stays = std::uint32_t{line.waiting_sent} * Pulse::kKept / line.waiting;
    look.looks += line.waiting - std::uint32_t{Pulse::kKept};
    look.sent += line.waiting_sent - stays;
    line.waiting = Pulse::kKept;
    line.waiting_sent = static_cast<std::uint16_t>(stays);
  } else {
    end_wait(session);
  }
  line.looked = at.mono;
  const MonoTime began = at.mono - sample.length;
  if (!has_word(pair) && began >= pair.sides[0].revived && began >= pair.sides[1].revived) {
    pairs_[number].sides[session % 2].judged = at.mono;
    detector(session).look(look, options_);
    line.timed = look.forward_ms && look.backward_ms && detector(session).settled(options_);
    note_detector(session);
  }
  review(number, at);
}

// What waits reaches the detector: all but the newest ones as one look, those by themselves.
void LinkBook::end_wait(Session session) {
  Pulse& line = pulse(session);
  if (line.waiting == 0) return;
  const std::uint8_t waiting = std::exchange(line.waiting, 0);
  const std::uint16_t sent = std::exchange(line.waiting_sent, 0);
  const auto kept = static_cast<std::uint8_t>(std::min<std::size_t>(waiting, Pulse::kKept));
  const std::uint32_t sent_each = std::uint32_t{sent} / waiting;
  for (std::uint8_t i = kept; i > 0; --i) {
    optimizer::LinkLook look;
    look.looks = i == kept ? std::uint32_t{waiting} - kept + 1U : 1U;
    look.sent = i == kept ? sent - sent_each * (kept - 1U) : sent_each;
    look.rtt_ms =
        static_cast<double>(line.rtt_ms[static_cast<std::size_t>(waiting - i) % Pulse::kKept]);
    detector(session).look(look, options_);
  }
  pairs_[session / 2].sides[session % 2].judged = line.looked;
}

void LinkBook::note_detector(Session session) {
  constexpr double kNearMs = 2.0;
  constexpr double kNearSpreads = 4.0;
  constexpr double kNearRatio = 0.02;
  constexpr double kNearShare = 0.6;  // of what would be told
  const optimizer::LinkDetector& found = detector(session);
  Pulse& line = pulse(session);
  pairs_[session / 2].sides[session % 2].odd = found.odd(kOddNats);
  line.skewed = found.skewed();
  if (!found.settled(options_)) return;
  const double wide =
      std::max(kNearMs, kNearSpreads * found.spread_ms(options_)) + kNearRatio * found.rtt_ms();
  line.usual_ms = static_cast<float>(found.rtt_ms());
  line.near_ms = static_cast<float>(std::min(wide, kNearShare * options_.delay_enter_ms));
}

void LinkBook::note_state(LinkId link, LinkState state, Now now) {
  const Session session = find_or_create(link);
  if (session == kNone) return;
  Side& side = pairs_[session / 2].sides[session % 2];
  if (side.state != LinkState::alive && state == LinkState::alive) side.revived = now.mono;
  side.state = state;
  review(session / 2, now);
}

void LinkBook::resume(LinkId link, double usual_rtt_ms, double usual_loss_ratio) {
  const Session session = find_or_create(link);
  if (session == kNone) return;
  for (const Session each : {session, session ^ 1U}) {
    end_wait(each);
    pulse(each).calm = false;
    pairs_[each / 2].sides[each % 2].odd = true;
  }
  detector(session).resume(usual_rtt_ms, usual_loss_ratio, -1, options_);
  detector(session ^ 1U).resume(usual_rtt_ms, -1, usual_loss_ratio, options_);
  list(session / 2);
}

void LinkBook::forget(NodeId node) {
  if (node.value >= of_node_.size() || of_node_[node.value].empty()) return;
  ++generation_;
  const std::vector<Place> gone = std::exchange(of_node_[node.value], {});
  for (const Place place : gone) {
    const LinkId link = pairs_[place].link;
    std::erase(of_node_[(link.from.node == node ? link.to : link.from).node.value], place);
    pairs_[place] = {};
    pulses_[place] = {};
    detector(2 * place) = detector(2 * place + 1) = {};
    free_.push_back(place);
  }
  std::erase_if(odd_, [this](Place place) { return !pairs_[place].listed; });
  index_.clear();
  for (Place place = 0; place < places(); ++place) {
    const LinkId link = pairs_[place].link;
    if (link.from.node == link.to.node) continue;  // no pair's
    index_.add(link, 2 * place);
    index_.add(link.reversed(), 2 * place + 1);
  }
}

bool LinkBook::stands_out(const Pair& pair) const {
  return std::any_of(pair.sides.begin(), pair.sides.end(), [](const Side& side) {
    return side.odd || side.state != LinkState::alive || side.health == LinkHealth::degraded ||
           side.health == LinkHealth::dead;
  });
}

void LinkBook::list(Place pair) {
  if (std::exchange(pairs_[pair].listed, true)) return;
  odd_.push_back(pair);
}

const std::vector<LinkBook::Place>& LinkBook::find_odd() {
  std::erase_if(odd_, [this](Place pair) {
    if (stands_out(pairs_[pair])) return false;
    pairs_[pair].listed = false;
    return true;
  });
  return odd_;
}

const std::vector<LinkBook::Place>& LinkBook::pairs_of(NodeId node) const {
  static const std::vector<Place> none;
  return node.value < of_node_.size() ? of_node_[node.value] : none;
}

bool LinkBook::speaks(Place pair, unsigned side, MonoTime now) const {
  const auto& sides = pairs_[pair].sides;
  const Pulse& pulse = pulses_[pair].of[side];
  const MonoTime judged = pulse.waiting > 0 ? pulse.looked : sides[side].judged;
  return judged.ns != 0 && now - judged <= kFresh && judged >= sides[0].revived &&
         judged >= sides[1].revived;
}

LinkHealth LinkBook::judge(Place number, unsigned direction, MonoTime now) const {
  const Pair& pair = pairs_[number];
  const Side& side = pair.sides[direction];
  const Side& back = pair.sides[1 - direction];
  if (side.state == LinkState::dead) return LinkHealth::dead;
  // No answer comes back over a direction that is dead.
  if (back.state == LinkState::dead) return LinkHealth::unknown;
  const bool near = speaks(number, direction, now);
  const bool far = speaks(number, 1 - direction, now);
  if (!near && !far) return LinkHealth::unknown;
  const optimizer::LinkDetector& ours = detector(2 * number + direction);
  const optimizer::LinkDetector& theirs = detector(2 * number + 1 - direction);
  if ((!near || ours.dead()) && (!far || theirs.dead())) return LinkHealth::dead;
  const auto slow = [](const optimizer::DirectionClaim& claim) { return claim.delay_ms > 0.0F; };
  const bool bad_near =
      near && (ours.lossy_forward() || (ours.deviating() && slow(ours.forward())));
  const bool bad_far =
      far && (theirs.lossy_backward() || (theirs.deviating() && slow(theirs.backward())));
  // What both ends say together may be enough where neither is sure.
  const double nats =
      (near ? ours.loss_forward().evidence() : 0) + (far ? theirs.loss_backward().evidence() : 0);
  const bool lossy = nats >= (side.health == LinkHealth::degraded ? options_.loss.leave_level
                                                                  : options_.loss.enter_level);
  return bad_near || bad_far || lossy ? LinkHealth::degraded : LinkHealth::fine;
}

// Most links are fine and stay so.
void LinkBook::review(Place number, Now now) {
  Pair& pair = pairs_[number];
  const auto calm = [&pair] { return pair.sides[0].calm() && pair.sides[1].calm(); };
  for (unsigned direction = 0; direction < 2 && !calm(); ++direction) {
    Side& side = pair.sides[direction];
    const LinkHealth health = judge(number, direction, now.mono);
    const bool is_bad = health == LinkHealth::dead || health == LinkHealth::degraded;
    const bool was_bad = side.health == LinkHealth::dead || side.health == LinkHealth::degraded;
    if (!is_bad) {
      side.bad_since = {};
    } else if (!was_bad) {
      side.bad_since = now;
    }
    if (health != side.health) side.health_since = now;
    side.health = health;
  }
  for (Pulse& pulse : pulses_[number].of) pulse.calm = calm();
  if (stands_out(pair)) list(number);
}

LinkOutlook LinkBook::outlook(LinkId link, MonoTime now) const {
  const Session session = index_.find(link);
  return session == kNone ? LinkOutlook{} : outlook_of(session / 2, session % 2, now);
}

LinkOutlook LinkBook::outlook_of(Place number, unsigned direction, MonoTime now) const {
  const Pair& pair = pairs_[number];
  const Side& side = pair.sides[direction];
  const optimizer::LinkDetector& ours = detector(2 * number + direction);
  const optimizer::LinkDetector& theirs = detector(2 * number + 1 - direction);
  LinkOutlook out;
  const bool near = speaks(number, direction, now);
  const bool far = speaks(number, 1 - direction, now);
  if (side.state == LinkState::dead || near || far) {
    out.health = side.health;
    out.health_since = side.health_since;
    out.bad_since = side.bad_since;
  }
  // The near end first: all that it sent counts for this direction.
  for (const auto& [detector, is_ours] : {std::pair{&ours, true}, {&theirs, false}}) {
    if (!detector->settled(options_) || out.usual_rtt_ms >= 0) continue;
    out.usual_rtt_ms = detector->usual_rtt_ms();
    out.usual_loss_ratio =
        is_ours ? detector->usual_loss_forward() : detector->usual_loss_backward();
  }
  if (out.health == LinkHealth::dead || out.health == LinkHealth::unknown) return out;
  out.rtt_ms = near ? ours.rtt_ms() : theirs.rtt_ms();
  double sent = 0;
  double lost = 0;
  if (near) {
    sent += ours.loss_forward().sent();
    lost += ours.loss_forward().lost();
  }
  if (far) {
    sent += theirs.loss_backward().sent();
    lost += theirs.loss_backward().lost();
  }
  out.loss_ratio = sent > 0 ? lost / sent : std::max(0.0, out.usual_loss_ratio);
  return out;
}

optimizer::DirectionClaim LinkBook::near_claim(Place pair, unsigned direction, MonoTime now) const {
  if (!speaks(pair, direction, now)) return {};
  return detector(2 * pair + direction).forward();
}

optimizer::DirectionClaim LinkBook::far_claim(Place pair, unsigned direction, MonoTime now) const {
  if (!speaks(pair, 1 - direction, now)) return {};
  return detector(2 * pair + 1 - direction).backward();
}

}  // namespace linkpilot::collector
