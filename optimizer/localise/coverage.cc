#include "optimizer/localise/evidence.h"

namespace linkpilot::optimizer {

Coverage::Coverage(const FleetShape& shape) : regions_(shape.regions), isps_(shape.isps) {
  counts_.out.resize(shape.nodes);
  counts_.in.resize(shape.nodes);
  counts_.region_pairs.resize(regions_ * regions_);
  counts_.isp_pairs.resize(isps_ * isps_);
}

Coverage::Coverage(const FleetShape& shape, Counts counts) : Coverage(shape) {
  counts.out.resize(counts_.out.size());
  counts.in.resize(counts_.in.size());
  counts.region_pairs.resize(counts_.region_pairs.size());
  counts.isp_pairs.resize(counts_.isp_pairs.size());
  counts_ = std::move(counts);
}

// Adding ~0 takes one away.
void Coverage::change(const FleetEnd& from, const FleetEnd& to, std::uint32_t by) {
  counts_.out[from.node] += by;
  counts_.in[to.node] += by;
  if (!from.alone) counts_.ports_out[from.port] += by;
  if (!to.alone) counts_.ports_in[to.port] += by;
  counts_.region_pairs[from.region * regions_ + to.region] += by;
  counts_.isp_pairs[from.isp * isps_ + to.isp] += by;
}

std::uint32_t Coverage::across_region(std::size_t region) const {
  std::uint32_t count = 0;
  for (std::size_t other = 0; other < regions_; ++other) {
    if (other != region) count += between_regions(region, other) + between_regions(other, region);
  }
  return count;
}

}  // namespace linkpilot::optimizer
