#include "tools/lab/impairment.h"

#include <algorithm>
#include <cmath>

namespace linkpilot::lab {
namespace {

Duration exponential(double mean_ns, Rng& rng) {
  const double ns = -mean_ns * std::log1p(-rng.uniform());
  return Duration(std::max<std::int64_t>(1, static_cast<std::int64_t>(std::min(ns, 1e15))));
}

}  // namespace

bool BurstState::advance(const BurstLoss& settings, MonoTime now, Rng& rng) {
  if (settings.ratio <= 0 || settings.mean.count() <= 0) {
    started_ = false;
    return false;
  }
  if (settings.ratio >= 1) return true;
  const double bad_ns = static_cast<double>(settings.mean.count());
  const double good_ns = bad_ns * (1 - settings.ratio) / settings.ratio;
  const auto stay = [&] { return exponential(in_burst_ ? bad_ns : good_ns, rng); };
  if (!started_) {
    started_ = true;
    in_burst_ = false;
    until_ = now + stay();
  }
  for (int step = 0; until_ <= now; ++step) {
    if (step == kStepsMax) {
      in_burst_ = rng.uniform() < settings.ratio;
      until_ = now + stay();  // memoryless, so the time already spent in the state does not matter
      break;
    }
    in_burst_ = !in_burst_;
    until_ += stay();
  }
  return in_burst_;
}

}  // namespace linkpilot::lab
