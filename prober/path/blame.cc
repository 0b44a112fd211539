#include "prober/path/blame.h"

#include <algorithm>
#include <cmath>
#include <map>
#include <optional>

namespace linkpilot::prober {
namespace {

constexpr double kLimiterBurst = 6;      // net/ipv4/route.c, XRLIM_BURST_FACTOR
constexpr double kLimiterPerSecond = 1;  // icmp_ratelimit of 1000 ms
constexpr std::uint64_t kLostMin = 3;
constexpr double kCleanRatio = 0.01;  // less loss than this is none
constexpr double kZ = 1.96;           // 95 %

// The least loss ratio that fits the counts (E. B. Wilson, JASA 22, 1927).
double wilson_low(const LossCount& count) {
  const auto n = static_cast<double>(count.sent);
  if (n == 0) return 0;
  const double p = count.ratio();
  const double z2 = kZ * kZ;
  const double middle = p + z2 / (2 * n);
  const double spread = kZ * std::sqrt(p * (1 - p) / n + z2 / (4 * n * n));
  return std::max(0.0, (middle - spread) / (1 + z2 / n));
}

enum class Evidence : std::uint8_t {
  none,   // silent, or loss that a rate limit explains
  clean,  // passes on everything
  lossy,
};

bool is_error_answer(const PathHop& hop, PathProtocol protocol) {
  return !hop.is_destination || hop.refused || protocol == PathProtocol::udp;
}

class Judge {
 public:
  Judge(std::span<const FlowPath> flows, Duration over) : over_(over) {
    for (const FlowPath& path : flows) {
      for (const PathHop& hop : path.hops) asked_[hop.address()] += hop.probes.sent;
    }
  }

  [[nodiscard]] Evidence of(const PathHop& hop, PathProtocol protocol) const {
    if (hop.silent() || hop.probes.sent == 0) return Evidence::none;
    if (hop.probes.lost == 0 || hop.probes.ratio() < kCleanRatio) return Evidence::clean;
    const bool limited = is_error_answer(hop, protocol) && may_be_limited(hop.address());
    if (limited || hop.probes.lost < kLostMin || wilson_low(hop.probes) < kCleanRatio) {
      return Evidence::none;
    }
    return Evidence::lossy;
  }

 private:
  [[nodiscard]] bool may_be_limited(const IpAddress& address) const {
    const double seconds = std::chrono::duration<double>(over_).count();
    return static_cast<double>(asked_.at(address)) > kLimiterBurst + kLimiterPerSecond * seconds;
  }

  Duration over_;
  std::map<IpAddress, std::uint64_t> asked_;
};

std::optional<Blame> blame_of(const FlowPath& path, const Judge& judge) {
  const PathProtocol protocol = path.flow.protocol;
  if (judge.of(path.hops.back(), protocol) != Evidence::lossy) return std::nullopt;
  Blame blame{.at = path.hops.back().ttl, .loss_ratio = path.hops.back().probes.ratio()};
  for (auto hop = path.hops.rbegin(); hop != path.hops.rend(); ++hop) {
    const Evidence evidence = judge.of(*hop, protocol);
    if (evidence == Evidence::clean) {
      blame.after = hop->ttl;
      break;
    }
    if (evidence == Evidence::none) continue;
    blame.at = hop->ttl;
    blame.loss_ratio = std::min(blame.loss_ratio, hop->probes.ratio());
  }
  return blame;
}

}  // namespace

Blames blamed_hops(std::span<const FlowPath> flows, Duration over) {
  Blames result;
  const Judge judge(flows, over);
  for (std::size_t i = 0; i < flows.size(); ++i) {
    const FlowPath& path = flows[i];
    if (path.end != FlowEnd::reached || path.hops.empty()) continue;
    if (auto blame = blame_of(path, judge)) {
      blame->flow = i;
      result.blames.push_back(*blame);
    } else if (path.hops.back().probes.lost >= kLostMin) {
      result.withheld = true;
    }
  }
  return result;
}

}  // namespace linkpilot::prober
