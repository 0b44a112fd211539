#include "tools/media/forwarding.h"

#include <algorithm>

namespace linkpilot::media {

std::string_view to_string(Fate fate) {
  switch (fate) {
    case Fate::delivered:
      return "delivered";
    case Fate::forwarded:
      return "forwarded";
    case Fate::turned_aside:
      return "turned_aside";
    case Fate::dropped_malformed:
      return "dropped_malformed";
    case Fate::dropped_not_addressee:
      return "dropped_not_addressee";
    case Fate::dropped_budget:
      return "dropped_budget";
    case Fate::dropped_no_alternate:
      return "dropped_no_alternate";
    case Fate::dropped_unknown_node:
      return "dropped_unknown_node";
    case Fate::dropped_send_error:
      return "dropped_send_error";
  }
  return "unknown";
}

Action advance(const Datagram& arrived, NodeId self) {
  Action action{Fate::dropped_not_addressee, arrived};
  if (arrived.addressee() != self) return action;
  if (arrived.ends_at_addressee()) {
    action.fate = Fate::delivered;
    return action;
  }
  action.fate = Fate::dropped_budget;
  Datagram& next = action.datagram;
  if (next.hop_budget == 0 || next.trail_length >= kTrailLengthMax) return action;
  --next.hop_budget;
  ++next.index;
  next.trail[next.trail_length++] = self;
  action.fate = Fate::forwarded;
  return action;
}

std::size_t hops_left(const Datagram& advanced) { return advanced.hop_budget + std::size_t{1}; }

Action turn(const Datagram& advanced, std::span<const NodeId> path) {
  Action action{Fate::dropped_no_alternate, advanced};
  if (path.empty() || path.size() > std::min(hops_left(advanced), kPathLengthMax)) return action;
  const auto trail = std::span(advanced.trail).first(advanced.trail_length);
  for (const NodeId node : path) {
    if (node == advanced.source || std::ranges::find(trail, node) != trail.end()) return action;
  }
  action.datagram.path = {};
  std::copy(path.begin(), path.end(), action.datagram.path.begin());
  action.datagram.path_length = static_cast<std::uint8_t>(path.size());
  action.datagram.index = 0;
  action.fate = Fate::turned_aside;
  return action;
}

}  // namespace linkpilot::media
