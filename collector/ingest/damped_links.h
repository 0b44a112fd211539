// Which links are damped, from one look at all beliefs to the next: what has changed is worth an
// event, because it is why routes go another way. Remembers at most kLinksMax; further ones are not
// told. One thread.
#pragma once

#include <cstddef>
#include <set>
#include <span>
#include <vector>

#include "base/ids.h"
#include "base/time.h"
#include "optimizer/weight/link_belief.h"

namespace linkpilot::collector {

struct DampingChange {
  LinkId link;
  bool damped = false;
  Duration left{};  // damped: until it is trusted again, unless it dies once more
};

class DampedLinks {
 public:
  static constexpr std::size_t kLinksMax = 4'096;

  [[nodiscard]] std::vector<DampingChange> look(std::span<const optimizer::LinkBelief> links);

 private:
  std::set<LinkId> damped_;
};

}  // namespace linkpilot::collector
