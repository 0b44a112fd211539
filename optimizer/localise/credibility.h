// Which agents to believe. Every direction of a link is measured by both its ends, with probes of
// their own, so a lie contradicts the other end. The fewest agents that account for the
// contradictions are taken for sick (greedy vertex cover); a contradiction of a single pair names
// nobody and stays a doubt. Agents that say of themselves that they are sick are not believed
// either. Pure.
#pragma once

#include <cstdint>
#include <vector>

#include "optimizer/localise/evidence.h"

namespace linkpilot::optimizer {

struct CredibilityOptions {
  // Two ends contradict each other where their words differ by more than all of these.
  double loss_apart = 0.015;
  double delay_apart_ms = 8.0;
  double errors_apart = 4.0;    // standard errors of the difference
  double relative_apart = 0.4;  // of the larger word
  // An agent is sick that contradicts so many peers that are not sick themselves.
  std::uint32_t peers_min = 3;
  double peers_share = 0.03;
};

struct Credibility {
  std::vector<bool> believed;            // by node
  std::vector<std::uint16_t> caught;     // nodes found out by their peers, worst first
  std::vector<std::uint32_t> caught_by;  // so many peers contradict each
};

[[nodiscard]] bool contradict(const DirectionClaim& near, const DirectionClaim& far,
                              const CredibilityOptions& options);
[[nodiscard]] Credibility judge_credibility(const Evidence& evidence,
                                            const CredibilityOptions& options);

}  // namespace linkpilot::optimizer
