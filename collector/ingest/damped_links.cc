#include "collector/ingest/damped_links.h"

namespace linkpilot::collector {

std::vector<DampingChange> DampedLinks::look(std::span<const optimizer::LinkBelief> links) {
  std::vector<DampingChange> changes;
  std::set<LinkId> now;
  for (const optimizer::LinkBelief& belief : links) {
    if (!belief.damped || now.size() >= kLinksMax) continue;
    now.insert(belief.link);
    if (!damped_.contains(belief.link)) changes.push_back({belief.link, true, belief.damped_left});
  }
  for (const LinkId& link : damped_) {
    if (!now.contains(link)) changes.push_back({link, false, Duration{}});
  }
  damped_ = std::move(now);
  return changes;
}

}  // namespace linkpilot::collector
