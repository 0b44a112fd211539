#include "agent/plan/plan_keeper.h"

#include <algorithm>
#include <unordered_set>
#include <utility>

namespace linkpilot::agent {

namespace {

std::string text_of(LinkId link) {
  return std::to_string(link.from.node.value) + "/" + std::to_string(link.from.port.value) + "->" +
         std::to_string(link.to.node.value) + "/" + std::to_string(link.to.port.value);
}

// Empty: nothing wrong.
std::string mistake_in(const PlannedLink& link, NodeId self, std::size_t ports) {
  if (link.link.from.node != self) return "does not start at this node";
  if (link.link.from.port.value >= ports) return "names a port this node does not have";
  if (link.link.to.node == self || link.link.to.node.value == 0) return "leads nowhere";
  if (link.link.to.port.value >= kPortsPerNodeMax) return "names a far port beyond the bound";
  if (link.interval <= Duration::zero()) return "has no interval";
  if (link.flows == 0) return "has no flow";
  if (link.peer.address.is_unspecified() || link.peer.port == 0) return "has no peer address";
  return {};
}

// The links over which the first hops of best and second paths run.
std::unordered_set<LinkId> first_hops(const RouteTable& table) {
  std::unordered_set<LinkId> links;
  for (const Route& route : table.routes) {
    for (const CandidatePath& path : route.candidates) {
      if (path.hops.empty()) continue;
      const Hop& hop = path.hops.front();
      links.insert(LinkId{{table.node, hop.near_port}, {hop.node, hop.far_port}});
    }
  }
  return links;
}

}  // namespace

Status PlanKeeper::accept(Plan plan, std::size_t ports, Now now) {
  if (plan.self.value == 0) return fail(ErrorCode::invalid_argument, "plan without a node number");
  if (plan.links.size() > kPlanLinksMax) {
    return fail(ErrorCode::limit_exceeded, "plan of " + std::to_string(plan.links.size()) +
                                               " links, at most " + std::to_string(kPlanLinksMax));
  }
  std::unordered_set<LinkId> seen;
  for (const PlannedLink& link : plan.links) {
    if (const std::string mistake = mistake_in(link, plan.self, ports); !mistake.empty()) {
      return fail(ErrorCode::invalid_argument, "link " + text_of(link.link) + " " + mistake);
    }
    if (!seen.insert(link.link).second) {
      return fail(ErrorCode::invalid_argument, "link " + text_of(link.link) + " is there twice");
    }
  }
  plan_ = std::move(plan);
  last_contact_ = now.mono;
  return {};
}

PlanAge PlanKeeper::age(Now now, const RouteTable* table) const {
  if (!plan_) return PlanAge::none;
  if (plan_->lifetime <= Duration::zero() || now.mono - last_contact_ <= plan_->lifetime) {
    return PlanAge::fresh;
  }
  return table != nullptr && now.wall < table->valid_until_hard ? PlanAge::stale : PlanAge::expired;
}

ProbeSet PlanKeeper::probe_set(Now now, const RouteTable* table) const {
  ProbeSet set;
  if (!plan_) return set;
  set.links = plan_->links;
  const PlanAge state = age(now, table);
  if (state != PlanAge::fresh) {
    const auto used = state == PlanAge::stale ? first_hops(*table) : std::unordered_set<LinkId>{};
    for (PlannedLink& link : set.links) {
      const bool in_use = state == PlanAge::stale && (link.in_use || used.contains(link.link));
      link.interval = in_use ? std::min(link.interval, kFastProbeInterval)
                             : std::max(link.interval, kIdleProbeInterval);
    }
  }
  cap(set);
  return set;
}

void PlanKeeper::cap(ProbeSet& set) const {
  double per_second = 0;
  for (PlannedLink& link : set.links) {
    bool capped = false;
    if (link.flows > ceilings_.flows_max) {
      link.flows = ceilings_.flows_max;
      capped = true;
      set.reason = "flows_max";
    }
    if (link.interval < ceilings_.interval_min) {
      link.interval = ceilings_.interval_min;
      capped = true;
      set.reason = "interval_min";
    }
    if (capped) ++set.capped;
    per_second += 1e9 / static_cast<double>(link.interval.count());
  }
  if (per_second <= ceilings_.probes_per_second_max) return;
  // Too much in sum: every link is slowed by the same factor, none is left out.
  const double factor = per_second / ceilings_.probes_per_second_max;
  for (PlannedLink& link : set.links) {
    link.interval = Duration(
        static_cast<std::int64_t>(static_cast<double>(link.interval.count()) * factor) + 1);
  }
  set.capped = static_cast<std::uint32_t>(set.links.size());
  set.reason = "probes_per_second_max";
}

std::string PlanKeeper::name_of(NodeId node) const {
  if (plan_) {
    for (const Node& known : plan_->nodes) {
      if (known.id == node) return known.name;
    }
  }
  return std::to_string(node.value);
}

}  // namespace linkpilot::agent
