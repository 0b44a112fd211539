#include "optimizer/localise/explain.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <numeric>

#include "optimizer/localise/nonnegative.h"

namespace linkpilot::optimizer {

namespace {

// Of what a candidate is measured on: less is another cause's leftovers.
constexpr double kPartMin = 0.25;
constexpr std::uint32_t kNone = std::numeric_limits<std::uint32_t>::max();

// The one at place `at` in order; reorders.
double ranked(std::vector<float>& values, std::size_t at) {
  const auto place = values.begin() + static_cast<std::ptrdiff_t>(at);
  std::nth_element(values.begin(), place, values.end());
  return static_cast<double>(*place);
}

class Explainer {
 public:
  Explainer(const ExplainProblem& problem, const ExplainOptions& options)
      : problem_(problem), options_(options) {
    residual_.reserve(problem.items.size());
    taken_.resize(problem.items.size());
    for (const ExplainItem& item : problem.items) residual_.push_back(item.value);
    admit_candidates();
  }

  [[nodiscard]] Explained run() {
    while (chosen_.size() < options_.causes_max) {
      const std::size_t best = choose();
      if (best == admitted_.size()) break;
      take(best);
    }
    refit();
    drop_needless();
    Explained out;
    for (const Chosen& each : chosen_) out.causes.push_back(each.explanation);
    out.residual = std::move(residual_);
    return out;
  }

 private:
  // A candidate that passes the share rule at the beginning; counts only fall.
  struct Admitted {
    std::uint32_t candidate = 0;
    std::vector<std::uint32_t> items;
    double value = 0.0;
    double gain = 0.0;
    bool stale = true;
  };
  struct Chosen {
    std::size_t admitted = 0;
    Explanation explanation;
  };

  [[nodiscard]] double error_of(std::uint32_t item) const {
    return std::max(1e-9, static_cast<double>(problem_.items[item].error));
  }
  // With what the causes found so far may have done more or less to it than to others.
  [[nodiscard]] double blur_of(std::uint32_t item) const {
    return std::hypot(error_of(item), options_.relative_error * static_cast<double>(taken_[item]));
  }
  // Too much is accounted for by others to tell whether `value` more or less is there.
  [[nodiscard]] bool is_blurred(std::uint32_t item, double value) const {
    if (taken_[item] <= 0.0F) return false;
    return options_.saturates || 2.0 * blur_of(item) > 0.6 * value;
  }
  [[nodiscard]] bool abnormal(std::uint32_t item) const {
    const auto left = static_cast<double>(residual_[item]);
    return left > 2.0 * blur_of(item) && left > 0.5 * options_.value_min;
  }

  void admit_candidates() {
    std::vector<std::uint32_t> counts(problem_.candidates.size());
    for (std::uint32_t item = 0; item < residual_.size(); ++item) {
      if (!abnormal(item)) continue;
      for (std::uint32_t m = problem_.begin[item]; m < problem_.begin[item + 1]; ++m) {
        ++counts[problem_.members[m]];
      }
    }
    place_.assign(problem_.candidates.size(), kNone);
    for (std::uint32_t c = 0; c < counts.size(); ++c) {
      const double measured = problem_.candidates[c].measured;
      if (counts[c] == 0 || counts[c] < options_.share_min * measured) continue;
      place_[c] = static_cast<std::uint32_t>(admitted_.size());
      admitted_.push_back({c, {}, 0.0, 0.0, true});
    }
    for (std::uint32_t item = 0; item < residual_.size(); ++item) {
      for (std::uint32_t m = problem_.begin[item]; m < problem_.begin[item + 1]; ++m) {
        const std::uint32_t place = place_[problem_.members[m]];
        if (place != kNone) admitted_[place].items.push_back(item);
      }
    }
  }

  // Misfit in nats of a value that ought to be zero.
  static double misfit(double value, double error) {
    return std::min(kItemNats, value * value / (2.0 * error * error));
  }

  void assess(Admitted& admitted) const {
    admitted.stale = false;
    admitted.gain = -1.0;
    const ExplainCandidate& candidate = problem_.candidates[admitted.candidate];
    std::size_t measured = std::max<std::size_t>(candidate.measured, admitted.items.size());
    std::vector<float> values;
    values.reserve(admitted.items.size());
    for (const std::uint32_t item : admitted.items) {
      if (abnormal(item)) values.push_back(residual_[item]);
    }
    const std::size_t shows = values.size();
    if (shows < std::min<std::size_t>(2, candidate.measured) ||
        static_cast<double>(shows) < kPartMin * static_cast<double>(candidate.measured)) {
      return;
    }
    const double typical = ranked(values, values.size() / 2);
    for (const std::uint32_t item : admitted.items) {
      if (abnormal(item)) continue;
      if (is_blurred(item, typical)) {
        --measured;
      } else {
        values.push_back(std::max(0.0F, residual_[item]));
      }
    }
    if (static_cast<double>(shows) < options_.share_min * static_cast<double>(measured)) return;
    // The median over all measured ones: the others are zeros, below all that show.
    const std::size_t zeros = measured - values.size();
    const std::size_t at = measured / 2 - std::min(measured / 2, zeros);
    admitted.value = ranked(values, at);
    if (admitted.value < options_.value_min) return;
    admitted.gain = gain_of(admitted, admitted.value);
  }

  [[nodiscard]] double gain_of(const Admitted& admitted, double value) const {
    const ExplainCandidate& candidate = problem_.candidates[admitted.candidate];
    const double wobble = options_.relative_error * value;
    double gain = -static_cast<double>(candidate.price);
    for (const std::uint32_t item : admitted.items) {
      const auto left = static_cast<double>(residual_[item]);
      if (options_.saturates && taken_[item] > 0.0F) continue;
      const double error = std::hypot(blur_of(item), wobble);
      gain += misfit(left, error) - misfit(left - value, error);
    }
    const auto zeros = static_cast<double>(
        candidate.measured - std::min<std::size_t>(candidate.measured, admitted.items.size()));
    return gain - zeros * misfit(value, std::hypot(options_.normal_error, wobble));
  }

  // The place of the best candidate; admitted_.size() where none gains.
  [[nodiscard]] std::size_t choose() {
    std::size_t best = admitted_.size();
    double best_gain = 0.0;
    for (std::size_t i = 0; i < admitted_.size(); ++i) {
      if (admitted_[i].stale) assess(admitted_[i]);
      if (admitted_[i].gain > best_gain) {
        best = i;
        best_gain = admitted_[i].gain;
      }
    }
    return best;
  }

  void take(std::size_t place) {
    Admitted& admitted = admitted_[place];
    Chosen chosen{place, {admitted.candidate, admitted.value, admitted.gain, 0, {}}};
    for (const std::uint32_t item : admitted.items) {
      chosen.explanation.items += abnormal(item) ? 1U : 0U;
    }
    note_alternatives(chosen);
    spread(admitted, -admitted.value);
    admitted.gain = -1.0;
    chosen_.push_back(std::move(chosen));
  }

  void note_alternatives(Chosen& chosen) const {
    std::vector<Alternative>& others = chosen.explanation.alternatives;
    for (std::size_t i = 0; i < admitted_.size(); ++i) {
      if (i == chosen.admitted || admitted_[i].gain <= 0.0) continue;
      if (!overlaps(admitted_[i], admitted_[chosen.admitted])) continue;
      others.push_back({admitted_[i].candidate, admitted_[i].gain});
    }
    const std::size_t kept = std::min(others.size(), kAlternativesMax);
    std::partial_sort(others.begin(), others.begin() + static_cast<std::ptrdiff_t>(kept),
                      others.end(), [](const Alternative& a, const Alternative& b) {
                        return a.gain != b.gain ? a.gain > b.gain : a.candidate < b.candidate;
                      });
    others.resize(kept);
  }

  // Both lists are in order of items.
  static bool overlaps(const Admitted& a, const Admitted& b) {
    auto left = a.items.begin();
    auto right = b.items.begin();
    while (left != a.items.end() && right != b.items.end()) {
      if (*left == *right) return true;
      *left < *right ? ++left : ++right;
    }
    return false;
  }

  void spread(const Admitted& admitted, double by) {
    for (const std::uint32_t item : admitted.items) {
      residual_[item] += static_cast<float>(by);
      taken_[item] -= static_cast<float>(by);
      for (std::uint32_t m = problem_.begin[item]; m < problem_.begin[item + 1]; ++m) {
        const std::uint32_t place = place_[problem_.members[m]];
        if (place != kNone) admitted_[place].stale = true;
      }
    }
  }

  // All strengths together. The measured normal items of a cause are left out: the share rule and
  // the gain have weighed them.
  void refit() {
    if (chosen_.size() < 2) return;
    std::vector<std::vector<std::uint32_t>> unknowns(residual_.size());
    for (std::uint32_t k = 0; k < chosen_.size(); ++k) {
      for (const std::uint32_t item : admitted_[chosen_[k].admitted].items) {
        unknowns[item].push_back(k);
      }
    }
    std::vector<Observation> observations;
    for (std::uint32_t item = 0; item < residual_.size(); ++item) {
      if (unknowns[item].empty()) continue;
      const auto value = static_cast<double>(problem_.items[item].value);
      // What no sum of strengths accounts for has a cause of its own.
      const double error = std::hypot(error_of(item), options_.relative_error * value);
      if (misfit(static_cast<double>(residual_[item]), error) >= kItemNats) continue;
      observations.push_back({std::move(unknowns[item]), value, error});
    }
    const std::vector<double> values = solve_nonnegative(chosen_.size(), observations, 0.0);
    for (std::size_t k = 0; k < chosen_.size(); ++k) {
      double& value = chosen_[k].explanation.value;
      if (values[k] < 0.5 * value) continue;  // bent by neighbours: the median was better
      spread(admitted_[chosen_[k].admitted], value - values[k]);
      value = values[k];
    }
  }

  void drop_needless() {
    for (std::size_t k = chosen_.size(); k-- > 0;) {
      const Admitted& admitted = admitted_[chosen_[k].admitted];
      const double value = chosen_[k].explanation.value;
      spread(admitted, value);
      if (value >= options_.value_min && gain_of(admitted, value) > 0.0) {
        spread(admitted, -value);
      } else {
        chosen_.erase(chosen_.begin() + static_cast<std::ptrdiff_t>(k));
      }
    }
  }

  const ExplainProblem& problem_;
  const ExplainOptions& options_;
  std::vector<float> residual_;
  std::vector<float> taken_;          // by the causes chosen
  std::vector<std::uint32_t> place_;  // of a candidate among the admitted
  std::vector<Admitted> admitted_;
  std::vector<Chosen> chosen_;
};

}  // namespace

Explained explain(const ExplainProblem& problem, const ExplainOptions& options) {
  return Explainer(problem, options).run();
}

}  // namespace linkpilot::optimizer
