// What an agent must measure, as the collector wants it. The agent applies it as a difference under
// its own hard ceilings: what exceeds them is capped and reported, never obeyed.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "base/address.h"
#include "base/fleet.h"
#include "base/ids.h"
#include "base/time.h"

namespace linkpilot {

inline constexpr std::size_t kPlanLinksMax = 4096;
inline constexpr Duration kFastProbeInterval = std::chrono::milliseconds(50);
inline constexpr Duration kSlowProbeInterval = std::chrono::seconds(1);

enum class ProbeMode : std::uint8_t { unspecified, stamp, stamp_authenticated, twamp_light };

// One link to probe from this agent, and so one session to reflect for the peer's probes of it.
struct PlannedLink {
  LinkId link;          // from = a port of this agent
  Endpoint peer;        // the peer's advertised address and STAMP port
  Duration interval{};  // between probes of the link, all flows together
  std::uint8_t flows = 1;
  ProbeMode mode = ProbeMode::stamp;
  // stamp_authenticated: the pair's secret (32 octets) and its epoch; the session key is derived
  // from (secret, SSID, epoch) and both ends receive the same pair. Empty otherwise.
  std::vector<std::uint8_t> secret;
  std::uint32_t secret_epoch = 0;
  // First hop of a best or second path in a table, seen from either end: stays fast when the plan
  // grows stale.
  bool in_use = false;
  // While the pair changes its secret, or begins or ends having one: the other mode and secret
  // under which the peer's probes are answered, too. Our own probes go under `mode`. unspecified:
  // none.
  ProbeMode also_mode = ProbeMode::unspecified;
  std::vector<std::uint8_t> also_secret = {};
  std::uint32_t also_secret_epoch = 0;
  friend bool operator==(const PlannedLink&, const PlannedLink&) = default;
};

// Names and addresses of the fleet, so that agents and their tables speak of nodes by name.
struct Plan {
  std::uint64_t version = 0;
  UnixNanos created;
  Duration
      lifetime{};  // stale after this; a stale plan shrinks to the first hops of the last table
  NodeId self;
  std::vector<Node> nodes;
  std::vector<PlannedLink> links;
  friend bool operator==(const Plan&, const Plan&) = default;
};

}  // namespace linkpilot
