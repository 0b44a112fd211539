#include "optimizer/localise/evidence.h"

namespace linkpilot::optimizer {

Coverage::Coverage(const FleetShape& shape)
    : regions_(shape.regions),
      isps_(shape.isps),
      out_(shape.nodes),
      in_(shape.nodes),
      region_pairs_(regions_ * regions_),
      isp_pairs_(isps_ * isps_) {}

// Adding ~0 takes one away.
void Coverage::change(const FleetEnd& from, const FleetEnd& to, std::uint32_t by) {
  out_[from.node] += by;
  in_[to.node] += by;
  if (!from.alone) ports_out_[from.port] += by;
  if (!to.alone) ports_in_[to.port] += by;
  region_pairs_[from.region * regions_ + to.region] += by;
  isp_pairs_[from.isp * isps_ + to.isp] += by;
}

std::uint32_t Coverage::across_region(std::size_t region) const {
  std::uint32_t count = 0;
  for (std::size_t other = 0; other < regions_; ++other) {
    if (other != region) count += between_regions(region, other) + between_regions(other, region);
  }
  return count;
}

}  // namespace linkpilot::optimizer
