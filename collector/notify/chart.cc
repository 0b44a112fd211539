#include "collector/notify/chart.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>

namespace linkpilot::collector {

namespace {

constexpr Colour kPaper{0xFF, 0xFF, 0xFF};
constexpr Colour kTrouble{0xFB, 0xEE, 0xE4};  // behind the time of the fault
constexpr Colour kGrid{0xDD, 0xDD, 0xDD};
constexpr Colour kInk{0x44, 0x44, 0x44};
constexpr double kTextHeight = 20;
constexpr double kLeft = 130;
constexpr double kRight = kChartWidth - 24;
constexpr double kDelayTop = 24;
constexpr double kDelayBottom = 300;
constexpr double kLossTop = 340;
constexpr double kLossBottom = 500;
constexpr int kLabelsMax = 5;

// 1, 2 or 5 times a power of ten, so that at most four steps reach `most`.
double round_step(double most) {
  const double rough = std::max(most, 1e-3) / 4;
  const double power = std::pow(10, std::floor(std::log10(rough)));
  for (const double step : {1.0, 2.0, 5.0}) {
    if (step * power >= rough * 0.999) return step * power;
  }
  return 10 * power;
}

struct Panel {
  double top;
  double bottom;
  double most;  // the value at the top
  [[nodiscard]] double y(double value) const {
    return bottom - std::clamp(value / most, 0.0, 1.0) * (bottom - top);
  }
};

class Plot {
 public:
  Plot(UnixNanos from, UnixNanos to)
      : canvas_(kChartWidth, kChartHeight, kPaper), from_(from), to_(to) {}

  [[nodiscard]] double x(UnixNanos at) const {
    const double part =
        static_cast<double>((at - from_).count()) / static_cast<double>((to_ - from_).count());
    return kLeft + std::clamp(part, 0.0, 1.0) * (kRight - kLeft);
  }
  void shade(const Fault& fault) {
    const UnixNanos end = fault.open() ? to_ : fault.resolved;
    for (const auto& [top, bottom] :
         {std::pair{kDelayTop, kDelayBottom}, {kLossTop, kLossBottom}}) {
      canvas_.fill({x(fault.since), top}, {x(end), bottom}, kTrouble);
    }
  }
  void mark(UnixNanos at) {
    if (at < from_ || at > to_) return;
    canvas_.dashed({x(at), kDelayTop}, {x(at), kLossBottom}, 3, 9, kInk);
  }
  void grid(const Panel& panel, std::string_view unit, double factor) {
    const double step = round_step(panel.most * factor);
    for (int i = 0; i * step <= panel.most * factor * 1.001; ++i) {
      const double y = panel.y(i * step / factor);
      canvas_.line({kLeft, y}, {kRight, y}, i == 0 ? 2 : 1, i == 0 ? kInk : kGrid);
      // Tight panels have room for the ends only.
      std::string label = fmt::format("{:g}", i * step);
      if ((i + 1) * step > panel.most * factor * 1.001) label += fmt::format(" {}", unit);
      const double width = Canvas::text_width(kTextHeight, label);
      canvas_.text({kLeft - 10 - width, y + kTextHeight / 2}, kTextHeight, label, kInk);
    }
  }
  void times(const TimeZone& zone) {
    for (int i = 0; i < kLabelsMax; ++i) {
      const UnixNanos at = from_ + (to_ - from_) / (kLabelsMax - 1) * i;
      const LocalTime local = zone.at(at);
      const std::string label =
          fmt::format("{:02}:{:02}:{:02}", local.hour, local.minute, local.second);
      const double width = Canvas::text_width(kTextHeight, label);
      const double left = std::clamp(x(at) - width / 2, kLeft - 40, kRight + 20 - width);
      canvas_.text({left, kLossBottom + 12 + kTextHeight}, kTextHeight, label, kInk);
      canvas_.line({x(at), kLossBottom}, {x(at), kLossBottom + 6}, 2, kInk);
    }
  }
  // Unknown values break the line.
  void series(const Panel& panel, const LinkTrace& trace, float TracePoint::* value,
              Colour colour) {
    const TracePoint* before = nullptr;
    for (const TracePoint& point : trace.points) {
      if (point.at < from_ || point.*value < 0) {
        before = nullptr;
        continue;
      }
      const Point here{x(point.at), panel.y(static_cast<double>(point.*value))};
      const Point there = before == nullptr
                              ? here
                              : Point{x(before->at), panel.y(static_cast<double>(before->*value))};
      canvas_.line(there, here, 4, colour);
      before = &point;
    }
  }
  [[nodiscard]] std::string png() const { return canvas_.png(); }

 private:
  Canvas canvas_;
  UnixNanos from_;
  UnixNanos to_;
};

// The worst first: the fault lists its links so.
std::vector<std::size_t> chosen_links(const Fault& fault, const FaultBackground& background) {
  std::vector<std::size_t> chosen;
  for (const FaultLink& link : fault.links) {
    for (std::size_t i = 0; i < background.links.size(); ++i) {
      if (background.links[i].link != link.link || background.links[i].points.size() < 3) continue;
      if (chosen.size() < kChartLinksMax) chosen.push_back(i);
    }
  }
  return chosen;
}

}  // namespace

Chart draw_chart(const Fault& fault, const FaultBackground& background, const TimeZone& zone) {
  Chart chart;
  chart.links = chosen_links(fault, background);
  float rtt_most = 0;
  float loss_most = 0;
  chart.from = {INT64_MAX};
  for (const std::size_t i : chart.links) {
    for (const TracePoint& point : background.links[i].points) {
      rtt_most = std::max(rtt_most, point.rtt_ms);
      loss_most = std::max(loss_most, point.loss_ratio);
      chart.from = std::min(chart.from, point.at);
      chart.to = std::max(chart.to, point.at);
    }
  }
  if (chart.links.empty() || !(chart.from < chart.to)) {
    chart.links.clear();
    return chart;
  }
  const auto rounded = [](double most) {
    const double step = round_step(most);
    return step * std::ceil(most * 1.02 / step);
  };
  const Panel delay{kDelayTop, kDelayBottom,
                    rounded(std::max(1.0F, std::min(rtt_most, 60'000.0F)))};
  const Panel loss{kLossTop, kLossBottom,
                   loss_most > 0.5F ? 1.0 : rounded(std::max(0.01F, loss_most))};
  Plot plot(chart.from, chart.to);
  plot.shade(fault);
  plot.grid(delay, "ms", 1);
  plot.grid(loss, "%", 100);
  plot.times(zone);
  plot.mark(fault.since);
  if (!fault.open()) plot.mark(fault.resolved);
  for (std::size_t k = chart.links.size(); k-- > 0;) {  // the worst on top
    const LinkTrace& trace = background.links[chart.links[k]];
    plot.series(delay, trace, &TracePoint::rtt_ms, kChartColours[k]);
    plot.series(loss, trace, &TracePoint::loss_ratio, kChartColours[k]);
  }
  chart.png = plot.png();
  if (chart.png.size() > kChartOctetsMax) chart.png.clear();
  return chart;
}

}  // namespace linkpilot::collector
