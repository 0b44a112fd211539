// PlanKeeper: the plan in force and what of it is probed now. A plan is taken whole or refused
// whole; what exceeds this node's ceilings is slowed and counted, never obeyed. Without a collector
// a plan grows stale and shrinks: first hops of the last table, and links the plan says are first
// hops of the peer's (both ends must send for silence to be seen in time), stay fast until that
// table's hard expiry; all other links idle along, so that reflecting never stops. A core: the
// shell keeps the bytes on disk.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "base/plan.h"
#include "base/result.h"
#include "base/route_table.h"
#include "base/time.h"

namespace linkpilot::agent {

// A link of a stale plan that no table uses: enough to keep the session open at both ends.
inline constexpr Duration kIdleProbeInterval = std::chrono::seconds(10);

struct PlanCeilings {
  std::uint8_t flows_max = 4;
  Duration interval_min = std::chrono::milliseconds(10);
  double probes_per_second_max = 20'000;
};

enum class PlanAge : std::uint8_t { none, fresh, stale, expired };

struct ProbeSet {
  std::vector<PlannedLink> links;
  std::uint32_t capped = 0;
  std::string reason;  // why something was capped
};

class PlanKeeper {
 public:
  explicit PlanKeeper(const PlanCeilings& ceilings) : ceilings_(ceilings) {}

  // Makes `plan` the one in force. `ports` is the number of this node's ports. On error the old
  // plan stays.
  [[nodiscard]] Status accept(Plan plan, std::size_t ports, Now now);
  // The collector was heard: the plan in force is fresh.
  void touch(Now now) { last_contact_ = now.mono; }
  void set_ceilings(const PlanCeilings& ceilings) { ceilings_ = ceilings; }

  [[nodiscard]] const Plan* plan() const { return plan_ ? &*plan_ : nullptr; }
  [[nodiscard]] std::uint64_t version() const { return plan_ ? plan_->version : 0; }
  // Since the collector was last heard; since start, before.
  [[nodiscard]] Duration since_contact(Now now) const { return now.mono - last_contact_; }
  [[nodiscard]] PlanAge age(Now now, const RouteTable* table) const;
  // What is to be probed now.
  [[nodiscard]] ProbeSet probe_set(Now now, const RouteTable* table) const;
  // "fra-1" for a node the plan names, else its number.
  [[nodiscard]] std::string name_of(NodeId node) const;

 private:
  void cap(ProbeSet& set) const;

  PlanCeilings ceilings_;
  std::optional<Plan> plan_;
  MonoTime last_contact_;
};

}  // namespace linkpilot::agent
