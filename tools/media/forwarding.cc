#include "tools/media/forwarding.h"

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

Action turn(const Datagram& advanced, std::span<const Alternate> candidates) {
  Action action{Fate::dropped_no_alternate, advanced};
  for (const Alternate& candidate : candidates) {
    if (!candidate.loop_free || candidate.first_hop_dead) continue;
    // The hop about to be made is already paid for; every further one needs its own.
    if (candidate.path_length == 0 || candidate.path_length > advanced.hop_budget + 1U) continue;
    action.datagram.path = candidate.path;
    action.datagram.path_length = candidate.path_length;
    action.datagram.index = 0;
    action.fate = Fate::turned_aside;
    return action;
  }
  return action;
}

}  // namespace linkpilot::media
