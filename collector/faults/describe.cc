#include "collector/faults/describe.h"

#include <fmt/format.h>

#include <algorithm>
#include <set>

namespace linkpilot::collector {

namespace {

double milliseconds_of(Duration duration) { return static_cast<double>(duration.count()) * 1e-6; }

const optimizer::LinkBelief* belief_of(LinkId link,
                                       const std::vector<optimizer::LinkBelief>& beliefs) {
  // Beliefs are sorted by link.
  const auto found = std::lower_bound(
      beliefs.begin(), beliefs.end(), link,
      [](const optimizer::LinkBelief& belief, LinkId wanted) { return belief.link < wanted; });
  return found == beliefs.end() || found->link != link ? nullptr : &*found;
}

std::string port_text(PortId port, const NodeTable& nodes) {
  const auto found = nodes.find(port.node);
  if (found == nodes.end()) return fmt::format("#{}/{}", port.node.value, port.port.value);
  return fmt::format("{}/{}", found->second.name, port.port.value);
}

class Evidence {
 public:
  Evidence(const NodeTable& nodes, const std::vector<optimizer::LinkBelief>& beliefs,
           const LinkWatches& watches, const LinkHistories& histories)
      : nodes_(nodes), beliefs_(beliefs), watches_(watches), histories_(histories) {}

  [[nodiscard]] FaultLink of(LinkId link, bool dead) const {
    FaultLink out;
    out.link = link;
    out.text = fmt::format("{}>{}", port_text(link.from, nodes_), port_text(link.to, nodes_));
    out.grade = dead ? FaultGrade::dead : FaultGrade::degraded;
    if (const auto watch = watches_.find(link); watch != watches_.end()) {
      out.rtt_ms_before = watch->second.usual_rtt_ms();
      out.loss_ratio_before = watch->second.usual_loss_ratio();
      if (!dead) out.loss_ratio = watch->second.loss_ratio();
    }
    const optimizer::LinkBelief* belief = belief_of(link, beliefs_);
    if (!dead && belief != nullptr && belief->measured)
      out.rtt_ms = milliseconds_of(belief->rtt_p50);
    if (dead) out.loss_ratio = 1;
    const LinkHistory* history = histories_.find(link);
    if (dead && history != nullptr) out.seen = history->state_reason;
    return out;
  }

 private:
  const NodeTable& nodes_;
  const std::vector<optimizer::LinkBelief>& beliefs_;
  const LinkWatches& watches_;
  const LinkHistories& histories_;
};

void keep_older_figures(FaultLink& now, const std::vector<FaultLink>& before) {
  for (const FaultLink& old : before) {
    if (old.link != now.link) continue;
    if (now.rtt_ms_before < 0) now.rtt_ms_before = old.rtt_ms_before;
    if (now.loss_ratio_before < 0) now.loss_ratio_before = old.loss_ratio_before;
    if (now.seen.empty()) now.seen = old.seen;
  }
}

std::string sentence_of_link(const Cause& cause, const NodeTable& nodes) {
  std::set<std::pair<NodeId, NodeId>> dead;
  std::set<std::pair<NodeId, NodeId>> degraded;
  for (const LookedLink& link : cause.links) {
    auto& into = link.watch->health() == LinkHealth::dead ? dead : degraded;
    into.insert({link.link.from.node, link.link.to.node});
  }
  std::string text;
  const auto add = [&](const auto& ways, std::string_view what) {
    for (const auto& [from, to] : ways) {
      text += fmt::format("{}{} from {} to {}", text.empty() ? "" : "; ", what,
                          name_of(from, nodes), name_of(to, nodes));
    }
  };
  add(dead, "nothing gets through");
  add(degraded, "packets are slow or lost");
  return text;
}

std::string sentence_of(const Fault& fault, const Cause& cause, const NodeTable& nodes) {
  switch (cause.scope) {
    case FaultScope::link:
      return sentence_of_link(cause, nodes);
    case FaultScope::region:
      return fmt::format("all {} nodes of the region are down", cause.nodes.size());
    case FaultScope::node:
    case FaultScope::port:
      break;
  }
  if (cause.links.empty()) {
    const auto found = nodes.find(cause.nodes.front());
    return found == nodes.end() ? fault.detail : found->second.dead_reason;
  }
  return fmt::format("{} of its {} measured peers {}", cause.peers, cause.peers_measured,
                     cause.grade == FaultGrade::dead ? "do not reach it"
                                                     : "find the way to or from it slow or lossy");
}

std::vector<FaultLink> links_of(const Cause& cause, const Evidence& evidence,
                                const std::vector<optimizer::LinkBelief>& beliefs) {
  std::vector<FaultLink> links;
  for (const LookedLink& link : cause.links) {
    links.push_back(evidence.of(link.link, link.watch->health() == LinkHealth::dead));
  }
  if (!cause.links.empty()) return links;
  const std::set<NodeId> nodes(cause.nodes.begin(), cause.nodes.end());
  for (const optimizer::LinkBelief& belief : beliefs) {
    if (nodes.contains(belief.link.to.node) && !nodes.contains(belief.link.from.node)) {
      links.push_back(evidence.of(belief.link, true));
    }
  }
  return links;
}

}  // namespace

void describe_fault(Fault& fault, const Cause& cause, const NodeTable& nodes,
                    const std::vector<optimizer::LinkBelief>& beliefs, const LinkWatches& watches,
                    const LinkHistories& histories) {
  fault.nodes = cause.nodes;
  fault.region = cause.region;
  fault.port = cause.port;
  fault.members.clear();
  for (const NodeId node : cause.nodes) {
    if (fault.members.size() >= kFaultMembersMax) break;
    fault.members.push_back(cause.scope == FaultScope::port ? port_text({node, cause.port}, nodes)
                                                            : name_of(node, nodes));
  }
  std::sort(fault.members.begin(), fault.members.end());
  fault.detail = sentence_of(fault, cause, nodes);
  std::vector<FaultLink> links =
      links_of(cause, Evidence(nodes, beliefs, watches, histories), beliefs);
  fault.links_total = static_cast<std::uint32_t>(links.size());
  std::stable_sort(links.begin(), links.end(), [](const FaultLink& a, const FaultLink& b) {
    return a.loss_ratio > b.loss_ratio || (a.loss_ratio == b.loss_ratio &&
                                           a.rtt_ms - a.rtt_ms_before > b.rtt_ms - b.rtt_ms_before);
  });
  if (links.size() > kFaultLinksKept) links.resize(kFaultLinksKept);
  for (FaultLink& link : links) keep_older_figures(link, fault.links);
  fault.links = std::move(links);
}

std::string describe_recovery(Fault& fault, const std::vector<LookedLink>& links,
                              const std::vector<optimizer::LinkBelief>& beliefs) {
  for (FaultLink& link : fault.links) {
    const optimizer::LinkBelief* belief = belief_of(link.link, beliefs);
    if (belief == nullptr || !belief->usable()) continue;
    link.rtt_ms = milliseconds_of(belief->rtt_p50);
    const auto looked = std::find_if(
        links.begin(), links.end(), [&](const LookedLink& each) { return each.link == link.link; });
    link.loss_ratio = looked == links.end() ? -1 : looked->watch->loss_ratio();
  }
  if (fault.scope == FaultScope::link) return "packets get through again, in both directions";
  if (fault.grade == FaultGrade::degraded) return "its links are as usual again";
  return fault.scope == FaultScope::region ? "its nodes are heard and reached again"
                                           : "it is heard and reached again";
}

}  // namespace linkpilot::collector
