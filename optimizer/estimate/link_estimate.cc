#include "optimizer/estimate/link_estimate.h"

#include <algorithm>
#include <cmath>
#include <limits>

namespace linkpilot::optimizer {
namespace {

constexpr double kShareScale = 65535.0;

double seconds(Duration d) { return static_cast<double>(d.count()) * 1e-9; }

double bucket_middle_ns(std::uint16_t bucket) {
  return static_cast<double>(LatencySketch::bucket_low(bucket).count()) +
         static_cast<double>(LatencySketch::bucket_width(bucket).count()) / 2.0;
}

Duration to_duration(double ns) { return Duration(static_cast<std::int64_t>(ns)); }

bool speaks_against(LinkState state) {
  return state == LinkState::dead || state == LinkState::suspect;
}

}  // namespace

void LinkEstimate::fold(const LinkSample& sample, LinkEnd end, MonoTime at,
                        const EstimateParameters& parameters) {
  const double unplaced = 0.5 * static_cast<double>(sample.lost_unplaced);
  double sent = static_cast<double>(sample.sent);
  double lost = 0.0;
  if (end == LinkEnd::near) {
    lost = static_cast<double>(sample.lost_forward) + unplaced;
  } else {
    // Only what reached the reflector came back over this direction.
    sent -= static_cast<double>(sample.lost_forward) + unplaced;
    lost = static_cast<double>(sample.lost_backward) + unplaced;
  }
  sent = std::max(sent, 0.0);
  lost = std::clamp(lost, 0.0, sent);
  if (sent > 0.0) fold_loss(lost, sent, at, parameters);
  fold_rtt(sample, end == LinkEnd::near ? sample.forward_delay : sample.backward_delay, parameters);

  if (sent - lost > 0.0) {
    last_heard_ = heard_ ? std::max(last_heard_, at) : at;
    heard_ = true;
  }
  const bool delivered = sent > 0.0 && lost * 2.0 < sent && sample.answered > 0;
  if (!delivered) {
    delivered_samples_ = 0;
  } else if (++delivered_samples_ >= parameters.delivered_samples_revive) {
    delivered_samples_ = parameters.delivered_samples_revive;
    if (state() != LinkState::alive) {
      near_state_ = {};
      far_state_ = {};
    }
  }
}

void LinkEstimate::fold_loss(double lost, double sent, MonoTime at,
                             const EstimateParameters& parameters) {
  // What is remembered fades with time, but never below the effective sample: a link that is probed
  // slowly keeps its own record instead of turning into an average one.
  if (sent_ > parameters.loss_sample) {
    const double age = std::max(0.0, seconds(at - loss_time_));
    const double faded = sent_ * std::exp(-age / seconds(parameters.loss_memory));
    const double scale = std::max(faded, parameters.loss_sample) / sent_;
    sent_ *= scale;
    lost_ *= scale;
  }
  sent_ += sent;
  lost_ += lost;
  clean_probes_ = lost > 0.0 ? 0.0 : clean_probes_ + sent;
  loss_time_ = std::max(loss_time_, at);
}

void LinkEstimate::fold_rtt(const LinkSample& sample, const OneWayDelay& one_way,
                            const EstimateParameters& parameters) {
  if (sample.answered == 0) return;
  answered_ = answered_ > std::numeric_limits<std::uint32_t>::max() - sample.answered
                  ? std::numeric_limits<std::uint32_t>::max()
                  : answered_ + sample.answered;
  Slot slot;
  slot.used = true;
  slot.bucket_min = LatencySketch::bucket_of(sample.rtt_min);
  const Duration mean = sample.rtt_sum / static_cast<std::int64_t>(sample.answered);
  const std::uint64_t total = sample.rtt.count();
  slot.bucket.fill(LatencySketch::bucket_of(mean));
  if (total > 0) {
    std::uint64_t seen = 0;
    std::size_t point = 0;
    for (const SketchCell& cell : sample.rtt.cells()) {
      seen += cell.count;
      // Point i stands for the rank in the middle of the i-th of kQuantilePoints equal shares.
      while (point < kQuantilePoints && seen * 2 * kQuantilePoints >= (2 * point + 1) * total) {
        slot.bucket[point++] = cell.bucket;
      }
    }
  }
  if (one_way.count > 0 && mean.count() > 0 && one_way.error.count() >= 0 &&
      one_way.error <= parameters.clock_error_max) {
    const double share = static_cast<double>(one_way.sum.count()) /
                         static_cast<double>(one_way.count) / static_cast<double>(mean.count());
    // 2 to 98 %: beyond that a clock is wrong by more than it admits.
    slot.share = static_cast<std::uint16_t>(std::clamp(share, 0.02, 0.98) * kShareScale);
    slot.clock_error_us =
        static_cast<std::uint16_t>(std::min<std::int64_t>(one_way.error.count() / 1000, 65535));
  }
  slots_[next_slot_] = slot;
  next_slot_ = static_cast<std::uint8_t>((next_slot_ + 1U) % kWindowSlots);
}

void LinkEstimate::apply(const Alarm& alarm, LinkEnd end, MonoTime at,
                         const EstimateParameters& parameters) {
  const LinkState before = state();
  EndState& word = end == LinkEnd::near ? near_state_ : far_state_;
  word = {alarm.state == LinkState::unspecified ? LinkState::alive : alarm.state, alarm.confirmed};
  if (speaks_against(word.state)) delivered_samples_ = 0;
  if (before == LinkState::dead || state() != LinkState::dead) return;
  const double left = penalty_at(at, parameters);
  if (left < parameters.flap_reuse) suppressed_ = false;
  penalty_ = std::min(left + parameters.flap_penalty, parameters.flap_penalty_max);
  penalty_time_ = at;
  if (penalty_ >= parameters.flap_suppress) suppressed_ = true;
}

void LinkEstimate::forget_word(LinkEnd end) {
  (end == LinkEnd::near ? near_state_ : far_state_) = {};
}

LinkState LinkEstimate::state() const {
  const auto dead = [](const EndState& word) {
    return word.state == LinkState::dead || (word.state == LinkState::suspect && word.confirmed);
  };
  if (dead(near_state_) || dead(far_state_)) return LinkState::dead;
  const bool near_suspects = near_state_.state == LinkState::suspect;
  const bool far_suspects = far_state_.state == LinkState::suspect;
  if (near_suspects && far_suspects) return LinkState::dead;  // both ends agree
  return near_suspects || far_suspects ? LinkState::suspect : LinkState::alive;
}

double LinkEstimate::penalty_at(MonoTime now, const EstimateParameters& parameters) const {
  const double age = std::max(0.0, seconds(now - penalty_time_));
  return penalty_ * std::exp2(-age / seconds(parameters.flap_half_life));
}

double LinkEstimate::own_loss_ratio(const EstimateParameters& parameters) const {
  return sent_ >= parameters.loss_sample / 4.0 ? lost_ / sent_ : -1.0;
}

void LinkEstimate::read_window(LinkBelief& belief) const {
  std::array<double, kWindowSlots * kQuantilePoints> rtt;
  std::array<double, kWindowSlots * kQuantilePoints> delay;
  std::size_t count = 0;
  std::size_t used = 0;
  std::size_t with_clocks = 0;
  double share_sum = 0.0;
  std::uint16_t bucket_min = std::numeric_limits<std::uint16_t>::max();
  std::uint16_t error_us = 0;
  for (const Slot& slot : slots_) {
    if (!slot.used) continue;
    ++used;
    bucket_min = std::min(bucket_min, slot.bucket_min);
    if (slot.share == 0) continue;
    ++with_clocks;
    share_sum += slot.share / kShareScale;
    error_us = std::max(error_us, slot.clock_error_us);
  }
  if (used == 0) return;
  belief.delay_from_clocks = with_clocks * 2 > used;
  const double share_mean =
      belief.delay_from_clocks ? share_sum / static_cast<double>(with_clocks) : 0.5;
  for (const Slot& slot : slots_) {
    if (!slot.used) continue;
    const double share =
        belief.delay_from_clocks && slot.share != 0 ? slot.share / kShareScale : share_mean;
    for (const std::uint16_t bucket : slot.bucket) {
      rtt[count] = bucket_middle_ns(bucket);
      delay[count] = rtt[count] * share;
      ++count;
    }
  }
  const auto quantile = [count](auto& values, double q) {
    const auto rank = static_cast<std::ptrdiff_t>(q * static_cast<double>(count - 1) + 0.5);
    std::nth_element(values.begin(), values.begin() + rank,
                     values.begin() + static_cast<std::ptrdiff_t>(count));
    return to_duration(values[static_cast<std::size_t>(rank)]);
  };
  belief.rtt_min = LatencySketch::bucket_low(bucket_min);
  belief.rtt_p50 = quantile(rtt, 0.50);
  belief.rtt_p90 = quantile(rtt, 0.90);
  belief.rtt_p95 = quantile(rtt, 0.95);
  belief.delay = quantile(delay, 0.90);
  if (belief.delay_from_clocks) belief.delay_error = std::chrono::microseconds(error_us);
}

LinkBelief LinkEstimate::belief(double fleet_loss_ratio, MonoTime now,
                                const EstimateParameters& parameters) const {
  LinkBelief belief;
  belief.link = link_;
  belief.state = state();
  belief.measured = answered_ >= parameters.answered_min;
  belief.stale = !heard_ || now - last_heard_ > parameters.stale_after;
  belief.last_heard = last_heard_;
  read_window(belief);

  const double own = std::min(sent_, parameters.loss_sample);
  const double ratio = sent_ > 0.0 ? lost_ / sent_ : 0.0;
  belief.sent_measured = own;
  belief.sent_effective = parameters.loss_sample;
  belief.lost_effective =
      ratio * own + std::clamp(fleet_loss_ratio, 0.0, 1.0) * (parameters.loss_sample - own);
  belief.loss_outdated =
      ratio * own >= parameters.outdated_lost && clean_probes_ >= parameters.outdated_clean_probes;

  belief.damping = penalty_at(now, parameters);
  belief.damped = suppressed_ && belief.damping >= parameters.flap_reuse;
  if (belief.damped) {
    belief.damped_left = to_duration(std::log2(belief.damping / parameters.flap_reuse) *
                                     static_cast<double>(parameters.flap_half_life.count()));
  }
  return belief;
}

}  // namespace linkpilot::optimizer
