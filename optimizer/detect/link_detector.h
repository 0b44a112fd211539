// LinkDetector: all that is watched of one link by one of its ends: loss of each direction,
// blackout, delay, jitter. Takes one look a second and says how the link differs from its usual
// self, as claims that the localiser weighs. O(1) a look, about 800 octets a link and end. Pure.
//
// The usual delay and loss are slow means (10 minutes) that hardly move while the link deviates (6
// hours), so that a path that stays changed becomes the usual in the end. Missing looks change
// nothing and are never good news.
//
// A round trip cannot say which direction grew. One-way delays can, as far as clocks stand still:
// the growth of the round trip is dealt to the directions by the growth of their one-way delays,
// and a one-way change that the round trip does not confirm is the clock's (`skewed`), not the
// link's.
#pragma once

#include <cstdint>
#include <optional>

#include "optimizer/detect/delay_change.h"
#include "optimizer/detect/jitter_change.h"
#include "optimizer/detect/loss_change.h"
#include "optimizer/localise/claim.h"

namespace linkpilot::optimizer {

struct LinkLook {
  std::uint32_t looks = 1;  // seconds that it stands for, at least 1
  std::uint32_t sent = 0;
  std::uint32_t lost_forward = 0;
  std::uint32_t lost_backward = 0;
  std::uint32_t lost_unplaced = 0;     // which way is not known: counts half in each direction
  std::optional<double> rtt_ms{};      // median of the second
  std::optional<double> forward_ms{};  // one way, both clocks believed
  std::optional<double> backward_ms{};
  std::optional<double> jitter_ms{};
};

struct LinkDetectorOptions {
  LossChangeOptions loss{};
  MissRunOptions misses{};
  DelayChangeOptions delay{};
  JitterChangeOptions jitter{};
  // Growth of the round trip that is worth a claim, and below which it is over.
  double delay_enter_ms = 8.0;
  double delay_leave_ms = 5.0;
  // What a direction loses all day is usual for it up to here: a link that lost more from its first
  // minute on is bad nevertheless.
  double usual_loss_max = 1.0;
  double usual_seconds = 600.0;
  double usual_seconds_deviating = 6 * 3600.0;
  std::uint32_t looks_min = 20;       // before a delay is usual
  std::uint32_t looks_min_loss = 60;  // and a share lost
};

class LinkDetector {
 public:
  void look(const LinkLook& look, const LinkDetectorOptions& options);

  // Of the direction away from, and towards, the end that watches.
  [[nodiscard]] DirectionClaim forward() const { return claim(forward_); }
  [[nodiscard]] DirectionClaim backward() const { return claim(backward_); }
  [[nodiscard]] bool dead() const { return misses_.dead(); }
  [[nodiscard]] bool lossy_forward() const { return forward_.loss.bad(); }
  [[nodiscard]] bool lossy_backward() const { return backward_.loss.bad(); }
  // In delay.
  [[nodiscard]] bool deviating() const { return deviating_; }
  // Something in its claims is worth the localiser's time: `nats` of evidence for loss at least.
  [[nodiscard]] bool odd(double nats) const {
    return misses_.dead() || deviating_ || forward_.loss.evidence() >= nats ||
           backward_.loss.evidence() >= nats;
  }
  [[nodiscard]] bool jittery() const { return jitter_.bad(); }
  // Its one-way delays moved apart while its round trip stayed: a clock moved.
  [[nodiscard]] bool skewed() const { return skewed_; }
  // The last change point of the round trip, if this look raised one.
  [[nodiscard]] const std::optional<ChangePoint>& change() const { return change_; }
  [[nodiscard]] double usual_rtt_ms() const { return static_cast<double>(usual_rtt_ms_); }
  // Median of the newest looks; zero before the first.
  [[nodiscard]] double rtt_ms() const { return rtt_.recent_median(5); }
  // Of the round trip: half the distance between the outer quantiles.
  [[nodiscard]] double spread_ms(const LinkDetectorOptions& options) const {
    return rtt_.spread(options.delay);
  }
  [[nodiscard]] double usual_loss_forward() const { return static_cast<double>(forward_usual_); }
  [[nodiscard]] double usual_loss_backward() const { return static_cast<double>(backward_usual_); }
  // Since the run of evidence began; zero where nothing speaks for loss.
  [[nodiscard]] const LossChange& loss_forward() const { return forward_.loss; }
  [[nodiscard]] const LossChange& loss_backward() const { return backward_.loss; }
  // Enough looks to know what is usual.
  [[nodiscard]] bool settled(const LinkDetectorOptions& options) const {
    return looks_ >= options.looks_min;
  }
  // And what share of losses is.
  [[nodiscard]] bool learnt(const LinkDetectorOptions& options) const {
    return looks_ >= options.looks_min && looks_ >= options.looks_min_loss;
  }
  // An earlier run knew what is usual, and that the link deviates from it in what is given (not
  // negative): it does so until it is better than the leaving levels.
  void resume(double rtt_ms, double loss_forward, double loss_backward,
              const LinkDetectorOptions& options);

 private:
  // One-way delay: usual, and lately.
  struct OneWay {
    float usual_ms = 0.0F;
    float now_ms = 0.0F;
    bool known = false;
    [[nodiscard]] double growth() const {
      return static_cast<double>(now_ms) - static_cast<double>(usual_ms);
    }
  };
  struct Direction {
    LossChange loss;
    OneWay one_way;
    float usual = 0.0F;  // share lost that is no deviation
  };
  [[nodiscard]] DirectionClaim claim(const Direction& direction) const;
  void look_at_delay(const LinkLook& look, const LinkDetectorOptions& options);
  void learn(const LinkLook& look, const LinkDetectorOptions& options);

  Direction forward_;
  Direction backward_;
  MissRun misses_;
  DelayChange rtt_;
  JitterChange jitter_;
  std::optional<ChangePoint> change_;
  float usual_rtt_ms_ = 0.0F;
  float forward_usual_ = 0.0F;  // shares lost
  float backward_usual_ = 0.0F;
  float growth_ms_ = 0.0F;  // of the round trip, while it deviates
  float growth_error_ms_ = 0.0F;
  std::uint32_t looks_ = 0;
  bool deviating_ = false;  // in delay
  bool skewed_ = false;
};

}  // namespace linkpilot::optimizer
