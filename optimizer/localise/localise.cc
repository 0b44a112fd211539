#include "optimizer/localise/localise.h"

#include <algorithm>
#include <utility>

#include "optimizer/localise/link_causes.h"
#include "optimizer/localise/service_causes.h"

namespace linkpilot::optimizer {

namespace {

// Nats for an agent that others cannot doubt: it says it is sick, or it is not heard.
constexpr double kOwnWord = 20.0;
constexpr double kNatsPerPeer = 6.0;

bool collector_is_cut_off(const Evidence& evidence, const LocaliseOptions& options) {
  // Silent agents whose peers are heard and do not reach them either are not the collector's doing.
  std::vector<bool> unreached(evidence.agents.size());
  for (const LinkFinding& finding : evidence.findings) {
    const std::uint16_t from = evidence.shape.ends[finding.from].node;
    const std::uint16_t to = evidence.shape.ends[finding.to].node;
    const bool near = evidence.agents[from].heard && finding.near.known && finding.near.dead;
    const bool far = evidence.agents[to].heard && finding.far.known && finding.far.dead;
    if (near) unreached[to] = true;
    if (far) unreached[from] = true;
  }
  std::size_t enrolled = 0;
  std::size_t silent = 0;
  for (std::size_t node = 0; node < evidence.agents.size(); ++node) {
    const AgentEvidence& agent = evidence.agents[node];
    if (!agent.enrolled || (!agent.heard && unreached[node])) continue;
    ++enrolled;
    silent += agent.heard ? 0U : 1U;
  }
  return silent >= options.silent_min &&
         static_cast<double>(silent) >= options.silent_share * static_cast<double>(enrolled);
}

Cause agent_cause(std::size_t node, double gain, std::uint32_t shows, std::uint32_t measured) {
  Cause cause;
  cause.id = {CauseKind::agent, static_cast<std::uint32_t>(node)};
  cause.gain = gain;
  cause.shows = shows;
  cause.measured = measured;
  return cause;
}

// A node of which nothing answers though its service does has lost its agent only.
void tell_agents_from_nodes(std::map<CauseId, Cause>& causes, const std::vector<bool>& serving) {
  std::vector<Cause> agents;
  for (auto each = causes.begin(); each != causes.end();) {
    const bool agent =
        each->first.kind == CauseKind::node && each->second.effect.dead && serving[each->first.a];
    if (agent) {
      agents.push_back(std::move(each->second));
      agents.back().id = {CauseKind::agent, each->first.a};
    }
    each = agent ? causes.erase(each) : std::next(each);
  }
  for (Cause& cause : agents) {
    const CauseId id = cause.id;
    causes.insert_or_assign(id, std::move(cause));
  }
}

// One thing that loses both ways and is slow one way is one cause.
void join_directions(std::map<CauseId, Cause>& causes) {
  for (auto each = causes.begin(); each != causes.end();) {
    const CauseId& id = each->first;
    CauseId whole = id;
    whole.both_ways = true;
    if (id.kind == CauseKind::node || id.kind == CauseKind::port) whole.b = 0;
    if (id.kind == CauseKind::region_pair || id.kind == CauseKind::isp_pair ||
        id.kind == CauseKind::link) {
      whole.a = std::min(id.a, id.b);
      whole.b = std::max(id.a, id.b);
    }
    const auto found = id.both_ways ? causes.end() : causes.find(whole);
    if (found == causes.end()) {
      ++each;
      continue;
    }
    CauseEffect& effect = found->second.effect;
    const CauseEffect& more = each->second.effect;
    effect.dead = effect.dead || more.dead;
    effect.loss = std::max(effect.loss, more.loss);
    effect.delay_ms = std::max(effect.delay_ms, more.delay_ms);
    each = causes.erase(each);
  }
}

}  // namespace

std::string_view to_string(CauseKind kind) {
  switch (kind) {
    case CauseKind::agent:
      return "agent";
    case CauseKind::node:
      return "node";
    case CauseKind::edge_service:
      return "edge_service";
    case CauseKind::link:
      return "link";
    case CauseKind::region_pair:
      return "region_pair";
    case CauseKind::isp_pair:
      return "isp_pair";
    case CauseKind::region_cut:
      return "region_cut";
    case CauseKind::hop:
      return "hop";
    case CauseKind::relay_push:
      return "relay_push";
    case CauseKind::stream:
      return "stream";
    case CauseKind::vendor:
      return "vendor";
    case CauseKind::collector:
      return "collector";
    case CauseKind::port:
      return "port";
  }
  return "";
}

Diagnosis localise(const Evidence& evidence, const LocaliseOptions& options) {
  Diagnosis out;
  if (collector_is_cut_off(evidence, options)) {
    Cause cause;
    cause.id.kind = CauseKind::collector;
    cause.gain = kOwnWord;
    out.causes.push_back(std::move(cause));
    out.causes_total = 1;
    return out;
  }
  const Credibility credibility = judge_credibility(evidence, options.credibility);
  LinkCauses links = explain_links(evidence, credibility, options);
  out.questions = std::move(links.questions);
  out.doubtful = links.doubtful;
  std::map<CauseId, Cause>& causes = links.causes;
  join_directions(causes);
  tell_agents_from_nodes(causes, serving_nodes(evidence, credibility, options));
  const DeadNetwork dead(evidence, causes);
  for (Cause& cause : explain_dials(evidence, credibility, dead, options)) {
    const CauseId id = cause.id;
    causes.emplace(id, std::move(cause));
  }

  for (std::size_t i = 0; i < credibility.caught.size(); ++i) {
    const Cause cause =
        agent_cause(credibility.caught[i], kNatsPerPeer * credibility.caught_by[i],
                    credibility.caught_by[i], evidence.coverage.out_of_node(credibility.caught[i]));
    causes.emplace(cause.id, cause);
  }
  for (std::uint16_t node = 0; node < evidence.agents.size(); ++node) {
    const AgentEvidence& agent = evidence.agents[node];
    if (!agent.enrolled) continue;
    const bool excused = dead.node(node) || dead.cut(node);
    if (agent.credible && (agent.heard || excused)) continue;
    if (!agent.heard && excused) continue;
    const Cause cause = agent_cause(node, kOwnWord, 1, 1);
    causes.emplace(cause.id, cause);
  }

  out.causes_total = static_cast<std::uint32_t>(causes.size());
  for (auto& [id, cause] : causes) out.causes.push_back(std::move(cause));
  std::stable_sort(out.causes.begin(), out.causes.end(),
                   [](const Cause& a, const Cause& b) { return a.gain > b.gain; });
  if (out.causes.size() > kDiagnosisCausesMax) out.causes.resize(kDiagnosisCausesMax);
  return out;
}

}  // namespace linkpilot::optimizer
