#include "collector/plan/plan_keeper.h"

#include <algorithm>
#include <limits>

namespace linkpilot::collector {

namespace {

constexpr MonoTime kNever{std::numeric_limits<std::int64_t>::max()};

// Both directions of a link share their pace.
LinkId either_way(LinkId link) { return link.from < link.to ? link : link.reversed(); }

ProbeMode mode_of(std::uint32_t epoch) {
  return epoch == 0 ? ProbeMode::stamp : ProbeMode::stamp_authenticated;
}

// The stronger claim: best before second before later hops.
void want(std::unordered_map<LinkId, Pace>& wanted, LinkId link, Pace pace) {
  const auto [entry, added] = wanted.try_emplace(either_way(link), pace);
  if (!added && pace < entry->second) entry->second = pace;
}

bool allowed(const Node& a, const Port& pa, const Node& b, const Port& pb,
             const optimizer::LinkPolicy& policy) {
  return optimizer::link_allowed(a, pa, b, pb, policy) ||
         optimizer::link_allowed(b, pb, a, pa, policy);
}

}  // namespace

std::string_view to_string(Pace pace) {
  switch (pace) {
    case Pace::slow:
      return "";
    case Pace::first_table:
      return "no table yet";
    case Pace::best_first_hop:
      return "first hop of a best path";
    case Pace::second_first_hop:
      return "first hop of a second path";
    case Pace::best_later_hop:
      return "later hop of a best path";
    case Pace::warm_up:
      return "new, returned or candidate link";
    case Pace::held:
      return "in use until a moment ago";
  }
  return "";
}

PlanKeeper::PlanKeeper(PlanRules rules, std::uint64_t first_version)
    : next_version_(first_version), next_change_(kNever) {
  set_rules(std::move(rules));
}

void PlanKeeper::set_rules(PlanRules rules) {
  rules_ = std::move(rules);
  seals_.set_masters(rules_.master, rules_.older_master);
}

PlanKeeper::Wanted PlanKeeper::wanted_by(std::span<const RouteTable* const> tables) {
  Wanted wanted;
  for (const RouteTable* table : tables) {
    for (const Route& route : table->routes) {
      for (std::size_t rank = 0; rank < std::min<std::size_t>(route.candidates.size(), 2); ++rank) {
        NodeId near = table->node;
        const std::vector<Hop>& hops = route.candidates[rank].hops;
        for (std::size_t i = 0; i < hops.size(); ++i) {
          const LinkId link{{near, hops[i].near_port}, {hops[i].node, hops[i].far_port}};
          if (i == 0) {
            want(wanted, link, rank == 0 ? Pace::best_first_hop : Pace::second_first_hop);
          } else if (rank == 0) {
            want(wanted, link, Pace::best_later_hop);
          }
          near = hops[i].node;
        }
      }
    }
  }
  return wanted;
}

Pace PlanKeeper::pace(LinkId link, const Wanted& wanted, MonoTime now) {
  const auto [entry, is_new] = timings_.try_emplace(link);
  Timing& timing = entry->second;
  timing.seen = round_;
  if (is_new) timing.warm_until = now + rules_.warm_up;
  const auto claim = wanted.find(link);
  if (claim != wanted.end()) timing.held_until = now + rules_.warm_up;

  const bool was_fast = is_fast(timing.pace);
  if (!following_) {
    timing.pace = Pace::first_table;
  } else if (claim != wanted.end()) {
    timing.pace = claim->second;
  } else if (now < timing.warm_until) {
    timing.pace = Pace::warm_up;
    next_change_ = std::min(next_change_, timing.warm_until);
  } else if (now < timing.held_until) {
    timing.pace = Pace::held;
    next_change_ = std::min(next_change_, timing.held_until);
  } else {
    timing.pace = Pace::slow;
  }
  if (is_fast(timing.pace) && !was_fast) timing.fast_since = now;
  return timing.pace;
}

std::set<NodeId> PlanKeeper::update(std::span<const Node> nodes,
                                    std::span<const RouteTable* const> tables, bool following,
                                    MonoTime now) {
  ++round_;
  following_ = following;
  next_change_ = kNever;
  const bool names_changed = !std::equal(nodes.begin(), nodes.end(), nodes_.begin(), nodes_.end());
  nodes_.assign(nodes.begin(), nodes.end());
  const Wanted wanted = wanted_by(tables);
  const PairSeals::Knows knows = [this](NodeId node, std::uint64_t round) {
    const NodePlan* plan = find(node);
    return plan != nullptr && plan->acked_round >= round;
  };

  std::map<NodeId, std::vector<PacedLink>> shares;
  for (const Node& node : nodes_) shares[node.id];
  const auto add = [&](const Node& near, const Port& near_port, const Node& far,
                       const Port& far_port, Pace paced, const PairSeal& seal) {
    PacedLink link;
    link.planned.link = {{near.id, near_port.index}, {far.id, far_port.index}};
    link.planned.peer = {far_port.advertised, far_port.stamp_port};
    link.planned.interval = is_fast(paced) ? rules_.fast_interval : rules_.slow_interval;
    link.planned.flows = rules_.flows;
    link.planned.mode = mode_of(seal.epoch);
    link.planned.secret_epoch = seal.epoch;
    if (seal.changing) {
      link.planned.also_mode = mode_of(seal.also);
      link.planned.also_secret_epoch = seal.also;
    }
    link.planned.in_use = paced == Pace::best_first_hop || paced == Pace::second_first_hop;
    link.pace = paced;
    std::vector<PacedLink>& share = shares[near.id];
    if (share.size() < kPlanLinksMax) share.push_back(std::move(link));
  };
  for (std::size_t i = 0; i < nodes_.size(); ++i) {
    for (std::size_t j = i + 1; j < nodes_.size(); ++j) {
      const PairSeal seal = seals_.step(nodes_[i].id, nodes_[j].id, round_, knows);
      for (const Port& a : nodes_[i].ports) {
        for (const Port& b : nodes_[j].ports) {
          if (!allowed(nodes_[i], a, nodes_[j], b, rules_.links)) continue;
          const Pace paced =
              pace(either_way({{nodes_[i].id, a.index}, {nodes_[j].id, b.index}}), wanted, now);
          add(nodes_[i], a, nodes_[j], b, paced, seal);
          add(nodes_[j], b, nodes_[i], a, paced, seal);
        }
      }
    }
  }
  seals_.end_round(round_);
  std::erase_if(timings_, [&](const auto& timing) { return timing.second.seen != round_; });
  std::erase_if(plans_, [&](const auto& plan) { return !shares.contains(plan.first); });

  std::set<NodeId> changed;
  for (auto& [node, links] : shares) {
    std::sort(links.begin(), links.end(), [](const PacedLink& a, const PacedLink& b) {
      return a.planned.link < b.planned.link;
    });
    NodePlan& plan = plans_[node];
    // A reason that changed alone is not worth a message.
    const bool same =
        std::equal(links.begin(), links.end(), plan.links.begin(), plan.links.end(),
                   [](const PacedLink& a, const PacedLink& b) { return a.planned == b.planned; });
    if (!same || names_changed || plan.version == 0) changed.insert(node);
    plan.links = std::move(links);
  }
  return changed;
}

void PlanKeeper::warm_link(LinkId link, MonoTime now) {
  const auto timing = timings_.find(either_way(link));
  if (timing == timings_.end()) return;
  timing->second.warm_until = now + rules_.warm_up;
  next_change_ = std::min(next_change_, now);
}

void PlanKeeper::warm_node(NodeId node, MonoTime now) {
  const NodePlan* plan = find(node);
  if (plan == nullptr) return;
  for (const PacedLink& link : plan->links) warm_link(link.planned.link, now);
}

void PlanKeeper::warm_pair(NodeId a, NodeId b, MonoTime now) {
  const NodePlan* plan = find(a);
  if (plan == nullptr) return;
  for (const PacedLink& link : plan->links) {
    if (link.planned.link.to.node == b) warm_link(link.planned.link, now);
  }
}

Plan PlanKeeper::issue(NodeId node, Now now) {
  NodePlan& share = plans_[node];
  share.version = next_version_++;
  share.issued_round = round_;
  Plan plan;
  plan.version = share.version;
  plan.created = now.wall;
  plan.lifetime = rules_.lifetime;
  plan.self = node;
  plan.nodes = nodes_;
  plan.links.reserve(share.links.size());
  for (const PacedLink& link : share.links) {
    plan.links.push_back(link.planned);
    seals_.fill(plan.links.back());
  }
  return plan;
}

bool PlanKeeper::note_ack(NodeId node, std::uint64_t version) {
  const auto found = plans_.find(node);
  if (found == plans_.end() || found->second.version != version) return false;
  NodePlan& share = found->second;
  if (share.acked_round == share.issued_round) return false;
  share.acked_round = share.issued_round;
  return seals_.changing();
}

const NodePlan* PlanKeeper::find(NodeId node) const {
  const auto found = plans_.find(node);
  return found == plans_.end() ? nullptr : &found->second;
}

Pace PlanKeeper::pace_of(LinkId link) const {
  const auto timing = timings_.find(either_way(link));
  return timing == timings_.end() ? Pace::slow : timing->second.pace;
}

Duration PlanKeeper::fast_for(LinkId link, MonoTime now) const {
  const auto timing = timings_.find(either_way(link));
  if (timing == timings_.end() || !is_fast(timing->second.pace)) return {};
  return now - timing->second.fast_since;
}

}  // namespace linkpilot::collector
