#include "prober/path/multipath.h"

#include <algorithm>
#include <cmath>
#include <map>
#include <set>
#include <vector>

namespace linkpilot::prober {
namespace {

constexpr std::size_t kStoppingPointMax = 4096;

// P(n draws of `values` equally likely values have shown all of them), by the number seen so far:
// a chain in which one more draw shows a new value with probability (values - seen) / values.
std::size_t draws_to_see_all(std::size_t values, double confidence) {
  std::vector<double> seen(values + 1, 0.0);
  seen[0] = 1.0;
  const auto total = static_cast<double>(values);
  for (std::size_t draws = 1; draws <= kStoppingPointMax; ++draws) {
    for (std::size_t count = values; count > 0; --count) {
      const double stays = seen[count] * static_cast<double>(count) / total;
      const double comes = seen[count - 1] * static_cast<double>(values - count + 1) / total;
      seen[count] = stays + comes;
    }
    seen[0] = 0.0;
    if (seen[values] >= confidence) return draws;
  }
  return kStoppingPointMax;
}

struct Router {
  std::size_t flows = 0;     // through it
  std::size_t answered = 0;  // of them, those with a known next hop
  std::set<IpAddress> next;
};

// Nothing: the sender itself (0), or beyond the end.
const PathHop* hop_at(const FlowPath& path, std::size_t ttl) {
  return ttl > 0 && ttl <= path.hops.size() ? &path.hops[ttl - 1] : nullptr;
}

// The routers `ttl` hops away by address; a distance at which nobody answers is one router, of
// unspecified address. A flow whose answer alone is missing says nothing.
std::map<IpAddress, Router> routers_at(std::span<const FlowPath> flows, std::size_t ttl) {
  std::map<IpAddress, Router> routers;
  const bool all_silent = std::ranges::all_of(flows, [ttl](const FlowPath& path) {
    const PathHop* hop = hop_at(path, ttl);
    return hop == nullptr || hop->silent();
  });
  for (const FlowPath& path : flows) {
    IpAddress here;
    if (!all_silent) {
      const PathHop* hop = hop_at(path, ttl);
      if (hop == nullptr || hop->silent() || hop->is_destination) continue;
      here = hop->address();
    }
    Router& router = routers[here];
    ++router.flows;
    const PathHop* next = hop_at(path, ttl + 1);
    if (next == nullptr || next->silent()) continue;
    ++router.answered;
    router.next.insert(next->address());
  }
  return routers;
}

std::size_t longest(std::span<const FlowPath> flows) {
  std::size_t hops = 0;
  for (const FlowPath& path : flows) hops = std::max(hops, path.hops.size());
  return hops;
}

}  // namespace

std::size_t stopping_point(std::size_t next_hops, double confidence) {
  return draws_to_see_all(std::max<std::size_t>(next_hops, 1) + 1, confidence);
}

std::size_t missing_flows(std::span<const FlowPath> flows, double confidence) {
  std::size_t missing = 0;
  for (std::size_t ttl = 0; ttl < longest(flows); ++ttl) {
    for (const auto& [address, router] : routers_at(flows, ttl)) {
      if (router.next.empty()) continue;  // all silent behind it: more flows show no more
      const std::size_t wanted = stopping_point(router.next.size(), confidence);
      if (router.answered >= wanted) continue;
      const auto share = static_cast<double>(router.answered) / static_cast<double>(flows.size());
      const auto deficit = static_cast<double>(wanted - router.answered);
      missing = std::max(missing, static_cast<std::size_t>(std::ceil(deficit / share)));
    }
  }
  return missing;
}

std::size_t path_width(std::span<const FlowPath> flows) {
  std::size_t width = 0;
  for (std::size_t ttl = 1; ttl <= longest(flows); ++ttl) {
    std::set<IpAddress> addresses;
    for (const FlowPath& path : flows) {
      const PathHop* hop = hop_at(path, ttl);
      if (hop == nullptr) continue;
      for (const HopAddress& one : hop->addresses) addresses.insert(one.address);
    }
    width = std::max(width, addresses.size());
  }
  return width;
}

}  // namespace linkpilot::prober
