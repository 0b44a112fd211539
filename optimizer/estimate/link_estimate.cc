#include "optimizer/estimate/link_estimate.h"

#include <algorithm>
#include <bit>
#include <cmath>
#include <limits>

namespace linkpilot::optimizer {
namespace {

constexpr double kShareScale = 65535.0;
constexpr double kDelayQuantile = 0.90;  // of the window: what a belief calls the delay

double seconds(Duration d) { return static_cast<double>(d.count()) * 1e-9; }

// The middle of each bucket, ns.
std::array<double, kSketchBuckets> make_middles() {
  std::array<double, kSketchBuckets> middles{};
  for (std::size_t i = 0; i < kSketchBuckets; ++i) {
    const auto bucket = static_cast<std::uint16_t>(i);
    middles[i] = static_cast<double>(LatencySketch::bucket_low(bucket).count()) +
                 static_cast<double>(LatencySketch::bucket_width(bucket).count()) / 2.0;
  }
  return middles;
}
const std::array<double, kSketchBuckets> kMiddles = make_middles();

Duration to_duration(double ns) { return Duration(static_cast<std::int64_t>(ns)); }

// Keys of the points of a window, each at most kKeyMax; those behind `count` are kKeyNone.
constexpr std::int16_t kKeyNone = std::numeric_limits<std::int16_t>::max();
constexpr std::int16_t kKeyMax = kKeyNone - 1;
static_assert(kSketchBuckets <= kKeyMax);
struct Keys {
  alignas(64) std::array<std::int16_t, LinkEstimate::kPoints> key;
  std::size_t count = 0;
  std::int16_t low = kKeyNone;
  std::int16_t high = 0;

  Keys() { key.fill(kKeyNone); }
  void add(std::int16_t value) {
    key[count++] = value;
    low = std::min(low, value);
    high = std::max(high, value);
  }
  [[nodiscard]] std::size_t rank_of(double q) const {
    return static_cast<std::size_t>(q * static_cast<double>(count - 1) + 0.5);
  }
  [[nodiscard]] std::int16_t up_to(std::int16_t bound) const {
    std::int16_t n = 0;
    for (const std::int16_t each : key) n = static_cast<std::int16_t>(n + (each <= bound ? 1 : 0));
    return n;
  }
  // The key of this rank, from 0, by bisection: counting all points is one pass without a branch,
  // eight at a time, and keys of one window lie close together.
  [[nodiscard]] std::int16_t at_rank(std::size_t rank) const {
    int from = low;
    int to = high;
    while (from < to) {
      const int middle = (from + to) / 2;
      if (static_cast<std::size_t>(up_to(static_cast<std::int16_t>(middle))) > rank) {
        to = middle;
      } else {
        from = middle + 1;
      }
    }
    return static_cast<std::int16_t>(from);
  }
};

bool speaks_against(LinkState state) {
  return state == LinkState::dead || state == LinkState::suspect;
}

}  // namespace

RttPoints::RttPoints(const LinkSample& sample) {
  if (sample.answered == 0) return;
  bucket_min = LatencySketch::bucket_of(sample.rtt_min);
  mean = sample.rtt_sum / static_cast<std::int64_t>(sample.answered);
  bucket.fill(LatencySketch::bucket_of(mean));
  const std::uint64_t total = sample.rtt.count();
  if (total == 0) return;
  std::uint64_t seen = 0;
  std::size_t point = 0;
  for (const SketchCell& cell : sample.rtt.cells()) {
    seen += cell.count;
    // Point i stands for the rank in the middle of the i-th of kCount equal shares.
    while (point < kCount && seen * 2 * kCount >= (2 * point + 1) * total) {
      bucket[point++] = cell.bucket;
    }
  }
}

void LinkEstimate::fold(const LinkSample& sample, const RttPoints& points, LinkEnd end, MonoTime at,
                        const EstimateParameters& parameters) {
  touched_ = true;
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
  if (sample.answered > 0) fold_level(points, at, parameters);
  if (sent > 0.0) fold_loss(lost, sent, at, parameters);
  fold_rtt(sample, points, end == LinkEnd::near ? sample.forward_delay : sample.backward_delay,
           parameters);

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

// First-order filters whose step is the time since the last sample, from either end. A long silence
// counts as kLevelStepMax: one sample is not the record of an hour.
void LinkEstimate::fold_level(const RttPoints& points, MonoTime at,
                              const EstimateParameters& parameters) {
  constexpr double kLevelStepMax = 60.0;
  const auto rtt_ms = static_cast<float>(static_cast<double>(points.mean.count()) * 1e-6);
  if (usual_ms_ < 0.0F) {
    usual_ms_ = rtt_ms;
    return;
  }
  const double step = std::clamp(seconds(at - loss_time_), 0.0, kLevelStepMax);
  const auto share = [step](Duration memory) {
    return static_cast<float>(step / (step + seconds(memory)));
  };
  const float excess = std::max(0.0F, rtt_ms - usual_ms_);
  excess_ms_ += share(parameters.unsteady_memory) * (excess - excess_ms_);
  usual_ms_ += share(parameters.usual_memory) * (rtt_ms - usual_ms_);
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
  clean_probes_ = lost > 0.0 ? 0.0F : clean_probes_ + static_cast<float>(sent);
  loss_time_ = std::max(loss_time_, at);
}

void LinkEstimate::fold_rtt(const LinkSample& sample, const RttPoints& points,
                            const OneWayDelay& one_way, const EstimateParameters& parameters) {
  if (sample.answered == 0) return;
  answered_ = answered_ > std::numeric_limits<std::uint32_t>::max() - sample.answered
                  ? std::numeric_limits<std::uint32_t>::max()
                  : answered_ + sample.answered;
  Slot& slot = slots_[next_slot_];
  next_slot_ = static_cast<std::uint8_t>((next_slot_ + 1U) % kWindowSlots);
  // One by one: GCC 12 makes the whole in its stack first and waits for it to be readable again.
  slot.bucket = points.bucket;
  slot.bucket_min = points.bucket_min;
  slot.share = 0;
  slot.clock_error_us = 0;
  slot.used = true;
  if (one_way.count > 0 && points.mean.count() > 0 && one_way.error.count() >= 0 &&
      one_way.error <= parameters.clock_error_max) {
    const double share = static_cast<double>(one_way.sum.count()) /
                         static_cast<double>(one_way.count) /
                         static_cast<double>(points.mean.count());
    // 2 to 98 %: beyond that a clock is wrong by more than it admits.
    slot.share = static_cast<std::uint16_t>(std::clamp(share, 0.02, 0.98) * kShareScale);
    slot.clock_error_us =
        static_cast<std::uint16_t>(std::min<std::int64_t>(one_way.error.count() / 1000, 65535));
  }
}

void LinkEstimate::apply(const Alarm& alarm, LinkEnd end, MonoTime at,
                         const EstimateParameters& parameters) {
  touched_ = true;
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

bool LinkEstimate::known(MonoTime now, const EstimateParameters& parameters) const {
  if (state() == LinkState::dead) return true;
  return answered_ >= parameters.answered_min && heard_ &&
         now - last_heard_ <= parameters.stale_after;
}

double LinkEstimate::penalty_at(MonoTime now, const EstimateParameters& parameters) const {
  const double age = std::max(0.0, seconds(now - penalty_time_));
  return penalty_ * std::exp2(-age / seconds(parameters.flap_half_life));
}

double LinkEstimate::own_loss_ratio(const EstimateParameters& parameters) const {
  return sent_ >= parameters.loss_sample / 4.0 ? lost_ / sent_ : -1.0;
}

void LinkEstimate::read_window(LinkBelief& belief) const {
  Keys rtt;  // buckets: in the order of their values
  std::size_t used = 0;
  std::size_t with_clocks = 0;
  double share_sum = 0.0;
  std::uint16_t bucket_min = std::numeric_limits<std::uint16_t>::max();
  std::uint16_t error_us = 0;
  for (const Slot& slot : slots_) {
    if (!slot.used) continue;
    ++used;
    bucket_min = std::min(bucket_min, slot.bucket_min);
    for (const std::uint16_t bucket : slot.bucket) rtt.add(static_cast<std::int16_t>(bucket));
    if (slot.share == 0) continue;
    ++with_clocks;
    share_sum += slot.share / kShareScale;
    error_us = std::max(error_us, slot.clock_error_us);
  }
  if (used == 0) return;
  belief.delay_from_clocks = with_clocks * 2 > used;
  const auto quantile = [&](double q) {
    return kMiddles[static_cast<std::size_t>(rtt.at_rank(rtt.rank_of(q)))];
  };
  belief.rtt_min = LatencySketch::bucket_low(bucket_min);
  belief.rtt_p50 = to_duration(quantile(0.50));
  const double rtt_p90_ns = quantile(kDelayQuantile);
  belief.rtt_p90 = to_duration(rtt_p90_ns);
  belief.rtt_p95 = to_duration(quantile(0.95));
  if (!belief.delay_from_clocks) {
    belief.delay = to_duration(rtt_p90_ns * 0.5);
    return;
  }
  belief.delay_error = std::chrono::microseconds(error_us);
  belief.delay =
      to_duration(delay_quantile_ns(kDelayQuantile, share_sum / static_cast<double>(with_clocks)));
}

// The delays of all points of the window, each its round trip times its slot's share of it. Keys
// are what the bits of their floats, which are in the order of their values, have above the least
// one: the error is at most a 32766th of the window's spread, below that of a bucket.
double LinkEstimate::delay_quantile_ns(double q, double share_mean) const {
  std::array<std::uint32_t, kPoints> bits;
  std::size_t count = 0;
  std::uint32_t low = std::numeric_limits<std::uint32_t>::max();
  std::uint32_t high = 0;
  for (const Slot& slot : slots_) {
    if (!slot.used) continue;
    const double share = slot.share != 0 ? slot.share / kShareScale : share_mean;
    for (const std::uint16_t bucket : slot.bucket) {
      const auto value = std::bit_cast<std::uint32_t>(static_cast<float>(kMiddles[bucket] * share));
      bits[count++] = value;
      low = std::min(low, value);
      high = std::max(high, value);
    }
  }
  unsigned shift = 0;
  while ((high - low) >> shift > static_cast<std::uint32_t>(kKeyMax)) ++shift;
  Keys keys;
  for (std::size_t i = 0; i < count; ++i) {
    keys.add(static_cast<std::int16_t>((bits[i] - low) >> shift));
  }
  const auto key = static_cast<std::uint32_t>(keys.at_rank(keys.rank_of(q)));
  return static_cast<double>(std::bit_cast<float>(low + (key << shift)));
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
  belief.unsteadiness = to_duration(static_cast<double>(excess_ms_) * 1e6);

  const double own = std::min(sent_, parameters.loss_sample);
  const double ratio = sent_ > 0.0 ? lost_ / sent_ : 0.0;
  belief.sent_measured = own;
  belief.sent_effective = parameters.loss_sample;
  belief.lost_effective =
      ratio * own + std::clamp(fleet_loss_ratio, 0.0, 1.0) * (parameters.loss_sample - own);
  belief.loss_outdated = ratio * own >= parameters.outdated_lost &&
                         clean_probes_ >= static_cast<float>(parameters.outdated_clean_probes);

  belief.damping = penalty_at(now, parameters);
  belief.damped = suppressed_ && belief.damping >= parameters.flap_reuse;
  if (belief.damped) {
    belief.damped_left = to_duration(std::log2(belief.damping / parameters.flap_reuse) *
                                     static_cast<double>(parameters.flap_half_life.count()));
  }
  return belief;
}

}  // namespace linkpilot::optimizer
