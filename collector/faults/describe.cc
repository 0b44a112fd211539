#include "collector/faults/describe.h"

#include <fmt/format.h>

#include <algorithm>
#include <iterator>
#include <set>

namespace linkpilot::collector {

namespace {

using optimizer::CauseKind;

// Of its links listed one by one in a sentence.
constexpr std::size_t kWaysTold = 6;

std::string port_text(PortId port, const NodeTable& nodes) {
  return fmt::format("{}/{}", name_of(port.node, nodes), port.port.value);
}

FaultLink fault_link(LinkId link, const LinkOutlook& outlook, bool dead, const FleetFacts& facts) {
  FaultLink out;
  out.link = link;
  out.text =
      fmt::format("{}>{}", port_text(link.from, facts.nodes), port_text(link.to, facts.nodes));
  out.grade = dead ? FaultGrade::dead : FaultGrade::degraded;
  out.rtt_ms_before = outlook.usual_rtt_ms;
  out.loss_ratio_before = outlook.usual_loss_ratio;
  if (dead) {
    out.loss_ratio = 1;
    if (const LinkHistory* history = facts.histories.find(link)) out.seen = history->state_reason;
  } else {
    out.rtt_ms = outlook.rtt_ms;
    out.loss_ratio = outlook.loss_ratio;
  }
  return out;
}

void keep_older_figures(FaultLink& now, const std::vector<FaultLink>& before) {
  for (const FaultLink& old : before) {
    if (old.link != now.link) continue;
    if (now.rtt_ms_before < 0) now.rtt_ms_before = old.rtt_ms_before;
    if (now.loss_ratio_before < 0) now.loss_ratio_before = old.loss_ratio_before;
    if (now.seen.empty()) now.seen = old.seen;
  }
}

// "loses 4.2 %", "is 31 ms slower", "loses 4.2 % and is 31 ms slower".
std::string effect_text(const optimizer::CauseEffect& effect) {
  std::string text;
  if (effect.loss > 0) {
    text = fmt::format("loses {:.{}f} %", effect.loss * 100, effect.loss < 0.1 ? 1 : 0);
  }
  if (effect.delay_ms > 0) {
    text += fmt::format("{}is {:.0f} ms slower", text.empty() ? "" : " and ", effect.delay_ms);
  }
  return text.empty() ? "is slow or loses packets" : text;
}

std::string link_sentence(const Cause& cause, const NodeTable& nodes) {
  std::set<std::pair<NodeId, NodeId>> dead;
  std::set<std::pair<NodeId, NodeId>> degraded;
  for (const LookedLink& link : cause.links) {
    auto& into = link.outlook.health == LinkHealth::dead ? dead : degraded;
    into.insert({link.link.from.node, link.link.to.node});
  }
  std::string text;
  std::size_t told = 0;
  const auto add = [&](const auto& ways, const std::string& what, std::string_view after) {
    for (const auto& [from, to] : ways) {
      if (++told > kWaysTold) return;
      text += fmt::format("{}{} from {} to {}{}", text.empty() ? "" : "; ", what,
                          name_of(from, nodes), name_of(to, nodes), after);
    }
  };
  add(dead, "nothing gets through", "");
  if (!degraded.empty()) add(degraded, "the way", " " + effect_text(cause.effect));
  return text;
}

// "Telecom between north and east", or "everything between north and east".
std::string between_text(const Cause& cause) {
  const std::string& a = cause.names.at(0);
  const std::string& b = cause.names.at(1);
  if (cause.kind == CauseKind::isp_pair) {
    if (a == b) return fmt::format("the network of {}", a);
    return cause.both_ways ? fmt::format("the way between {} and {}", a, b)
                           : fmt::format("the way from {} to {}", a, b);
  }
  const std::string what = cause.isp.empty() ? "everything" : cause.isp;
  if (a == b) return fmt::format("{} within {}", what, a);
  return cause.both_ways ? fmt::format("{} between {} and {}", what, a, b)
                         : fmt::format("{} from {} to {}", what, a, b);
}

std::string node_sentence(const Cause& cause, const NodeTable& nodes) {
  const auto found = nodes.find(cause.nodes.front());
  if (found != nodes.end() && found->second.dead && !found->second.dead_reason.empty()) {
    return found->second.dead_reason;
  }
  const std::string_view way = cause.both_ways ? "the way to or from it"
                               : cause.inward  ? "the way to it"
                                               : "the way from it";
  std::string what(cause.both_ways ? "do not reach it" : "find the way one way dead");
  if (cause.grade == FaultGrade::degraded) {
    what = fmt::format("find that {} {}", way, effect_text(cause.effect));
  }
  return fmt::format("{} of its {} measured peers {}", cause.peers, cause.peers_measured, what);
}

std::vector<FaultLink> links_of(const Cause& cause, const FleetFacts& facts, Now now) {
  std::vector<FaultLink> links;
  for (const LookedLink& link : cause.links) {
    links.push_back(
        fault_link(link.link, link.outlook, link.outlook.health == LinkHealth::dead, facts));
  }
  if (!cause.links.empty() || cause.kind == CauseKind::agent) return links;
  for (const NodeId node : cause.nodes) {
    for (const LinkBook::Place pair : facts.links.pairs_of(node)) {
      LinkId link = facts.links.link_of(pair);
      if (link.to.node != node) link = link.reversed();
      links.push_back(fault_link(link, facts.links.outlook(link, now.mono), true, facts));
    }
  }
  return links;
}

std::vector<std::string> members_of(const Cause& cause, const NodeTable& nodes) {
  if (!cause.names.empty()) return cause.names;
  std::vector<std::string> members;
  for (const NodeId node : cause.nodes) {
    if (members.size() >= kFaultMembersMax) break;
    members.push_back(cause.scope == FaultScope::port ? port_text({node, cause.port}, nodes)
                                                      : name_of(node, nodes));
  }
  if (cause.scope != FaultScope::relay_push) std::sort(members.begin(), members.end());
  return members;
}

}  // namespace

std::string sentence_of(const Cause& cause, const NodeTable& nodes) {
  const bool dead = cause.grade == FaultGrade::dead;
  const auto node = [&](std::size_t i) { return name_of(cause.nodes.at(i), nodes); };
  switch (cause.kind) {
    case CauseKind::link:
      return link_sentence(cause, nodes);
    case CauseKind::node:
    case CauseKind::port:
      return node_sentence(cause, nodes);
    case CauseKind::region_cut: {
      const auto down = std::count_if(cause.nodes.begin(), cause.nodes.end(), [&](NodeId each) {
        const auto found = nodes.find(each);
        return found != nodes.end() && (found->second.dead || !found->second.heard);
      });
      if (static_cast<std::size_t>(down) == cause.nodes.size() && dead) {
        return fmt::format("all {} nodes of the region are down", cause.nodes.size());
      }
      return fmt::format("everything between the region and the others {}",
                         dead ? "is cut" : effect_text(cause.effect));
    }
    case CauseKind::region_pair:
    case CauseKind::isp_pair:
      return fmt::format("{} {}", between_text(cause), dead ? "is cut" : effect_text(cause.effect));
    case CauseKind::hop:
      return fmt::format("the {} links that cross it {}", cause.links_total,
                         dead ? "are dead" : "are slow or lose packets");
    case CauseKind::agent:
      return cause.effect.dead
                 ? fmt::format("nothing is heard of agent {} {}; its node may well serve", node(0),
                               cause.why)
                 : fmt::format("agent {} itself is sick: {}; what it says of links is discounted",
                               node(0), cause.why);
    case CauseKind::edge_service:
      return fmt::format("{} is reached, but {} of {} dials find that it does not serve", node(0),
                         cause.shows, cause.measured);
    case CauseKind::relay_push:
      return fmt::format("the push from {} to {} fails: what the one has, the other lacks", node(0),
                         node(1));
    case CauseKind::stream:
      return fmt::format("the origin of stream {} stopped, the network is fine", cause.names.at(0));
    case CauseKind::vendor:
      return fmt::format("{} of {} dials of vendor {} fail, the network is fine", cause.shows,
                         cause.measured, cause.names.at(0));
    case CauseKind::collector:
      return "the collector hears none or few of its agents: it is itself cut off, and says "
             "nothing "
             "of the others";
  }
  return "";
}

void describe_fault(Fault& fault, const Cause& cause, const FleetFacts& facts, Now now) {
  fault.nodes = cause.nodes;
  fault.region = cause.region;
  fault.port = cause.port;
  fault.members = members_of(cause, facts.nodes);
  fault.detail = sentence_of(cause, facts.nodes);
  fault.confidence = cause.confidence;
  fault.could_be.clear();
  for (const CauseShare& other : cause.alternatives) {
    if (fault.could_be.size() >= kFaultAlternativesMax) break;
    fault.could_be.push_back(fmt::format("{} ({:.0f} %)", other.what, other.confidence * 100));
  }
  std::vector<FaultLink> links = links_of(cause, facts, now);
  fault.links_total = static_cast<std::uint32_t>(std::max(links.size(), cause.links_total));
  std::stable_sort(links.begin(), links.end(), [](const FaultLink& a, const FaultLink& b) {
    return a.loss_ratio > b.loss_ratio || (a.loss_ratio == b.loss_ratio &&
                                           a.rtt_ms - a.rtt_ms_before > b.rtt_ms - b.rtt_ms_before);
  });
  if (links.size() > kFaultLinksKept) links.resize(kFaultLinksKept);
  for (FaultLink& link : links) keep_older_figures(link, fault.links);
  fault.links = std::move(links);
}

std::string describe_recovery(Fault& fault, const FleetFacts& facts, Now now) {
  for (FaultLink& link : fault.links) {
    const LinkOutlook outlook = facts.links.outlook(link.link, now.mono);
    if (outlook.health == LinkHealth::unknown || outlook.health == LinkHealth::dead) continue;
    link.rtt_ms = outlook.rtt_ms;
    link.loss_ratio = outlook.loss_ratio;
  }
  switch (fault.scope) {
    case FaultScope::link:
      return "packets get through again, in both directions";
    case FaultScope::agent:
      return "it is heard again, and what it says is believed";
    case FaultScope::collector:
      return "it hears its agents again";
    case FaultScope::region:
    case FaultScope::node:
    case FaultScope::port:
      if (fault.grade == FaultGrade::degraded) return "its links are as usual again";
      return fault.scope == FaultScope::region ? "its nodes are heard and reached again"
                                               : "it is heard and reached again";
    case FaultScope::region_pair:
    case FaultScope::isp_pair:
    case FaultScope::hop:
      return "its links are as usual again";
    case FaultScope::service:
    case FaultScope::relay_push:
    case FaultScope::stream:
    case FaultScope::vendor:
      return "dials find it well again";
  }
  return "";
}

}  // namespace linkpilot::collector
