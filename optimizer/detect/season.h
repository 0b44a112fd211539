// How a figure of now compares with the same minute yesterday, with the same minute a week ago and
// with the period just before. What has no history says nothing; nothing at all is `unknown`, never
// good news. Pure.
//
// A figure is worse only where it is worse than *every* reference that is known: an evening that is
// as slow as yesterday's is usual, even though the hour before was fast; and it is better only
// where it is better than every one. An expectation of the calendar multiplies what was.
#pragma once

#include <cstdint>
#include <optional>

namespace linkpilot::optimizer {

struct SeasonReferences {
  std::optional<double> yesterday{};  // same minute, 24 h ago
  std::optional<double> last_week{};  // same minute, 7 days ago
  std::optional<double> previous{};   // the period just before, as long as the one of now
};

// A figure must differ by both.
struct SeasonLimits {
  double ratio = 1.25;    // above 1
  double absolute = 0.0;  // in the figure's unit
};

enum class SeasonVerdict : std::uint8_t { unknown, usual, worse, better };

// Higher is worse.
[[nodiscard]] inline SeasonVerdict compare_with_seasons(std::optional<double> now,
                                                        const SeasonReferences& references,
                                                        const SeasonLimits& limits,
                                                        double expected_factor = 1.0) {
  if (!now) return SeasonVerdict::unknown;
  bool known = false;
  bool worse = true;
  bool better = true;
  for (const std::optional<double>& reference :
       {references.yesterday, references.last_week, references.previous}) {
    if (!reference) continue;
    known = true;
    const double usual = *reference * expected_factor;
    worse = worse && *now > usual * limits.ratio && *now > usual + limits.absolute;
    better = better && *now < usual / limits.ratio && *now < usual - limits.absolute;
  }
  if (!known) return SeasonVerdict::unknown;
  if (worse) return SeasonVerdict::worse;
  return better ? SeasonVerdict::better : SeasonVerdict::usual;
}

}  // namespace linkpilot::optimizer
