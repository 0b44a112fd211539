#include "collector/hand/hand_effect.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>

#include "collector/ingest/link_text.h"

namespace linkpilot::collector {

namespace {

NodeId id_of(const Agents& agents, const std::string& name) {
  for (const auto& [id, agent] : agents) {
    if (agent.name == name) return id;
  }
  return NodeId{};
}

std::string region_of(const Agents& agents, NodeId node) {
  const auto found = agents.find(node);
  if (found == agents.end() || !found->second.profile) return "";
  return found->second.profile->region;
}

std::string name_of(const Agents& agents, NodeId node) {
  const auto found = agents.find(node);
  return found == agents.end() ? fmt::format("#{}", node.value) : found->second.name;
}

// The relays of the best path that the table of `from` pushes to `to`; false: no route.
bool best_relays(const HandFacts& facts, NodeId from, NodeId to, std::vector<std::string>& relays) {
  const auto table = facts.tables.find(from);
  if (table == facts.tables.end()) return false;
  for (const Route& route : table->second.table->routes) {
    if (route.target != to || route.direction != Direction::push || route.candidates.empty()) {
      continue;
    }
    const std::vector<Hop>& hops = route.candidates.front().hops;
    for (std::size_t i = 0; i + 1 < hops.size(); ++i) {
      relays.push_back(name_of(facts.agents, hops[i].node));
    }
    return true;
  }
  return false;
}

std::string pin_effect(const Override& pin, const std::vector<Override>& all,
                       const HandFacts& facts) {
  const NodeId from = id_of(facts.agents, pin.node);
  const NodeId to = id_of(facts.agents, pin.target);
  std::vector<std::string> relays;
  const bool routed = best_relays(facts, from, to, relays);
  if (routed && relays == pin.via) return "followed";
  std::string near = pin.node;
  for (std::size_t i = 0; i <= pin.via.size(); ++i) {
    const std::string& far = i < pin.via.size() ? pin.via[i] : pin.target;
    const std::string trouble = pair_trouble(facts.agents, facts.beliefs, near, far);
    if (!trouble.empty()) return "not followed: " + trouble;
    near = far;
  }
  for (const Override& over : all) {
    if (over.kind == HandKind::drain &&
        std::find(pin.via.begin(), pin.via.end(), over.node) != pin.via.end()) {
      return fmt::format("not followed: {} is drained", over.node);
    }
    if (over.kind == HandKind::freeze || over.kind == HandKind::rollback) {
      return fmt::format("not followed: routes are frozen ({} by {})", describe(over), over.author);
    }
  }
  return routed ? "not yet followed" : "not followed: there is no route now";
}

}  // namespace

std::string pair_trouble(const Agents& agents, const std::vector<optimizer::LinkBelief>& beliefs,
                         const std::string& from, const std::string& to) {
  const NodeId a = id_of(agents, from);
  const NodeId b = id_of(agents, to);
  for (const auto& [id, name] : {std::pair{a, from}, std::pair{b, to}}) {
    const auto agent = agents.find(id);
    if (agent == agents.end() || !agent->second.enrolled)
      return fmt::format("{} is not enrolled", name);
    if (agent->second.dead) return fmt::format("{} is dead ({})", name, agent->second.dead_reason);
  }
  std::string why = fmt::format("no link from {} to {} is measured", from, to);
  for (const optimizer::LinkBelief& belief : beliefs) {
    if (belief.link.from.node != a || belief.link.to.node != b) continue;
    if (belief.usable()) return "";
    const std::string link = link_text(belief.link, agents);
    why = belief.state == LinkState::dead ? fmt::format("the link {} is dead", link)
          : belief.stale                  ? fmt::format("nothing is heard of the link {}", link)
                                          : fmt::format("the link {} is not measured yet", link);
  }
  return why;
}

DrainProgress drain_progress(const HandFacts& facts, const std::string& node) {
  DrainProgress progress;
  const NodeId relay = id_of(facts.agents, node);
  for (const auto& [id, published] : facts.tables) {
    for (const Route& route : published.table->routes) {
      const bool relayed = std::any_of(
          route.candidates.begin(), route.candidates.end(), [&](const CandidatePath& path) {
            return std::any_of(path.hops.begin(), path.hops.end() - 1,
                               [&](const Hop& hop) { return hop.node == relay; });
          });
      progress.relayed_routes += relayed ? 1 : 0;
    }
    const auto agent = facts.agents.find(id);
    if (agent == facts.agents.end() || !agent->second.heard()) continue;
    if (agent->second.table.loaded != published.table->version) {
      progress.waiting_for.push_back(agent->second.name);
    }
  }
  return progress;
}

std::string effect_of(const Override& over, const std::vector<Override>& all,
                      const HandFacts& facts) {
  switch (over.kind) {
    case HandKind::drain: {
      const DrainProgress progress = drain_progress(facts, over.node);
      if (progress.done()) return "drained: no table in use relays by it";
      if (progress.relayed_routes > 0) {
        return fmt::format("draining: {} routes still name it as a relay", progress.relayed_routes);
      }
      return fmt::format("draining: {} have not loaded their newest table",
                         fmt::join(progress.waiting_for, ", "));
    }
    case HandKind::pin:
      return pin_effect(over, all, facts);
    case HandKind::freeze:
    case HandKind::rollback:
      return "no route changes; nodes still skip a dead first hop by themselves";
    case HandKind::auto_off:
      return "routes stay until their path dies; then the second in the table, else the best left";
  }
  return "";
}

std::vector<std::string> hand_on_route(const std::vector<Override>& all, const HandFacts& facts,
                                       NodeId media_from, NodeId media_to) {
  std::vector<std::string> out;
  const std::string from = name_of(facts.agents, media_from);
  const std::string to = name_of(facts.agents, media_to);
  for (const Override& over : all) {
    const bool pins = over.kind == HandKind::pin && over.node == from && over.target == to;
    const bool holds = over.kind == HandKind::auto_off &&
                       (over.region.empty() || over.region == region_of(facts.agents, media_from) ||
                        over.region == region_of(facts.agents, media_to));
    const bool freezes = over.kind == HandKind::freeze || over.kind == HandKind::rollback;
    const bool drains = over.kind == HandKind::drain && over.node != from && over.node != to;
    if (!pins && !holds && !freezes && !drains) continue;
    std::string text = fmt::format("{} by {} until {} ({})", describe(over), over.author,
                                   format_utc(over.expires), over.reason);
    if (pins) text += ": " + pin_effect(over, all, facts);
    out.push_back(std::move(text));
  }
  return out;
}

}  // namespace linkpilot::collector
