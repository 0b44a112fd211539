#include "prober/path/trace_report.h"

#include <algorithm>

namespace linkpilot::prober {

void RttSummary::add(Duration rtt) {
  if (count > 0) steps_sum += rtt > last ? rtt - last : last - rtt;
  least = count == 0 ? rtt : std::min(least, rtt);
  most = std::max(most, rtt);
  sum += rtt;
  last = rtt;
  ++count;
}

IpAddress PathHop::address() const {
  const auto most = std::ranges::max_element(addresses, {}, &HopAddress::answers);
  return most == addresses.end() ? IpAddress{} : most->address;
}

std::optional<int> PathHop::return_hops() const {
  if (silent() || reply_ttl == 0) return std::nullopt;
  for (const int initial : {64, 128, 255}) {
    if (reply_ttl <= initial) return initial - reply_ttl + 1;
  }
  return std::nullopt;
}

std::string_view to_string(FlowEnd end) {
  switch (end) {
    case FlowEnd::reached:
      return "reached";
    case FlowEnd::refused:
      return "refused";
    case FlowEnd::silent:
      return "silent";
  }
  return "silent";
}

std::string_view to_string(IcmpErrorKind kind) {
  switch (kind) {
    case IcmpErrorKind::time_exceeded:
      return "time_exceeded";
    case IcmpErrorKind::port_unreachable:
      return "port_unreachable";
    case IcmpErrorKind::host_unreachable:
      return "host_unreachable";
    case IcmpErrorKind::net_unreachable:
      return "net_unreachable";
    case IcmpErrorKind::prohibited:
      return "prohibited";
    case IcmpErrorKind::other_unreachable:
      return "unreachable";
    case IcmpErrorKind::too_big:
      return "too_big";
  }
  return "unreachable";
}

}  // namespace linkpilot::prober
