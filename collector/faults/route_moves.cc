#include "collector/faults/route_moves.h"

#include <fmt/format.h>

#include <algorithm>
#include <set>

namespace linkpilot::collector {

namespace {

std::vector<NodeId> way_of(NodeId from, const std::vector<NodeId>& relays, NodeId to) {
  std::vector<NodeId> way{from};
  way.insert(way.end(), relays.begin(), relays.end());
  way.push_back(to);
  return way;
}

std::string way_text(const std::vector<NodeId>& way, const NodeTable& nodes) {
  std::string text;
  for (const NodeId node : way) text += (text.empty() ? "" : " > ") + name_of(node, nodes);
  return text;
}

bool is_about(const Fault& fault, NodeId node) {
  return std::find(fault.nodes.begin(), fault.nodes.end(), node) != fault.nodes.end();
}

// About what lies between its nodes, not about them.
bool is_between(const Fault& fault) {
  return fault.scope == FaultScope::link || fault.scope == FaultScope::region_pair ||
         fault.scope == FaultScope::isp_pair || fault.scope == FaultScope::hop ||
         fault.scope == FaultScope::relay_push;
}

// Does the way lead through what the fault is about? Its ends do not count.
bool leads_through(const Fault& fault, const std::vector<NodeId>& way) {
  for (std::size_t i = 1; i < way.size(); ++i) {
    if (is_between(fault)) {
      if (is_about(fault, way[i - 1]) && is_about(fault, way[i])) return true;
    } else if (i + 1 < way.size() && is_about(fault, way[i])) {
      return true;
    }
  }
  return false;
}

}  // namespace

void RouteMoves::add(const std::vector<optimizer::RouteMove>& moves, UnixNanos now) {
  for (const optimizer::RouteMove& move : moves) {
    if (move.was_reachable) moves_.push_back({now, move});
  }
  while (moves_.size() > kKept) moves_.pop_front();
}

void RouteMoves::explain(Fault& fault, const NodeTable& nodes) const {
  const UnixNanos begin =
      fault.since - (fault.grade == FaultGrade::dead ? kBeforeDead : kBeforeDegraded);
  std::set<std::pair<NodeId, NodeId>> moved;
  std::vector<std::string> lines;
  std::size_t withdrawn = 0;
  for (const Moved& each : moves_) {
    const optimizer::RouteMove& move = each.move;
    if (each.at < begin || moved.contains({move.from, move.to})) continue;
    const bool ends_there =
        !is_between(fault) && (is_about(fault, move.from) || is_about(fault, move.to));
    if (ends_there) {
      if (!move.reachable) withdrawn += moved.insert({move.from, move.to}).second ? 1 : 0;
      continue;
    }
    const std::vector<NodeId> before = way_of(move.from, move.before, move.to);
    const std::vector<NodeId> after = way_of(move.from, move.after, move.to);
    if (!leads_through(fault, before) || (move.reachable && leads_through(fault, after))) continue;
    moved.insert({move.from, move.to});
    lines.push_back(fmt::format("{}: {} instead of {}", format_utc(each.at).substr(11, 12),
                                move.reachable ? way_text(after, nodes) : "no way left",
                                way_text(before, nodes)));
  }
  // What was told before a restart is not taken back.
  const std::size_t total = lines.size() + withdrawn;
  if (total < fault.routes_total) return;
  fault.routes_total = static_cast<std::uint32_t>(total);
  fault.routes.clear();
  if (withdrawn > 0) {
    fault.routes.push_back(
        fmt::format("{} routes that begin or end there are withdrawn", withdrawn));
  }
  for (std::string& each : lines) {
    if (fault.routes.size() >= kFaultRoutesKept) break;
    fault.routes.push_back(std::move(each));
  }
}

}  // namespace linkpilot::collector
