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

std::uint32_t LinkBook::find_or_create(LinkId link) {
  if (const std::uint32_t found = index_.find(link); found != kNone) return found;
  if (pairs_.size() >= pairs_max_ || link.from.node == link.to.node) {
    ++refused_;
    return kNone;
  }
  const auto pair = static_cast<Place>(pairs_.size());
  pairs_.push_back({link, {}, false});
  newest_.emplace_back();
  detectors_.resize(detectors_.size() + 2);
  index_.add(link, 2 * pair);
  index_.add(link.reversed(), 2 * pair + 1);
  for (const NodeId node : {link.from.node, link.to.node}) {
    if (of_node_.size() <= node.value) of_node_.resize(std::size_t{node.value} + 1);
    of_node_[node.value].push_back(pair);
  }
  return 2 * pair;
}

// Nothing stands out, and this sample does not change that.
bool LinkBook::quiet(const Pair& pair, const Side& side, const LinkSample& sample) {
  constexpr float kNearMs = 2.0F;
  constexpr float kNearRatio = 0.02F;
  const auto calm = [](const Side& each) { return !each.odd && each.health == LinkHealth::fine; };
  if (side.usual_ms < 0.0F || sample.answered == 0 || sample.sent != sample.answered ||
      !calm(pair.sides[0]) || !calm(pair.sides[1])) {
    return false;
  }
  const auto mean =
      static_cast<float>(book_milliseconds(sample.rtt_sum) / static_cast<double>(sample.answered));
  return std::abs(mean - side.usual_ms) <= kNearMs + kNearRatio * side.usual_ms;
}

LinkBook::Looked LinkBook::add(const LinkSample& sample, Now at) {
  const std::uint32_t place = find_or_create(sample.link);
  if (place == kNone) return {};
  const Place number = place / 2;
  Pair& pair = pairs_[number];
  Side& side = pair.sides[place % 2];
  if (at.mono <= side.looked) return {};
  side.looked = at.mono;
  newest_[number] = std::max(newest_[number], at.mono);
  const MonoTime began = at.mono - sample.length;
  const bool heeded =
      !has_word(pair) && began >= pair.sides[0].revived && began >= pair.sides[1].revived;
  if (heeded) {
    side.judged = at.mono;
    if (quiet(pair, side, sample) && side.waiting + 1 < kGathered) {
      ++side.waiting;
      side.waiting_sent += sample.sent;
      return {side.timed, side.skewed};
    }
    optimizer::LinkDetector& detector = detectors_[place];
    optimizer::LinkLook look = look_of(sample);
    look.sent += std::exchange(side.waiting_sent, 0);
    side.waiting = 0;
    detector.look(look, options_);
    side.odd = detector.odd(kOddNats);
    side.timed = look.forward_ms && look.backward_ms && detector.settled(options_);
    side.skewed = detector.skewed();
    side.usual_ms = detector.learnt(options_) ? static_cast<float>(detector.rtt_ms()) : -1.0F;
  }
  review(number, at);
  return {side.timed, side.skewed};
}

void LinkBook::note_state(LinkId link, LinkState state, Now now) {
  const std::uint32_t place = find_or_create(link);
  if (place == kNone) return;
  Side& side = pairs_[place / 2].sides[place % 2];
  if (side.state != LinkState::alive && state == LinkState::alive) side.revived = now.mono;
  side.state = state;
  review(place / 2, now);
}

void LinkBook::resume(LinkId link, double usual_rtt_ms, double usual_loss_ratio) {
  const std::uint32_t place = find_or_create(link);
  if (place == kNone) return;
  detectors_[place].resume(usual_rtt_ms, usual_loss_ratio, -1, options_);
  detectors_[place ^ 1U].resume(usual_rtt_ms, -1, usual_loss_ratio, options_);
  for (Side& side : pairs_[place / 2].sides) side.odd = true;
  list(place / 2);
}

void LinkBook::forget(NodeId node) {
  std::vector<Pair> pairs;
  std::vector<MonoTime> newest;
  std::vector<optimizer::LinkDetector> detectors;
  pairs.swap(pairs_);
  newest.swap(newest_);
  detectors.swap(detectors_);
  index_.clear();
  of_node_.clear();
  odd_.clear();
  ++generation_;
  for (std::size_t i = 0; i < pairs.size(); ++i) {
    if (pairs[i].link.from.node == node || pairs[i].link.to.node == node) continue;
    const std::uint32_t place = find_or_create(pairs[i].link);
    pairs_[place / 2] = pairs[i];
    pairs_[place / 2].listed = false;
    newest_[place / 2] = newest[i];
    detectors_[place] = detectors[2 * i];
    detectors_[place + 1] = detectors[2 * i + 1];
    if (stands_out(pairs[i])) list(place / 2);
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

bool LinkBook::speaks(const Pair& pair, unsigned side, MonoTime now) const {
  const MonoTime judged = pair.sides[side].judged;
  return judged.ns != 0 && now - judged <= kFresh && judged >= pair.sides[0].revived &&
         judged >= pair.sides[1].revived;
}

LinkHealth LinkBook::judge(Place number, unsigned direction, MonoTime now) const {
  const Pair& pair = pairs_[number];
  const Side& side = pair.sides[direction];
  const Side& back = pair.sides[1 - direction];
  if (side.state == LinkState::dead) return LinkHealth::dead;
  // No answer comes back over a direction that is dead.
  if (back.state == LinkState::dead) return LinkHealth::unknown;
  const bool near = speaks(pair, direction, now);
  const bool far = speaks(pair, 1 - direction, now);
  if (!near && !far) return LinkHealth::unknown;
  const optimizer::LinkDetector& ours = detectors_[2 * number + direction];
  const optimizer::LinkDetector& theirs = detectors_[2 * number + 1 - direction];
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

// Most links are fine and stay so: that costs a few octets of one line.
void LinkBook::review(Place number, Now now) {
  Pair& pair = pairs_[number];
  const bool quiet = std::all_of(pair.sides.begin(), pair.sides.end(), [](const Side& side) {
    return !side.odd && side.state == LinkState::alive && side.health == LinkHealth::fine;
  });
  if (quiet) return;
  for (unsigned direction = 0; direction < 2; ++direction) {
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
  if (stands_out(pair)) list(number);
}

LinkOutlook LinkBook::outlook(LinkId link, MonoTime now) const {
  const std::uint32_t place = index_.find(link);
  return place == kNone ? LinkOutlook{} : outlook_of(place / 2, place % 2, now);
}

LinkOutlook LinkBook::outlook_of(Place number, unsigned direction, MonoTime now) const {
  const Pair& pair = pairs_[number];
  const Side& side = pair.sides[direction];
  const optimizer::LinkDetector& ours = detectors_[2 * number + direction];
  const optimizer::LinkDetector& theirs = detectors_[2 * number + 1 - direction];
  LinkOutlook out;
  const bool near = speaks(pair, direction, now);
  const bool far = speaks(pair, 1 - direction, now);
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
  if (!speaks(pairs_[pair], direction, now)) return {};
  return detectors_[2 * pair + direction].forward();
}

optimizer::DirectionClaim LinkBook::far_claim(Place pair, unsigned direction, MonoTime now) const {
  if (!speaks(pairs_[pair], 1 - direction, now)) return {};
  return detectors_[2 * pair + 1 - direction].backward();
}

}  // namespace linkpilot::collector
