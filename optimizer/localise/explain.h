// explain: the fewest candidate causes that account for a set of abnormal observations. The one
// engine of the localiser, for links and for dials alike: it knows items, candidates and which item
// belongs to which candidate, and nothing of networks. Pure; deterministic.
//
// Greedy over the gain in clipped log-likelihood less a price per cause (set cover with priors, as
// Flock (CoNEXT 2023) and boolean tomography do), with three guards:
// - a candidate of several items must show on at least `share_min` of all its *measured* items,
//   normal ones included (the share rule of BlameIt, SIGCOMM 2019): one bad link is no bad node;
// - no item counts more than kItemNats, so that no single item carries a group;
// - the strength of a candidate is the median over its measured items, so that other causes on a
//   minority of them do not bend it. Afterwards all strengths are solved together, non-negative,
//   and what is not needed any more is dropped.
// Effects of causes on one item add up: use -ln(1-p) for shares lost.
//
// Cost O(memberships) plus O(items of candidates that pass the share rule) a cause found.
#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

namespace linkpilot::optimizer {

struct ExplainItem {
  float value = 0.0F;  // abnormal by so much, above 0
  float error = 1.0F;  // standard error, above 0
};

struct ExplainCandidate {
  std::uint32_t measured = 0;  // items that it would show on, normal ones included
  float price = 0.0F;          // nats
};

struct ExplainProblem {
  std::vector<ExplainItem> items;
  // members[begin[i] .. begin[i + 1]): candidates of item i.
  std::vector<std::uint32_t> begin;
  std::vector<std::uint32_t> members;
  std::vector<ExplainCandidate> candidates;
};

struct ExplainOptions {
  double share_min = 0.75;
  double value_min = 0.0;       // weaker causes are not told
  double relative_error = 0.2;  // causes do not show on all their items alike
  double normal_error = 1.0;    // of an item that is not in the list, whose value is zero
  // One cause is all that an item can show (dead is dead): what is accounted for already speaks
  // neither for nor against another.
  bool saturates = false;
  std::size_t causes_max = 48;
};

struct Alternative {
  std::uint32_t candidate = 0;
  double gain = 0.0;  // nats, less its price, when the cause was chosen
};

struct Explanation {
  std::uint32_t candidate = 0;
  double value = 0.0;
  double gain = 0.0;
  std::uint32_t items = 0;                // abnormal ones that it accounts for
  std::vector<Alternative> alternatives;  // next best then, at most kAlternativesMax
};

inline constexpr double kItemNats = 12.0;
inline constexpr std::size_t kAlternativesMax = 3;

struct Explained {
  std::vector<Explanation> causes;
  std::vector<float> residual;  // of each item, after all causes
};

[[nodiscard]] Explained explain(const ExplainProblem& problem, const ExplainOptions& options);

}  // namespace linkpilot::optimizer
