// LinkEstimate: folds what both ends of one *directed* link report into the current belief of it.
// A link i->j is seen by the near agent i (the forward half of its samples of i->j) and by the far
// agent j (the backward half of its samples of j->i); alarms come from both ends, too.
//
// Integers and counts in, percentiles and effective counts out. Memory is fixed (about 0.9 kB), a
// fold costs O(cells of the sample's sketch), a belief O(kWindowSlots). Pure: time comes in with
// the data. Bias: a lost probe whose direction nobody knows counts half in each direction.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>

#include "base/ids.h"
#include "base/link_sample.h"
#include "base/report.h"
#include "base/time.h"
#include "optimizer/weight/link_belief.h"

namespace linkpilot::optimizer {

struct EstimateParameters {
  // Loss memory: at least `loss_sample` probes, and at least `loss_memory` of time constant. The
  // effective sample is exactly `loss_sample`, filled up by the fleet's median ratio.
  double loss_sample = 300.0;
  Duration loss_memory = std::chrono::seconds(30);
  // A link whose end died with a bad word on its lips lives again after this many delivered
  // samples.
  std::uint8_t delivered_samples_revive = 10;
  // A record of at least `outdated_lost` effective losses is outdated once this many probes in a
  // row were not lost: the link deserves faster probes, so that its record is renewed (30 % of
  // links that still lose 3 % get there by luck).
  double outdated_lost = 2.0;
  std::uint32_t outdated_clean_probes = 40;
  // The usual level of the round trip follows it with this time constant; unsteadiness is the mean
  // excess over it, see LinkBelief. The two and the weight of unsteadiness were chosen together on
  // one-slice-ahead relay choices (`tools/bench relay`): a broad optimum.
  Duration usual_memory = std::chrono::seconds(150);
  Duration unsteady_memory = kUnsteadyMemory;
  std::uint32_t answered_min = 5;  // answered probes before a link counts as measured
  Duration stale_after = std::chrono::seconds(20);
  // One-way delays are believed when both clocks together are at most this wrong.
  Duration clock_error_max = std::chrono::milliseconds(2);
  // RFC 2439 s4.2 with RFC 7196's advice to suppress late; keyed by link, a penalty per death.
  double flap_penalty = 1000.0;
  double flap_suppress = 2500.0;
  double flap_reuse = 750.0;
  double flap_penalty_max = 6000.0;
  Duration flap_half_life = std::chrono::seconds(60);
};

// Which end of the directed link speaks.
enum class LinkEnd : std::uint8_t { near, far };

// A sample's round trips as equally likely values, in buckets of the sketch (16 bits hold them):
// the same for both directions, so made once. Without an answer: nothing.
struct RttPoints {
  static constexpr std::size_t kCount = 8;
  explicit RttPoints(const LinkSample& sample);
  std::array<std::uint16_t, kCount> bucket{};
  std::uint16_t bucket_min = 0;
  Duration mean{};
};

class alignas(64) LinkEstimate {
 public:
  static constexpr std::size_t kWindowSlots = 32;  // samples (seconds) in the window, both ends'
  static constexpr std::size_t kPoints = kWindowSlots * RttPoints::kCount;

  LinkEstimate() = default;
  explicit LinkEstimate(LinkId link) : link_(link) {}

  // `end == near`: `sample.link` is this link. `end == far`: it is this link reversed. `at` is the
  // collector's time at the end of the sample's interval; the agent's own clock is not trusted.
  void fold(const LinkSample& sample, const RttPoints& points, LinkEnd end, MonoTime at,
            const EstimateParameters& parameters);
  void fold(const LinkSample& sample, LinkEnd end, MonoTime at,
            const EstimateParameters& parameters) {
    fold(sample, RttPoints(sample), end, at, parameters);
  }
  // `end` is the agent that raised it: near = the sender of this direction, far = its receiver.
  void apply(const Alarm& alarm, LinkEnd end, MonoTime at, const EstimateParameters& parameters);
  // The agent at `end` started anew: what it said before is no longer its word.
  void forget_word(LinkEnd end);

  [[nodiscard]] LinkBelief belief(double fleet_loss_ratio, MonoTime now,
                                  const EstimateParameters& parameters) const;
  // This link's own loss ratio if it has at least a quarter of the effective sample, else negative.
  [[nodiscard]] double own_loss_ratio(const EstimateParameters& parameters) const;
  [[nodiscard]] LinkState state() const;
  // Usable or dead, without the work of a whole belief.
  [[nodiscard]] bool known(MonoTime now, const EstimateParameters& parameters) const;
  // Something was ever folded in, or said of it.
  [[nodiscard]] bool touched() const { return touched_; }
  // Brings the part that every fold reads near: one line (see LinkIndex::prefetch).
  [[gnu::always_inline]] void prefetch() const {
    static_assert(offsetof(LinkEstimate, penalty_) == 64);
    __builtin_prefetch(this, 1);
  }
  // And the slot that the next fold writes; waits for the first line if it is not near yet.
  [[gnu::always_inline]] void prefetch_slot() const { __builtin_prefetch(&slots_[next_slot_], 1); }
  [[nodiscard]] LinkId link() const { return link_; }
  [[nodiscard]] MonoTime last_heard() const { return last_heard_; }

 private:
  // One reported interval.
  struct Slot {
    std::array<std::uint16_t, RttPoints::kCount> bucket{};
    std::uint16_t bucket_min = 0;
    std::uint16_t share = 0;  // of the round trip that this direction takes, in 1/65535; 0: unknown
    std::uint16_t clock_error_us = 0;
    bool used = false;
  };
  // What one end says of the state, newest word wins.
  struct EndState {
    LinkState state = LinkState::alive;
    bool confirmed = false;
  };

  void fold_rtt(const LinkSample& sample, const RttPoints& points, const OneWayDelay& one_way,
                const EstimateParameters& parameters);
  void fold_level(const RttPoints& points, MonoTime at, const EstimateParameters& parameters);
  void fold_loss(double lost, double sent, MonoTime at, const EstimateParameters& parameters);
  void read_window(LinkBelief& belief) const;
  [[nodiscard]] double delay_quantile_ns(double q, double share_mean) const;
  [[nodiscard]] double penalty_at(MonoTime now, const EstimateParameters& parameters) const;

  // The first line of 64 octets: all that a fold reads.
  LinkId link_;
  std::uint8_t next_slot_ = 0;
  std::uint8_t delivered_samples_ = 0;  // in a row since the last word against the link
  bool heard_ = false;
  bool touched_ = false;
  EndState near_state_;
  EndState far_state_;
  std::uint32_t answered_ = 0;  // saturating
  float usual_ms_ = -1.0F;      // of the round trip; negative: none yet
  MonoTime last_heard_;
  // Loss, decayed (see EstimateParameters).
  double lost_ = 0.0;
  double sent_ = 0.0;
  float clean_probes_ = 0.0F;  // in a row, since the last loss
  float excess_ms_ = 0.0F;     // mean of what the round trip was above its usual level
  MonoTime loss_time_;

  double penalty_ = 0.0;
  MonoTime penalty_time_;
  bool suppressed_ = false;
  std::array<Slot, kWindowSlots> slots_{};
};

}  // namespace linkpilot::optimizer
