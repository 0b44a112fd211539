// The part of the localiser that explains dials: streams missing at their origin, relay pushes,
// edge services, vendors, probers of their own. See localise.h.
//
// Each dial passes nodes and pushes; where it fails to open, the service dialled (or the vendor)
// did it; where it opened and the stream was missing, something upstream did. Dials that links,
// nodes or regions already known as dead account for, and those of probers that are not believed,
// count neither way.
#pragma once

#include <vector>

#include "optimizer/localise/credibility.h"
#include "optimizer/localise/link_causes.h"
#include "optimizer/localise/localise.h"

namespace linkpilot::optimizer {

// What of the network is dead, for dials and for agents that are not heard.
class DeadNetwork {
 public:
  DeadNetwork(const Evidence& evidence, const std::map<CauseId, Cause>& causes);
  [[nodiscard]] bool node(std::uint16_t node) const { return nodes_[node]; }
  // Between two nodes, either way.
  [[nodiscard]] bool between(std::uint16_t a, std::uint16_t b) const;
  // Cut off from other regions.
  [[nodiscard]] bool cut(std::uint16_t node) const { return cut_[regions_[node]]; }

 private:
  std::vector<bool> nodes_;
  std::vector<std::uint16_t> regions_;
  std::vector<std::uint16_t> isps_;
  std::vector<bool> cut_;
  std::vector<CauseId> pairs_;
  std::vector<bool> links_;  // by pair of nodes, dense
};

// Nodes whose service answered others lately: dead or not, they serve.
[[nodiscard]] std::vector<bool> serving_nodes(const Evidence& evidence,
                                              const Credibility& credibility,
                                              const LocaliseOptions& options);

[[nodiscard]] std::vector<Cause> explain_dials(const Evidence& evidence,
                                               const Credibility& credibility,
                                               const DeadNetwork& dead,
                                               const LocaliseOptions& options);

}  // namespace linkpilot::optimizer
