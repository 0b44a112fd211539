#include "optimizer/detect/link_detector.h"

#include <algorithm>
#include <cmath>

namespace linkpilot::optimizer {

namespace {

// Newest looks whose median is what the delay is now.
constexpr std::size_t kNow = 5;
constexpr double kOneWayShare = 0.3;  // of a look in what a one-way delay is lately
constexpr double kSkewMs = 5.0;
constexpr std::uint32_t kLooksCounted = 1'000'000;

void approach(float& mean, double value, double share) {
  mean += static_cast<float>(share * (value - static_cast<double>(mean)));
}

double one_way_share(std::uint32_t looks) {
  return looks <= 1 ? kOneWayShare : 1.0 - std::pow(1.0 - kOneWayShare, looks);
}

}  // namespace

void LinkDetector::look(const LinkLook& seen, const LinkDetectorOptions& options) {
  change_.reset();
  if (seen.sent == 0) return;
  LinkLook look = seen;
  // The odd one of them counts forward.
  look.lost_forward += (seen.lost_unplaced + 1) / 2;
  look.lost_backward += seen.lost_unplaced / 2;
  misses_.add(look.sent, look.lost_forward + look.lost_backward, options.misses);
  const std::uint32_t arrived = look.sent - std::min(look.sent, look.lost_forward);
  // A word about loss in the first minute would keep its loss from becoming known as usual.
  if (looks_ >= options.looks_min_loss) {
    forward_.usual = std::min(forward_usual_, static_cast<float>(options.usual_loss_max));
    backward_.usual = std::min(backward_usual_, static_cast<float>(options.usual_loss_max));
    forward_.loss.add(look.sent, look.lost_forward, static_cast<double>(forward_.usual),
                      options.loss);
    // Only what reached the peer could be lost on the way back.
    backward_.loss.add(arrived, look.lost_backward, static_cast<double>(backward_.usual),
                       options.loss);
  }
  if (look.jitter_ms) jitter_.add(*look.jitter_ms, options.jitter);
  look_at_delay(look, options);
  learn(look, options);
}

void LinkDetector::look_at_delay(const LinkLook& look, const LinkDetectorOptions& options) {
  if (!look.rtt_ms) return;
  change_ = rtt_.add(*look.rtt_ms, options.delay);
  if (look.forward_ms && look.backward_ms) {
    for (auto [direction, value] :
         {std::pair{&forward_, *look.forward_ms}, std::pair{&backward_, *look.backward_ms}}) {
      OneWay& one_way = direction->one_way;
      if (!one_way.known) one_way = {static_cast<float>(value), static_cast<float>(value), true};
      approach(one_way.now_ms, value, one_way_share(look.looks));
    }
  }
  if (looks_ < options.looks_min) return;
  const double growth =
      (rtt_.reference_count() > 0 && change_ ? change_->after : rtt_.recent_median(kNow)) -
      usual_rtt_ms();
  if (!deviating_) {
    // A change point, or a slow growth that none marks.
    deviating_ = growth >= options.delay_enter_ms &&
                 (change_.has_value() || *look.rtt_ms - usual_rtt_ms() >= options.delay_enter_ms);
  } else if (growth < options.delay_leave_ms) {
    deviating_ = false;
  }
  growth_ms_ = deviating_ ? static_cast<float>(growth) : 0.0F;
  growth_error_ms_ = static_cast<float>(1.0 + rtt_.spread(options.delay));
  const double apart = forward_.one_way.growth() - backward_.one_way.growth();
  skewed_ = forward_.one_way.known && std::abs(apart) > 2.0 * kSkewMs &&
            std::abs(apart) > 2.0 * std::abs(growth);
}

void LinkDetector::learn(const LinkLook& look, const LinkDetectorOptions& options) {
  const bool lossy = forward_.loss.bad() || backward_.loss.bad() || misses_.dead();
  // A plain mean at first.
  const double looks = look.looks;
  const auto share = [&](bool deviates) {
    if (deviates) return std::min(1.0, looks / options.usual_seconds_deviating);
    return std::max(looks / (looks + looks_), std::min(1.0, looks / options.usual_seconds));
  };
  const std::uint32_t arrived = look.sent - std::min(look.sent, look.lost_forward);
  approach(forward_usual_, static_cast<double>(look.lost_forward) / look.sent, share(lossy));
  if (arrived > 0) {
    approach(backward_usual_, static_cast<double>(look.lost_backward) / arrived, share(lossy));
  }
  if (look.rtt_ms) {
    approach(usual_rtt_ms_, *look.rtt_ms, share(deviating_ || skewed_));
    for (OneWay* one_way : {&forward_.one_way, &backward_.one_way}) {
      if (!one_way->known) continue;
      approach(one_way->usual_ms, static_cast<double>(one_way->now_ms),
               share(deviating_ || skewed_));
    }
    if (looks_ < kLooksCounted) looks_ += std::min(look.looks, kLooksCounted);
  }
}

void LinkDetector::resume(double rtt_ms, double loss_forward, double loss_backward,
                          const LinkDetectorOptions& options) {
  looks_ = std::max({looks_, options.looks_min, options.looks_min_loss});
  if (rtt_ms >= 0.0) {
    usual_rtt_ms_ = static_cast<float>(rtt_ms);
    deviating_ = true;
  }
  if (loss_forward >= 0.0) {
    forward_usual_ = static_cast<float>(loss_forward);
    forward_.loss.resume(options.loss);
  }
  if (loss_backward >= 0.0) {
    backward_usual_ = static_cast<float>(loss_backward);
    backward_.loss.resume(options.loss);
  }
}

DirectionClaim LinkDetector::claim(const Direction& direction) const {
  DirectionClaim claim;
  claim.known = true;
  claim.dead = misses_.dead();
  const double sent = direction.loss.sent();
  if (sent > 0 && !claim.dead) {
    const double ratio = direction.loss.ratio();
    claim.loss = static_cast<float>(std::max(0.0, ratio - static_cast<double>(direction.usual)));
    claim.loss_error = static_cast<float>(std::sqrt(direction.loss.lost() + 1.0) / sent);
    claim.loss_nats = static_cast<float>(direction.loss.evidence());
  }
  if (deviating_ && !claim.dead) {
    const OneWay& other = &direction == &forward_ ? backward_.one_way : forward_.one_way;
    const double ahead = std::max(0.0, direction.one_way.growth());
    const double back = std::max(0.0, other.growth());
    const bool directed = direction.one_way.known && ahead + back > 0.0 && !skewed_;
    claim.delay_ms =
        directed ? growth_ms_ * static_cast<float>(ahead / (ahead + back)) : growth_ms_ / 2.0F;
    claim.delay_error_ms = growth_error_ms_;
    claim.delay_directed = directed;
  }
  return claim;
}

}  // namespace linkpilot::optimizer
