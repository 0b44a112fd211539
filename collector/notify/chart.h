// The picture in a mail: delay and loss of a fault's worst links over time, what was before and
// what came after told apart by shade and line. Colours are those of Okabe and Ito, which all kinds
// of sight tell apart. Words stand beside the picture, in the mail; in it are numbers only.
#pragma once

#include <string>
#include <vector>

#include "collector/faults/fault.h"
#include "collector/notify/canvas.h"
#include "collector/notify/notice.h"
#include "collector/notify/time_zone.h"

namespace linkpilot::collector {

inline constexpr std::size_t kChartLinksMax = 3;
inline constexpr int kChartWidth = 1'120;  // twice what a mail shows: sharp on any screen
inline constexpr int kChartHeight = 560;
inline constexpr std::size_t kChartOctetsMax = 52'000;

struct Chart {
  std::string png;                 // empty: there is nothing to draw
  std::vector<std::size_t> links;  // of FaultBackground::links, in the order of kChartColours
  UnixNanos from;
  UnixNanos to;
};

inline constexpr Colour kChartColours[kChartLinksMax] = {
    {0x00, 0x72, 0xB2}, {0xD5, 0x5E, 0x00}, {0x00, 0x9E, 0x73}};  // blue, vermillion, green

[[nodiscard]] Chart draw_chart(const Fault& fault, const FaultBackground& background,
                               const TimeZone& zone);

}  // namespace linkpilot::collector
