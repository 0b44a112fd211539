// ProbePhase: when within its interval a link's probe leaves, seen from the end that steers it.
//
// Each end sends two packets an interval towards the other: its probe, and its answer to the
// other's. Where they leave at the same moment, one burst of loss takes both, and the silence rule
// (agent/detect) has four chances of hearing something in seven instead of seven. One end, that of
// the lower port, therefore moves its probes until the two are as far apart as they can be at both
// ends. It needs no clock of the peer:
//
//   here  = own probe leaves - answer to the peer's probe leaves       (both on our clock)
//   there = the peer's probe arrives - its answer to ours arrives      (they travelled alike)
//
// Moving our probes later by d makes `here` longer by d and `there` shorter by d, modulo the
// interval I. With s = here + there mod I, both are equal, and farthest from zero, at s/2 or at
// s/2 + I/2: one of the two is at least I/4 away from zero, whatever the round trip.
//
// A value: times in, a small step out. Steps are so small that the peer, who expects each packet an
// interval after the one before, never misses one for them.
#pragma once

#include <algorithm>
#include <chrono>

#include "base/time.h"

namespace linkpilot::prober {

// Slower links are left alone: bursts of milliseconds meet both packets too rarely to matter.
inline constexpr Duration kSteeredIntervalMax = std::chrono::milliseconds(100);

class ProbePhase {
 public:
  void on_probe_sent(MonoTime at) { probe_sent_ = at; }
  void on_answer_sent(MonoTime at) { answer_sent_ = at; }
  void on_peer_probe(MonoTime received, Duration peer_interval) {
    peer_probe_ = received;
    peer_interval_ = peer_interval;
  }
  void on_answer(MonoTime received) { answer_ = received; }

  // By how much the probe after the one just sent should leave later than an interval after it;
  // negative: earlier. Zero where the phase is good, or where not all four packets are recent, or
  // where the ends probe at different rates.
  [[nodiscard]] Duration step(Duration interval);
  // How far apart the two packets of each end are, at the end where they are closer.
  [[nodiscard]] Duration apart(Duration interval) const;

 private:
  static constexpr int kStepsPerInterval = 100;  // 0.5 ms of 50 ms: there within 2.5 s
  // Good enough: sends happen on a tick of 5 ms, so nothing is exact.
  static constexpr int kSlackPerInterval = 16;
  static constexpr int kIntervalsRecent = 8;
  static constexpr int kRateTolerance = 1000;  // intervals travel in microseconds

  static Duration modulo(Duration value, Duration interval) {
    const Duration rest = value % interval;
    return rest < Duration::zero() ? rest + interval : rest;
  }
  static Duration from_zero(Duration phase, Duration interval) {
    return std::min(phase, interval - phase);
  }

  MonoTime probe_sent_;
  MonoTime answer_sent_;
  MonoTime peer_probe_;
  MonoTime answer_;
  Duration peer_interval_{};
  int heading_ = 0;  // -1: probes become earlier; 1: later; 0: they stay
};

inline Duration ProbePhase::apart(Duration interval) const {
  return std::min(from_zero(modulo(probe_sent_ - answer_sent_, interval), interval),
                  from_zero(modulo(peer_probe_ - answer_, interval), interval));
}

inline Duration ProbePhase::step(Duration interval) {
  if (interval > kSteeredIntervalMax) return {};
  if (std::chrono::abs(peer_interval_ - interval) > interval / kRateTolerance) return {};
  const MonoTime oldest = std::min({answer_sent_, peer_probe_, answer_});
  if (oldest.ns == 0 || probe_sent_ - oldest > interval * kIntervalsRecent) return {};

  const Duration here = modulo(probe_sent_ - answer_sent_, interval);
  const Duration there = modulo(peer_probe_ - answer_, interval);
  const Duration half_sum = modulo(here + there, interval) / 2;
  // Both places where the two ends have the same, and how far from zero that is.
  const Duration places[] = {half_sum, half_sum + interval / 2};
  const Duration apart_there[] = {half_sum, interval / 2 - half_sum};
  const Duration good = std::max(apart_there[0], apart_there[1]) - interval / kSlackPerInterval;
  if (apart(interval) >= good) {
    heading_ = 0;
    return {};
  }
  // To the nearest place that is good, and on in that direction: half-way between two, news that is
  // a round trip old would turn it to and fro.
  Duration way{};
  for (int i : {0, 1}) {
    if (apart_there[i] < good) continue;
    const Duration later = modulo(places[i] - here, interval);
    for (const Duration each : {later, later - interval}) {
      if (heading_ != 0 && (each < Duration::zero()) != (heading_ < 0)) continue;
      if (way == Duration::zero() || std::chrono::abs(each) < std::chrono::abs(way)) way = each;
    }
  }
  heading_ = way < Duration::zero() ? -1 : 1;
  const Duration step_max = interval / kStepsPerInterval;
  return std::clamp(way, -step_max, step_max);
}

}  // namespace linkpilot::prober
