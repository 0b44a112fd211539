#include "collector/faults/link_watch.h"

#include <algorithm>

namespace linkpilot::collector {

namespace {

constexpr double kUsualSeconds = 600;
constexpr double kUsualSecondsDegraded = 6 * 3600;
constexpr std::uint32_t kLooksCounted = 600;
// Of a long link 50 ms are little; of a short one a quarter is.
constexpr double kSlowerRatio = 1.25;

double watched_milliseconds(Duration duration) {
  return static_cast<double>(duration.count()) * 1e-6;
}

}  // namespace

LinkHealth LinkWatch::look(const optimizer::LinkBelief& belief, DirectionTotals totals,
                           const FaultRules& rules, Now now) {
  losses_.look(totals.sent, totals.lost);
  if (belief.state == LinkState::dead) {
    losses_.begin_anew();
    lossy_ = false;
    return become(LinkHealth::dead, now);
  }
  if (!belief.measured || belief.stale) return become(LinkHealth::unknown, now);
  const double rtt_ms = watched_milliseconds(belief.rtt_p50);
  const double usual_ms = static_cast<double>(rtt_ms_);
  if (looks_ >= kLooksMin) {
    const double excess = rtt_ms - usual_ms;
    slow_ = slow_ ? excess >= rules.delay_leave_ms
                  : excess >= rules.delay_enter_ms && rtt_ms >= kSlowerRatio * usual_ms;
  }
  const LossWindow::Word loss = losses_.word();
  if (loss.known) {
    lossy_ = lossy_ ? loss.loss_ratio > rules.loss_leave
                    : loss.spread && loss.loss_ratio >= rules.loss_enter;
  }
  become(slow_ || lossy_ ? LinkHealth::degraded : LinkHealth::fine, now);
  learn(rtt_ms, loss.known ? loss.loss_ratio : static_cast<double>(loss_usual_), now.mono);
  return health_;
}

LinkHealth LinkWatch::become(LinkHealth health, Now now) {
  const bool was_bad = health_ == LinkHealth::dead || health_ == LinkHealth::degraded;
  const bool is_bad = health == LinkHealth::dead || health == LinkHealth::degraded;
  if (!is_bad) {
    bad_since_ = {};
  } else if (!was_bad) {
    bad_since_ = now;
  }
  if (health != health_) health_since_ = now;
  return health_ = health;
}

double LinkWatch::loss_ratio() const {
  const LossWindow::Word loss = losses_.word();
  return loss.known ? loss.loss_ratio : -1;
}

void LinkWatch::learn(double rtt_ms, double loss_ratio, MonoTime now) {
  // A plain mean at first, then an exponential one.
  double share = 1.0 / (1.0 + looks_);
  if (looks_ >= kLooksMin) {
    const double seconds = std::min(10.0, static_cast<double>((now - looked_).count()) * 1e-9);
    const bool bad = health_ == LinkHealth::degraded;
    share = seconds / (bad ? kUsualSecondsDegraded : kUsualSeconds);
    if (!bad) share = std::max(share, 1.0 / (1.0 + looks_));
  }
  share = std::clamp(share, 0.0, 1.0);
  rtt_ms_ += static_cast<float>(share * (rtt_ms - static_cast<double>(rtt_ms_)));
  loss_usual_ += static_cast<float>(share * (loss_ratio - static_cast<double>(loss_usual_)));
  if (looks_ < kLooksCounted) ++looks_;
  looked_ = now;
}

void LinkWatch::excuse() {
  health_ = LinkHealth::unknown;
  bad_since_ = health_since_ = {};
  losses_.begin_anew();
}

void LinkWatch::resume(double rtt_ms_before, double loss_ratio_before) {
  if (rtt_ms_before < 0) return;
  rtt_ms_ = static_cast<float>(rtt_ms_before);
  loss_usual_ = static_cast<float>(std::max(0.0, loss_ratio_before));
  looks_ = kLooksCounted;
  // Until it is better than the leaving levels, it is what it was.
  slow_ = true;
  lossy_ = true;
}

}  // namespace linkpilot::collector
