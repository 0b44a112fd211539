// LinkWatch: one directed link's usual delay and loss, and whether it now is dead, degraded or
// fine. Pure, O(1) a look, about 200 octets a link. A look happens about once a second.
//
// The usual delay is a slow mean of the median round trip (10 minutes; 6 hours while degraded, so
// that a change of path that stays becomes the usual in the end). Missing data says nothing: such a
// link is neither bad nor fine.
#pragma once

#include "base/time.h"
#include "collector/faults/fault_rules.h"
#include "collector/faults/loss_window.h"
#include "optimizer/weight/link_belief.h"

namespace linkpilot::collector {

enum class LinkHealth : std::uint8_t { unknown, fine, degraded, dead };

// What both ends ever counted of one direction.
struct DirectionTotals {
  double sent = 0;
  double lost = 0;
};

class LinkWatch {
 public:
  // Looks before the usual delay is known.
  static constexpr std::uint32_t kLooksMin = 20;

  LinkHealth look(const optimizer::LinkBelief& belief, DirectionTotals totals,
                  const FaultRules& rules, Now now);
  // Takes up a fault that an earlier run told: what was usual then. Negative: not known.
  void resume(double rtt_ms_before, double loss_ratio_before);

  // One of its ends is down: nothing of this is the link's own trouble.
  void excuse();

  [[nodiscard]] LinkHealth health() const { return health_; }
  // Since when it is dead or degraded, and since when it is only the one or the other. Zero: it is
  // not.
  [[nodiscard]] Now bad_since() const { return bad_since_; }
  [[nodiscard]] Now health_since() const { return health_since_; }
  [[nodiscard]] double loss_ratio() const;  // lately; negative: not known
  // Negative: not known yet.
  [[nodiscard]] double usual_rtt_ms() const { return looks_ >= kLooksMin ? rtt_ms_ : -1; }
  [[nodiscard]] double usual_loss_ratio() const { return looks_ >= kLooksMin ? loss_usual_ : -1; }

 private:
  LinkHealth become(LinkHealth health, Now now);
  void learn(double rtt_ms, double loss_ratio, MonoTime now);

  float rtt_ms_ = 0;
  float loss_usual_ = 0;
  LossWindow losses_;
  std::uint32_t looks_ = 0;  // saturating
  LinkHealth health_ = LinkHealth::unknown;
  bool slow_ = false;
  bool lossy_ = false;
  MonoTime looked_;
  Now bad_since_{};
  Now health_since_{};
};

}  // namespace linkpilot::collector
