#include "agent/detect/cadence.h"

#include <algorithm>

namespace linkpilot::agent {

namespace {

bool is_expected(const Rhythm& rhythm, MonoTime last_any) {
  return rhythm.heard && rhythm.interval > Duration::zero() &&
         last_any - rhythm.last <= rhythm.interval * kIntervalsUntilUnexpected;
}

// The first instant of the rhythm after `base`.
MonoTime first_after(const Rhythm& rhythm, MonoTime base) {
  const std::int64_t passed = std::max<std::int64_t>(0, (base - rhythm.last) / rhythm.interval);
  return rhythm.last + rhythm.interval * (passed + 1);
}

}  // namespace

std::optional<MonoTime> nth_expected_arrival(const Rhythm& probes, const Rhythm& answers,
                                             MonoTime last_any, MonoTime base,
                                             std::uint32_t count) {
  const bool probes_expected = is_expected(probes, last_any);
  const bool answers_expected = is_expected(answers, last_any);
  if (!probes_expected && !answers_expected) return std::nullopt;
  MonoTime probe = probes_expected ? first_after(probes, base) : MonoTime{INT64_MAX};
  MonoTime answer = answers_expected ? first_after(answers, base) : MonoTime{INT64_MAX};
  MonoTime due = base;
  for (std::uint32_t i = 0; i < count; ++i) {
    if (probe <= answer) {
      due = probe;
      probe += probes.interval;
    } else {
      due = answer;
      answer += answers.interval;
    }
  }
  return due;
}

std::optional<Duration> mean_spacing(const Rhythm& probes, const Rhythm& answers,
                                     MonoTime last_any) {
  double per_ns = 0;
  if (is_expected(probes, last_any)) per_ns += 1.0 / static_cast<double>(probes.interval.count());
  if (is_expected(answers, last_any)) per_ns += 1.0 / static_cast<double>(answers.interval.count());
  if (per_ns == 0) return std::nullopt;
  return Duration(static_cast<std::int64_t>(1.0 / per_ns));
}

}  // namespace linkpilot::agent
