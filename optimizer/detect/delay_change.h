// DelayChange: change points of one series of delays (round trips, first frames, jitter), online.
// Two windows: a reference
// of the last kReference values since the last change, and the values that came after it.
//
// With m, u, d the median and the upper and lower quantile distances of the reference, and
// f = floor + relative_floor * m, a value is *beyond* at h if it is above m + h (u + f) or below
// m - h (d + f). A change is raised when the last `run` values are all beyond at `run_level` on one
// side (large steps, at once), or when all but one of the last `drift` values are beyond at
// `drift_level` (small steps, later), or when all but one of them are beyond `run_level` on either
// side (spread). Quantiles instead of deviations: round trips are skewed, and a few spikes must
// not widen the band. The defaults were searched on the labelled RIPE Atlas series.
//
// False alarms on independent normal noise: below 1 in 20 000 values where its deviation is up to
// the floor, up to 1 in 250 where it is far above it (a test holds both). Such a word is one input
// of a claim, never a fault by itself. Real series are not independent; the `detect` bench prints
// what they give: one alarm without a label in two days of values four minutes apart.
//
// O(kReference) a value, no allocation, about 500 octets. Values are milliseconds by convention,
// the floor is in the same unit. A missing value (time-out) is not given: silence is no evidence
// here.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <optional>

namespace linkpilot::optimizer {

struct DelayChangeOptions {
  double floor = 1.08;
  double relative_floor = 0.0029;
  std::uint8_t run = 4;  // at most kRecentMax
  double run_level = 2.55;
  std::uint8_t drift = 11;  // at most kRecentMax
  double drift_level = 0.645;
  double quantile = 0.3;           // of the reference, and 1 - it
  std::uint8_t reference_min = 3;  // values before anything is judged
  std::uint8_t quiet_after = 4;    // values after a change in which none is raised
};

enum class ChangeKind : std::uint8_t { up, down, spread };

struct ChangePoint {
  ChangeKind kind = ChangeKind::up;
  double before = 0.0;      // median of the reference
  double after = 0.0;       // median of the values that gave the alarm
  std::uint8_t values = 0;  // so many values ago, this one included, it began
  friend bool operator==(const ChangePoint&, const ChangePoint&) = default;
};

class DelayChange {
 public:
  static constexpr std::size_t kReference = 53;
  static constexpr std::size_t kRecentMax = 12;

  [[nodiscard]] std::optional<ChangePoint> add(double value, const DelayChangeOptions& options);
  void clear() { *this = DelayChange(); }

  // Of the reference; zero while it is empty.
  [[nodiscard]] double median() const { return quantile_of(0.5); }
  // Half the distance between the outer quantiles.
  [[nodiscard]] double spread(const DelayChangeOptions& options) const;
  // Median of the newest values, at most `count` of them and of kRecentMax; zero if there is none.
  [[nodiscard]] double recent_median(std::size_t count) const;
  [[nodiscard]] std::size_t reference_count() const { return reference_count_; }

 private:
  void refer(float value);
  void drop_oldest_reference();
  [[nodiscard]] double quantile_of(double q) const;
  [[nodiscard]] std::optional<ChangePoint> judge(const DelayChangeOptions& options) const;
  void begin_anew(std::size_t values);

  std::array<float, kReference> sorted_{};
  std::array<float, kReference> ring_{};    // the same in order of arrival
  std::array<float, kRecentMax> recent_{};  // oldest first
  std::uint8_t reference_count_ = 0;
  std::uint8_t ring_next_ = 0;
  std::uint8_t recent_count_ = 0;
  std::uint8_t since_change_ = 0;  // saturating
};

}  // namespace linkpilot::optimizer
