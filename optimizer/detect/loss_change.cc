#include "optimizer/detect/loss_change.h"

#include <algorithm>
#include <cmath>
#include <limits>

namespace linkpilot::optimizer {

namespace {

constexpr double kShareMax = 0.9;

std::uint32_t saturating_sum(std::uint32_t a, std::uint32_t b) {
  return a > std::numeric_limits<std::uint32_t>::max() - b
             ? std::numeric_limits<std::uint32_t>::max()
             : a + b;
}

}  // namespace

void LossChange::add(std::uint32_t sent, std::uint32_t lost, double usual,
                     const LossChangeOptions& options) {
  // Nothing speaks for loss, as nearly always.
  if (sent == 0 || (lost == 0 && enter_sum_ <= 0.0 && !bad_)) return;
  lost = std::min(lost, sent);
  const double fine = std::clamp(usual * options.usual_factor, options.fine, kShareMax / 2);
  const double bad = std::min(std::max(options.bad, 2.5 * fine), kShareMax);
  const double nats = static_cast<double>(lost) * std::log(bad / fine) -
                      static_cast<double>(sent - lost) * std::log((1.0 - fine) / (1.0 - bad));
  if (enter_sum_ + nats <= 0.0 && !bad_) {
    begin_anew();
  } else {
    sent_ = saturating_sum(sent_, sent);
    lost_ = saturating_sum(lost_, lost);
    looks_ = saturating_sum(looks_, 1);
  }
  enter_sum_ = std::clamp(enter_sum_ + std::min(nats, options.look_share * options.enter_level),
                          0.0, 2.0 * options.enter_level);
  if (!bad_) {
    bad_ = enter_sum_ >= options.enter_level;
    leave_sum_ = 0.0;
    return;
  }
  leave_sum_ = std::max(0.0, leave_sum_ - nats);
  if (leave_sum_ < options.leave_level) return;
  bad_ = false;
  begin_anew();
  enter_sum_ = 0.0;
}

void LossChange::begin_anew() {
  sent_ = 0;
  lost_ = 0;
  looks_ = 0;
}

void MissRun::add(std::uint32_t sent, std::uint32_t lost, const MissRunOptions& options) {
  if (sent == 0) return;
  if (lost >= sent) {
    missed_ = saturating_sum(missed_, sent);
    answered_ = 0;
  } else {
    // Where in the interval the losses were is not known: answers end the run.
    missed_ = 0;
    answered_ = saturating_sum(answered_, sent - lost);
  }
  if (missed_ >= options.missed_min) dead_ = true;
  if (answered_ >= options.return_min) dead_ = false;
}

}  // namespace linkpilot::optimizer
