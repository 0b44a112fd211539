#include "optimizer/localise/credibility.h"

#include <algorithm>
#include <cmath>
#include <queue>
#include <utility>

namespace linkpilot::optimizer {

namespace {

// Where no evidence gathered, the share lost is known to be small, not to be zero.
constexpr double kLossErrorMin = 0.004;
constexpr double kDelayErrorMin = 1.0;

struct Word {
  double value = 0.0;
  double error = 0.0;
};

bool far_apart(Word a, Word b, double apart, const CredibilityOptions& options) {
  const double difference = std::abs(a.value - b.value);
  return difference > apart && difference > options.errors_apart * std::hypot(a.error, b.error) &&
         difference > options.relative_apart * std::max(a.value, b.value);
}

Word loss_of(const DirectionClaim& claim) {
  return {static_cast<double>(claim.loss),
          std::max(kLossErrorMin, static_cast<double>(claim.loss_error))};
}

Word delay_of(const DirectionClaim& claim) {
  return {static_cast<double>(claim.delay_ms),
          std::max(kDelayErrorMin, static_cast<double>(claim.delay_error_ms))};
}

// The pairs of nodes whose ends contradict each other, each once per node.
std::vector<std::vector<std::uint16_t>> contradicting_peers(const Evidence& evidence,
                                                            const CredibilityOptions& options) {
  std::vector<std::vector<std::uint16_t>> peers(evidence.shape.nodes);
  for (const LinkFinding& finding : evidence.findings) {
    if (!contradict(finding.near, finding.far, options)) continue;
    const std::uint16_t from = evidence.shape.ends[finding.from].node;
    const std::uint16_t to = evidence.shape.ends[finding.to].node;
    peers[from].push_back(to);
    peers[to].push_back(from);
  }
  for (std::vector<std::uint16_t>& each : peers) {
    std::sort(each.begin(), each.end());
    each.erase(std::unique(each.begin(), each.end()), each.end());
  }
  return peers;
}

}  // namespace

bool contradict(const DirectionClaim& near, const DirectionClaim& far,
                const CredibilityOptions& options) {
  if (!near.known || !far.known) return false;
  if (near.dead != far.dead) return true;
  if (near.dead) return false;
  return far_apart(loss_of(near), loss_of(far), options.loss_apart, options) ||
         far_apart(delay_of(near), delay_of(far), options.delay_apart_ms, options);
}

Credibility judge_credibility(const Evidence& evidence, const CredibilityOptions& options) {
  const std::size_t nodes = evidence.shape.nodes;
  Credibility out;
  out.believed.resize(nodes);
  const std::vector<std::vector<std::uint16_t>> peers = contradicting_peers(evidence, options);
  std::vector<std::uint32_t> left(nodes);
  std::vector<bool> settled(nodes);  // their contradictions are accounted for
  for (std::size_t node = 0; node < nodes; ++node) {
    out.believed[node] = evidence.agents[node].credible && evidence.agents[node].enrolled;
    settled[node] = !out.believed[node];
  }
  for (std::size_t node = 0; node < nodes; ++node) {
    left[node] = static_cast<std::uint32_t>(
        std::count_if(peers[node].begin(), peers[node].end(),
                      [&settled](std::uint16_t peer) { return !settled[peer]; }));
  }
  const auto enough = [&](std::size_t node) {
    const double measured =
        std::max(evidence.coverage.out_of_node(node), evidence.coverage.into_node(node));
    return left[node] >= options.peers_min && left[node] >= options.peers_share * measured;
  };
  for (;;) {
    std::size_t worst = nodes;
    for (std::size_t node = 0; node < nodes; ++node) {
      if (settled[node] || !enough(node)) continue;
      if (worst == nodes || left[node] > left[worst]) worst = node;
    }
    if (worst == nodes) break;
    settled[worst] = true;
    out.believed[worst] = false;
    out.caught.push_back(static_cast<std::uint16_t>(worst));
    out.caught_by.push_back(left[worst]);
    for (const std::uint16_t peer : peers[worst]) {
      if (!settled[peer] && left[peer] > 0) --left[peer];
    }
  }
  return out;
}

}  // namespace linkpilot::optimizer
