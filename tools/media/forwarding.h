// What a node does with a media datagram: deliver it, send it on, turn it aside, or drop it and say
// why. Pure: a datagram and what the node knows at this moment in, an action out.
//
// The rule of turning aside (design 3.2): whoever forwards may leave the path that travels with the
// datagram only when its own next hop is dead, only to a candidate of its own table that is marked
// loop-free (RFC 5286 s3.1: what takes it cannot bring it back), and only with fewer hops to spare.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string_view>

#include "base/ids.h"
#include "tools/media/datagram.h"

namespace linkpilot::media {

enum class Fate : std::uint8_t {
  delivered,
  forwarded,
  turned_aside,  // forwarded on another path than the one it came with
  dropped_malformed,
  dropped_not_addressee,
  dropped_budget,        // no hop left
  dropped_no_alternate,  // next hop dead, and no loop-free path that is new and fits the budget
  dropped_unknown_node,  // the table has no address for the next node
  dropped_send_error,
};
inline constexpr std::size_t kFates = 9;
[[nodiscard]] std::string_view to_string(Fate fate);

struct Action {
  Fate fate = Fate::dropped_malformed;
  Datagram datagram;  // as it leaves; its addressee is where to send it
};

// The datagram has arrived here. A result of `forwarded` is to be sent to its addressee, unless
// this node's marks say that this hop is dead: then `turn` it.
[[nodiscard]] Action advance(const Datagram& arrived, NodeId self);
// The next hop of `advanced` (a result of `advance`, not sent yet) is dead; `path` is a loop-free
// candidate of this node's own table, next hop first, or empty if there is none. Refused where it
// leads to a node that the datagram has been at: the tables of two versions may disagree.
[[nodiscard]] Action turn(const Datagram& advanced, std::span<const NodeId> path);
// The longest path `turn` accepts for it: its hops plus the one that is already paid for.
[[nodiscard]] std::size_t hops_left(const Datagram& advanced);

}  // namespace linkpilot::media
