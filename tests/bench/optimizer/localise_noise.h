// What quiet links look like to the real detectors: residuals of measured round trips, resampled in
// blocks, their time-outs as losses. For the `localise` bench.
//
// A second of ten probes is ten neighbouring values of one series from a random place. A library
// holds, per series, detectors after ten quiet minutes and what they claim after another one.
#pragma once

#include <algorithm>
#include <array>
#include <cmath>
#include <string>
#include <utility>
#include <vector>

#include "base/rng.h"
#include "optimizer/detect/link_detector.h"

namespace linkpilot::bench {

using optimizer::DirectionClaim;
using optimizer::LinkDetector;
using optimizer::LinkDetectorOptions;
using optimizer::LinkLook;

// What a fault does to the two directions of a link, away from the end that watches and back.
struct LinkHarm {
  double loss_forward = 0.0;
  double loss_backward = 0.0;
  double forward_ms = 0.0;
  double backward_ms = 0.0;
};

struct QuietClaims {
  DirectionClaim forward;
  DirectionClaim backward;
  [[nodiscard]] bool abnormal() const {
    return forward.loss_nats > 0.5F || backward.loss_nats > 0.5F || forward.delay_ms > 0.0F ||
           backward.delay_ms > 0.0F || forward.dead;
  }
};

class NoiseLibrary {
 public:
  static constexpr int kMinute = 60;
  static constexpr int kHistory = 600;  // seconds in which a link shows what is usual for it
  static constexpr std::uint32_t kProbes = 10;  // a second
  static constexpr double kBackgroundLoss = 0.001;

  // Each series: residuals in ms, NaN for a time-out.
  NoiseLibrary(std::vector<std::vector<float>> series, std::size_t runs, std::uint64_t seed)
      : series_(std::move(series)), runs_(runs) {
    Rng rng(seed);
    warm_.reserve(series_.size() * runs);
    for (std::size_t s = 0; s < series_.size(); ++s) {
      for (std::size_t run = 0; run < runs; ++run) {
        LinkDetector detector;
        for (int second = 0; second < kHistory; ++second) {
          detector.look(look(s, kLevelMs, {}, true, rng), {});
        }
        warm_.push_back(detector);
        LinkDetector blind;
        for (int second = 0; second < kHistory; ++second) {
          blind.look(look(s, kLevelMs, {}, false, rng), {});
        }
        warm_blind_.push_back(blind);
        for (int second = 0; second < kMinute; ++second) {
          detector.look(look(s, kLevelMs, {}, true, rng), {});
        }
        quiet_.push_back({detector.forward(), detector.backward()});
      }
    }
  }

  static constexpr double kLevelMs = 120.0;
  [[nodiscard]] std::size_t series() const { return series_.size(); }
  [[nodiscard]] const QuietClaims& quiet(std::size_t series, Rng& rng) const {
    return quiet_[series * runs_ + rng.below(runs_)];
  }
  // A detector that has seen quiet minutes; without clocks it knows no one-way delay.
  [[nodiscard]] const LinkDetector& warm(std::size_t series, bool clocks, Rng& rng) const {
    return (clocks ? warm_ : warm_blind_)[series * runs_ + rng.below(runs_)];
  }

  [[nodiscard]] LinkLook look(std::size_t series, double level_ms, const LinkHarm& harm,
                              bool clocks, Rng& rng) const {
    const std::vector<float>& values = series_[series];
    const std::size_t place = rng.below(values.size() - kProbes);
    LinkLook look;
    look.sent = kProbes;
    std::array<float, kProbes> answered{};
    std::size_t count = 0;
    for (std::size_t i = 0; i < kProbes; ++i) {
      const float residual = values[place + i];
      if (std::isnan(residual)) {
        ++(rng.uniform() < 0.5 ? look.lost_forward : look.lost_backward);
      } else if (rng.uniform() < harm.loss_forward + kBackgroundLoss) {
        ++look.lost_forward;
      } else if (rng.uniform() < harm.loss_backward + kBackgroundLoss) {
        ++look.lost_backward;
      } else {
        answered[count++] = residual;
      }
    }
    if (count == 0) return look;
    const auto middle = answered.begin() + static_cast<std::ptrdiff_t>(count / 2);
    std::nth_element(answered.begin(), middle,
                     answered.begin() + static_cast<std::ptrdiff_t>(count));
    const auto noise = static_cast<double>(*middle);
    look.rtt_ms = level_ms + noise + harm.forward_ms + harm.backward_ms;
    if (clocks) {
      // Queues stand on one way more than on the other.
      const double share = 0.3 + 0.4 * rng.uniform();
      look.forward_ms = 0.5 * level_ms + share * noise + harm.forward_ms;
      look.backward_ms = 0.5 * level_ms + (1.0 - share) * noise + harm.backward_ms;
    }
    return look;
  }

 private:
  std::vector<std::vector<float>> series_;
  std::size_t runs_;
  std::vector<LinkDetector> warm_;
  std::vector<LinkDetector> warm_blind_;
  std::vector<QuietClaims> quiet_;
};

}  // namespace linkpilot::bench
