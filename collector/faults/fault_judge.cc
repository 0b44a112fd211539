#include "collector/faults/fault_judge.h"

#include <algorithm>

#include "collector/faults/describe.h"

namespace linkpilot::collector {

namespace {

bool is_up(NodeId node, const NodeTable& nodes) {
  const auto found = nodes.find(node);
  return found != nodes.end() && found->second.enrolled && !found->second.dead;
}

// Of nothing but links: if nobody measures them any more, nothing will ever tell that it is over.
bool is_of_links(FaultScope scope) {
  return scope == FaultScope::link || scope == FaultScope::region_pair ||
         scope == FaultScope::isp_pair || scope == FaultScope::hop;
}

}  // namespace

FaultJudge::FaultJudge(FaultRules rules, std::vector<Fault> open) : rules_(rules) {
  for (Fault& fault : open) {
    std::string key = fault.key;
    Open& kept = open_[std::move(key)];
    kept.fault = std::move(fault);
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

std::vector<FaultChange> FaultJudge::look(const FleetFacts& facts, Now now) {
  const Causes causes = attribute_causes(open(), facts, now);
  std::vector<FaultChange> changes;
  review(facts, causes, now, changes);
  open_new(facts, causes, now, changes);
  return changes;
}

void FaultJudge::review(const FleetFacts& facts, const Causes& causes, Now now,
                        std::vector<FaultChange>& changes) {
  for (auto it = open_.begin(); it != open_.end();) {
    Open& open = it->second;
    Fault& fault = open.fault;
    const auto cause = causes.find(it->first);
    FaultStanding standing = standing_of(fault, facts, now);
    if (cause != causes.end()) {
      standing = FaultStanding::bad;
      describe_fault(fault, cause->second, facts, now);
      const bool ripe = now.mono - cause->second.grade_since.mono >= patience(cause->second.grade);
      if (cause->second.grade != fault.grade && ripe) {
        fault.grade = cause->second.grade;
        fault.updated = now.wall;
        ++fault.events;
        changes.push_back({FaultEvent::updated, fault});
      }
    }
    if (standing != FaultStanding::good) open.good_since = MonoTime{};
    if (standing != FaultStanding::unknown) open.unknown_since = MonoTime{};
    if (standing == FaultStanding::good && open.good_since == MonoTime{})
      open.good_since = now.mono;
    if (standing == FaultStanding::unknown && open.unknown_since == MonoTime{}) {
      open.unknown_since = now.mono;
    }
    const bool over =
        standing == FaultStanding::good && now.mono - open.good_since >= rules_.resolved_patience;
    const bool forgotten = standing == FaultStanding::unknown && is_of_links(fault.scope) &&
                           std::all_of(fault.nodes.begin(), fault.nodes.end(),
                                       [&](NodeId node) { return is_up(node, facts.nodes); }) &&
                           now.mono - open.unknown_since >= kForgottenAfter;
    if (!over && !forgotten && standing != FaultStanding::left) {
      ++it;
      continue;
    }
    fault.resolved = fault.updated = now.wall;
    fault.outcome = over        ? describe_recovery(fault, facts, now)
                    : forgotten ? "nobody measures it any more"
                                : "it is not in the fleet any more";
    ++fault.events;
    if (over_.size() >= kOpenMax) over_.clear();
    over_[it->first] = now.wall;
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
    // A part of the earlier trouble may be left; the new one began when that was over.
    if (const auto over = over_.find(key); over != over_.end()) {
      fault.since = std::max(fault.since, over->second);
    }
    fault.id = fault_id(key, fault.since);
    fault.opened = fault.updated = now.wall;
    fault.events = 1;
    describe_fault(fault, cause, facts, now);
    open_[key] = {fault, {}, {}};
    changes.push_back({FaultEvent::opened, std::move(fault)});
  }
}

}  // namespace linkpilot::collector
