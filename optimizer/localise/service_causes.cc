#include "optimizer/localise/service_causes.h"

#include <algorithm>
#include <cmath>
#include <map>

#include "optimizer/localise/explain.h"

namespace linkpilot::optimizer {

namespace {

constexpr float kFails = 1.0F;
constexpr float kFailsError = 0.25F;
constexpr std::uint16_t kDialsMin = 2;

enum class DialWord : std::uint8_t { works, unopened, missing };

DialWord word_of(const DialEvidence& dial, const LocaliseOptions& options) {
  const double bad = static_cast<double>(dial.unopened) + dial.missing;
  if (bad < options.dial_share * dial.attempts) return DialWord::works;
  return dial.unopened >= dial.missing ? DialWord::unopened : DialWord::missing;
}

bool excused(const DialEvidence& dial, const Credibility& credibility, const DeadNetwork& dead) {
  if (dial.attempts == 0 || !credibility.believed[dial.prober] || dead.node(dial.prober)) {
    return true;
  }
  for (std::size_t i = 0; i < dial.path.size(); ++i) {
    if (dead.node(dial.path[i])) return true;
    if (i > 0 && dead.between(dial.path[i - 1], dial.path[i])) return true;
  }
  return dial.vendor == kNoVendor && !dial.path.empty() &&
         dead.between(dial.prober, dial.path.back());
}

// Calls visit(cause, shows): every cause that lies on the dial's way, and whether a failure of this
// word is of its making.
template <typename Visit>
void for_each_service(const DialEvidence& dial, DialWord word, Visit&& visit) {
  const bool of_vendor = dial.vendor != kNoVendor;
  visit(CauseId{CauseKind::agent, dial.prober}, word != DialWord::works);
  if (of_vendor) visit(CauseId{CauseKind::vendor, dial.vendor}, word != DialWord::works);
  if (!of_vendor && !dial.path.empty()) {
    visit(CauseId{CauseKind::edge_service, dial.path.back()}, word == DialWord::unopened);
  }
  // Where nothing opened, nobody knows what stood behind it.
  if (word == DialWord::unopened) return;
  const bool missing = word == DialWord::missing;
  visit(CauseId{CauseKind::stream, dial.stream}, missing);
  for (std::size_t i = 0; i < dial.path.size(); ++i) {
    if (i > 0) visit(CauseId{CauseKind::relay_push, dial.path[i - 1], dial.path[i]}, missing);
    const bool upstream = of_vendor || i + 1 < dial.path.size();
    if (upstream) visit(CauseId{CauseKind::edge_service, dial.path[i]}, missing);
  }
}

}  // namespace

DeadNetwork::DeadNetwork(const Evidence& evidence, const std::map<CauseId, Cause>& causes)
    : nodes_(evidence.shape.nodes),
      regions_(evidence.shape.nodes),
      isps_(evidence.shape.nodes),
      cut_(evidence.shape.regions),
      links_(nodes_.size() * nodes_.size()) {
  for (const FleetEnd& end : evidence.shape.ends) {
    regions_[end.node] = end.region;
    isps_[end.node] = end.isp;
  }
  const auto kill = [this](std::size_t a, std::size_t b) {
    links_[a * nodes_.size() + b] = links_[b * nodes_.size() + a] = true;
  };
  for (const auto& [id, cause] : causes) {
    if (!cause.effect.dead) continue;
    if (id.kind == CauseKind::node) nodes_[id.a] = true;
    if (id.kind == CauseKind::region_cut) cut_[id.a] = true;
    if (id.kind == CauseKind::region_pair || id.kind == CauseKind::isp_pair) pairs_.push_back(id);
    if (id.kind == CauseKind::link) {
      kill(evidence.shape.ends[id.a].node, evidence.shape.ends[id.b].node);
    }
    if (id.kind != CauseKind::hop) continue;
    for (const SharedHop::Link& link : evidence.hops[id.a].links) {
      kill(evidence.shape.ends[link.from].node, evidence.shape.ends[link.to].node);
    }
  }
}

bool DeadNetwork::between(std::uint16_t a, std::uint16_t b) const {
  if (a == b) return nodes_[a];
  if (nodes_[a] || nodes_[b] || links_[std::size_t{a} * nodes_.size() + b]) return true;
  if (regions_[a] != regions_[b] && (cut_[regions_[a]] || cut_[regions_[b]])) return true;
  return std::any_of(pairs_.begin(), pairs_.end(), [&](const CauseId& pair) {
    const auto& of = pair.kind == CauseKind::region_pair ? regions_ : isps_;
    return std::minmax<std::uint32_t>(of[a], of[b]) == std::minmax(pair.a, pair.b);
  });
}

std::vector<bool> serving_nodes(const Evidence& evidence, const Credibility& credibility,
                                const LocaliseOptions& options) {
  std::vector<std::uint16_t> served(evidence.shape.nodes);
  for (const DialEvidence& dial : evidence.dials) {
    if (dial.vendor != kNoVendor || dial.path.empty() || dial.path.back() == dial.prober) continue;
    if (!credibility.believed[dial.prober]) continue;
    // It need not have the stream: it answers.
    if (word_of(dial, options) != DialWord::unopened && dial.attempts > 0) {
      ++served[dial.path.back()];
    }
  }
  std::vector<bool> out(served.size());
  std::transform(served.begin(), served.end(), out.begin(),
                 [](std::uint16_t count) { return count >= kDialsMin; });
  return out;
}

std::vector<Cause> explain_dials(const Evidence& evidence, const Credibility& credibility,
                                 const DeadNetwork& dead, const LocaliseOptions& options) {
  ExplainProblem problem;
  std::map<CauseId, std::uint32_t> numbers;
  std::vector<CauseId> ids;
  for (const DialEvidence& dial : evidence.dials) {
    if (excused(dial, credibility, dead)) continue;
    const DialWord word = word_of(dial, options);
    if (word != DialWord::works) {
      problem.items.push_back({kFails, kFailsError});
      problem.begin.push_back(static_cast<std::uint32_t>(problem.members.size()));
    }
    for_each_service(dial, word, [&](const CauseId& id, bool shows) {
      const auto [place, added] = numbers.emplace(id, static_cast<std::uint32_t>(ids.size()));
      if (added) {
        ids.push_back(id);
        problem.candidates.push_back({0, static_cast<float>(options.price_service)});
      }
      ++problem.candidates[place->second].measured;
      if (shows) problem.members.push_back(place->second);
    });
  }
  problem.begin.push_back(static_cast<std::uint32_t>(problem.members.size()));
  if (problem.items.empty()) return {};
  ExplainOptions how;
  how.share_min = options.share_min;
  how.value_min = 0.5 * static_cast<double>(kFails);
  how.relative_error = 0.0;
  how.normal_error = static_cast<double>(kFailsError);
  how.saturates = true;
  std::vector<Cause> causes;
  for (const Explanation& each : explain(problem, how).causes) {
    if (each.items < kDialsMin) continue;  // one failed dial is weather
    Cause cause;
    cause.id = ids[each.candidate];
    cause.effect.failing = 1.0;
    cause.gain = each.gain;
    cause.shows = each.items;
    cause.measured = problem.candidates[each.candidate].measured;
    double sum = 1.0;
    for (const Alternative& other : each.alternatives) sum += std::exp(other.gain - each.gain);
    cause.confidence = 1.0 / sum;
    for (const Alternative& other : each.alternatives) {
      cause.alternatives.push_back({ids[other.candidate], std::exp(other.gain - each.gain) / sum});
    }
    causes.push_back(std::move(cause));
  }
  return causes;
}

}  // namespace linkpilot::optimizer
