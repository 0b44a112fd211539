#include "collector/faults/fault_judge.h"

#include <algorithm>

#include "collector/faults/describe.h"

namespace linkpilot::collector {

namespace {

DirectionTotals totals_of(LinkId link, const LinkHistories& histories) {
  DirectionTotals totals;
  if (const LinkHistory* near = histories.find(link)) {
    totals.sent += static_cast<double>(near->sent);
    totals.lost +=
        static_cast<double>(near->lost_forward) + 0.5 * static_cast<double>(near->lost_unplaced);
  }
  if (const LinkHistory* far = histories.find(link.reversed())) {
    const double unplaced = 0.5 * static_cast<double>(far->lost_unplaced);
    // Only what reached the reflector came back over this direction.
    totals.sent +=
        static_cast<double>(far->sent) - static_cast<double>(far->lost_forward) - unplaced;
    totals.lost += static_cast<double>(far->lost_backward) + unplaced;
  }
  return totals;
}

bool is_up(NodeId node, const NodeTable& nodes) {
  const auto found = nodes.find(node);
  return found != nodes.end() && found->second.enrolled && !found->second.dead;
}

}  // namespace

FaultJudge::FaultJudge(FaultRules rules, std::vector<Fault> open) : rules_(rules) {
  for (Fault& fault : open) {
    std::string key = fault.key;
    Open& kept = open_[std::move(key)];
    kept.fault = std::move(fault);
    kept.resumed = true;
  }
}

Duration FaultJudge::patience(FaultGrade grade) const {
  return grade == FaultGrade::dead ? rules_.dead_patience : rules_.degraded_patience;
}

std::vector<Fault> FaultJudge::open() const {
  std::vector<Fault> faults;
  for (const auto& [key, each] : open_) faults.push_back(each.fault);
  return faults;
}

void FaultJudge::note_routes(const Fault& fault) {
  const auto found = open_.find(fault.key);
  if (found == open_.end()) return;
  found->second.fault.routes = fault.routes;
  found->second.fault.routes_total = fault.routes_total;
}

// What was usual of a degraded link before the restart is usual still.
void FaultJudge::resume_links() {
  for (auto& [key, each] : open_) {
    if (!std::exchange(each.resumed, false)) continue;
    for (const FaultLink& link : each.fault.links) {
      if (link.grade != FaultGrade::degraded) continue;
      watches_[link.link].resume(link.rtt_ms_before, link.loss_ratio_before);
    }
  }
}

std::vector<LookedLink> FaultJudge::look_at_links(const FleetFacts& facts, Now now) {
  std::vector<LookedLink> looked;
  looked.reserve(facts.links.size());
  for (const optimizer::LinkBelief& belief : facts.links) {
    LinkWatch& watch = watches_[belief.link];
    watch.look(belief, totals_of(belief.link, facts.histories), rules_, now);
    if (!is_up(belief.link.from.node, facts.nodes) || !is_up(belief.link.to.node, facts.nodes)) {
      watch.excuse();
      continue;
    }
    looked.push_back({belief.link, &watch});  // maps move no values
  }
  if (watches_.size() > 2 * facts.links.size() + 64) {
    std::unordered_map<LinkId, LinkWatch> kept;
    for (const optimizer::LinkBelief& belief : facts.links) {
      kept.insert(watches_.extract(belief.link));
    }
    watches_ = std::move(kept);
  }
  return looked;
}

void FaultJudge::note_dead_nodes(const NodeTable& nodes, Now now) {
  std::erase_if(dead_since_, [&](const auto& dead) {
    const auto found = nodes.find(dead.first);
    return found == nodes.end() || !found->second.enrolled || !found->second.dead;
  });
  for (const auto& [id, node] : nodes) {
    if (node.enrolled && node.dead) dead_since_.emplace(id, now);
  }
}

std::vector<FaultChange> FaultJudge::look(const FleetFacts& facts, Now now) {
  resume_links();
  const std::vector<LookedLink> links = look_at_links(facts, now);
  note_dead_nodes(facts.nodes, now);
  KnownFaults known;
  for (const auto& [key, each] : open_) known.by_key.emplace(key, &each.fault);
  const Causes causes = find_causes(facts.nodes, dead_since_, links, known);
  std::vector<FaultChange> changes;
  review(facts, causes, links, now, changes);
  open_new(facts, causes, now, changes);
  return changes;
}

FaultJudge::Standing FaultJudge::standing_of_node(NodeId node, std::optional<PortIndex> port,
                                                  const NodeTable& nodes,
                                                  const std::vector<LookedLink>& links) const {
  const auto found = nodes.find(node);
  if (found == nodes.end() || !found->second.enrolled) return Standing::left;
  if (found->second.dead) return Standing::bad;
  if (!found->second.heard) return Standing::unknown;
  bool fine = false;
  for (const LookedLink& link : links) {
    const bool from = link.link.from.node == node && (!port || link.link.from.port == *port);
    const bool to = link.link.to.node == node && (!port || link.link.to.port == *port);
    if (!from && !to) continue;
    if (link.bad()) return Standing::bad;
    fine = fine || link.watch->health() == LinkHealth::fine;
  }
  return fine ? Standing::good : Standing::unknown;
}

FaultJudge::Standing FaultJudge::standing_of(const Fault& fault, const NodeTable& nodes,
                                             const std::vector<LookedLink>& links) const {
  if (fault.scope != FaultScope::link) {
    std::optional<PortIndex> port;
    if (fault.scope == FaultScope::port) port = fault.port;
    Standing worst = Standing::left;
    for (const NodeId node : fault.nodes) {
      const Standing standing = standing_of_node(node, port, nodes, links);
      if (standing == Standing::left) continue;
      if (standing == Standing::bad) return Standing::bad;
      if (standing == Standing::unknown || worst == Standing::left) worst = standing;
    }
    return worst;
  }
  const NodePair pair = std::minmax(fault.nodes.front(), fault.nodes.back());
  Standing standing = Standing::unknown;
  for (const NodeId node : fault.nodes) {
    const auto found = nodes.find(node);
    if (found == nodes.end() || !found->second.enrolled) return Standing::left;
  }
  for (const LookedLink& link : links) {
    if (pair_of(link.link) != pair) continue;
    if (link.watch->health() != LinkHealth::fine) {
      return link.bad() ? Standing::bad : Standing::unknown;
    }
    standing = Standing::good;
  }
  return standing;
}

void FaultJudge::review(const FleetFacts& facts, const Causes& causes,
                        const std::vector<LookedLink>& links, Now now,
                        std::vector<FaultChange>& changes) {
  for (auto it = open_.begin(); it != open_.end();) {
    Open& open = it->second;
    Fault& fault = open.fault;
    const auto cause = causes.find(it->first);
    Standing standing = standing_of(fault, facts.nodes, links);
    if (cause != causes.end()) {
      standing = Standing::bad;
      describe(fault, cause->second, facts);
      const bool ripe = now.mono - cause->second.grade_since.mono >= patience(cause->second.grade);
      if (cause->second.grade != fault.grade && ripe) {
        fault.grade = cause->second.grade;
        fault.updated = now.wall;
        ++fault.events;
        changes.push_back({FaultEvent::updated, fault});
      }
    }
    if (standing != Standing::good) open.good_since = MonoTime{};
    if (standing != Standing::unknown) open.unknown_since = MonoTime{};
    if (standing == Standing::good && open.good_since == MonoTime{}) open.good_since = now.mono;
    if (standing == Standing::unknown && open.unknown_since == MonoTime{}) {
      open.unknown_since = now.mono;
    }
    const bool over =
        standing == Standing::good && now.mono - open.good_since >= rules_.resolved_patience;
    const bool forgotten = standing == Standing::unknown && fault.scope == FaultScope::link &&
                           is_up(fault.nodes.front(), facts.nodes) &&
                           is_up(fault.nodes.back(), facts.nodes) &&
                           now.mono - open.unknown_since >= kForgottenAfter;
    if (!over && !forgotten && standing != Standing::left) {
      ++it;
      continue;
    }
    fault.resolved = fault.updated = now.wall;
    fault.outcome = over        ? describe_recovery(fault, links, facts.links)
                    : forgotten ? "nobody measures it any more"
                                : "it is not in the fleet any more";
    ++fault.events;
    changes.push_back({FaultEvent::resolved, std::move(fault)});
    it = open_.erase(it);
  }
}

void FaultJudge::open_new(const FleetFacts& facts, const Causes& causes, Now now,
                          std::vector<FaultChange>& changes) {
  for (const auto& [key, cause] : causes) {
    if (open_.contains(key) || now.mono - cause.grade_since.mono < patience(cause.grade)) continue;
    if (open_.size() >= kOpenMax) {
      ++suppressed_;
      continue;
    }
    Fault fault;
    fault.key = key;
    fault.scope = cause.scope;
    fault.grade = cause.grade;
    fault.since = cause.since.wall;
    fault.id = fault_id(key, fault.since);
    fault.opened = fault.updated = now.wall;
    fault.events = 1;
    describe(fault, cause, facts);
    open_[key] = {fault, {}, {}, false};
    changes.push_back({FaultEvent::opened, std::move(fault)});
  }
}

void FaultJudge::describe(Fault& fault, const Cause& cause, const FleetFacts& facts) const {
  describe_fault(fault, cause, facts.nodes, facts.links, watches_, facts.histories);
}

}  // namespace linkpilot::collector
