// LinkTrails: delay and loss of each link over the last ten minutes, for the chart in a mail.
// Looked at every kStep; memory is bounded: kLinksMax links of kPoints points (16 MB at most), and
// links beyond those have no trail. Pure; one thread.
#pragma once

#include <array>
#include <cstdint>
#include <unordered_map>
#include <vector>

#include "base/time.h"
#include "collector/ingest/link_history.h"
#include "collector/notify/notice.h"
#include "optimizer/weight/link_belief.h"

namespace linkpilot::collector {

class LinkTrails {
 public:
  static constexpr Duration kStep = std::chrono::seconds(5);
  static constexpr std::size_t kPoints = 120;
  static constexpr std::size_t kLinksMax = 32'768;

  // Does nothing before kStep is over.
  void look(const std::vector<optimizer::LinkBelief>& beliefs, const LinkHistories& histories,
            Now now);
  // Oldest first; empty: nothing is known.
  [[nodiscard]] std::vector<TracePoint> trail(LinkId link) const;
  [[nodiscard]] std::size_t size() const { return trails_.size(); }

 private:
  static constexpr std::uint16_t kUnknown = 0xFFFF;
  struct Point {
    std::uint16_t rtt = kUnknown;   // tenths of a millisecond
    std::uint16_t loss = kUnknown;  // hundredths of a percent
  };
  struct Trail {
    std::array<Point, kPoints> points;
    double sent = -1;  // totals of the direction at the last look; negative: none
    double lost = 0;
  };
  [[nodiscard]] static Point point_of(Trail& trail, const optimizer::LinkBelief& belief,
                                      const LinkHistories& histories);

  std::unordered_map<LinkId, Trail> trails_;
  std::array<UnixNanos, kPoints> times_{};
  std::size_t next_ = 0;
  MonoTime looked_;
};

}  // namespace linkpilot::collector
