#include "collector/ingest/plausibility.h"

#include <fmt/format.h>

namespace linkpilot::collector {

namespace {

constexpr Duration kIntervalMax = std::chrono::minutes(10);
constexpr std::uint32_t kProbesMax = 10'000'000;
constexpr Duration kDelayMax = std::chrono::seconds(70);  // kSketchValueMax, rounded up
constexpr std::size_t kHelloTextMax = 255;

SampleVerdict refuse(std::string reason) { return {SampleFate::refuse, std::move(reason)}; }

bool counts_add_up(const LinkSample& s) {
  const std::uint64_t placed =
      std::uint64_t{s.answered} + s.late + s.lost_forward + s.lost_backward + s.lost_unplaced;
  return s.sent <= kProbesMax && placed == s.sent;
}

bool delays_add_up(const LinkSample& s) {
  if (s.answered == 0) return s.rtt.count() == 0;
  const std::int64_t n = s.answered;
  // kProbesMax times kDelayMax is within 64 bits.
  return s.rtt_min.count() >= 0 && s.rtt_min <= s.rtt_max && s.rtt_max <= kDelayMax &&
         s.rtt_sum.count() >= (s.rtt_min.count() - 1) * n &&
         s.rtt_sum.count() < (s.rtt_max.count() + 2) * n && s.rtt.count() <= s.answered;
}

bool one_way_plausible(const OneWayDelay& delay, std::uint32_t sent) {
  if (delay.count == 0) return true;
  const Duration bound = kDelayMax + delay.error;
  return delay.count <= sent && delay.error.count() >= 0 && delay.error <= std::chrono::hours(24) &&
         delay.min >= -bound && delay.min <= bound;
}

}  // namespace

SampleVerdict judge_sample(const LinkSample& sample, NodeId self, UnixNanos now) {
  const LinkId& link = sample.link;
  if (link.from.node != self) return refuse("a link of another node");
  if (link.to.node == self || link.to.node == NodeId{}) return refuse("a link to nowhere");
  if (link.from.port.value >= kPortsPerNodeMax || link.to.port.value >= kPortsPerNodeMax) {
    return refuse("no such port");
  }
  if (sample.length.count() <= 0 || sample.length > kIntervalMax) {
    return refuse("an interval of impossible length");
  }
  if (sample.start.ns <= 0 || sample.start - now > kFutureMax) {
    return refuse(
        fmt::format("measured in the future ({} ahead)", format_duration(sample.start - now)));
  }
  if (!counts_add_up(sample)) return refuse("counts that do not add up");
  if (!delays_add_up(sample)) return refuse("delays that do not add up");
  if (!one_way_plausible(sample.forward_delay, sample.sent) ||
      !one_way_plausible(sample.backward_delay, sample.sent)) {
    return refuse("an impossible one-way delay");
  }
  if (now - sample.start > kFoldAgeMax) return {SampleFate::keep, ""};
  return {};
}

std::optional<std::string> refuse_alarm(const Alarm& alarm, NodeId self, UnixNanos now) {
  const bool ours = alarm.link.from.node == self || alarm.link.to.node == self;
  if (!ours || alarm.link.from.node == alarm.link.to.node) return "an alarm about other nodes";
  if (alarm.link.from.port.value >= kPortsPerNodeMax ||
      alarm.link.to.port.value >= kPortsPerNodeMax) {
    return "an alarm about no such port";
  }
  switch (alarm.state) {
    case LinkState::alive:
    case LinkState::suspect:
    case LinkState::dead:
      break;
    case LinkState::unspecified:
      return "an alarm without a state";
  }
  if (alarm.since - now > kFutureMax) return "an alarm from the future";
  return std::nullopt;
}

std::optional<std::string> refuse_hello(const Hello& hello, const std::string& name) {
  if (hello.kind == ClientKind::unspecified) return "it does not say what kind of client it is";
  if (!hello.self.name.empty() && hello.self.name != name) {
    return fmt::format("this key is enrolled as {}, but the agent calls itself {}", name,
                       hello.self.name.substr(0, kNodeNameLengthMax));
  }
  if (hello.kind == ClientKind::route_reader) return std::nullopt;
  if (hello.self.ports.empty()) return "it has no port";
  if (hello.self.ports.size() > kPortsPerNodeMax) return "it has too many ports";
  if (hello.self.region.size() > kHelloTextMax || hello.self.media_base.size() > kHelloTextMax ||
      hello.software.size() > kHelloTextMax) {
    return "its description is too long";
  }
  for (std::size_t i = 0; i < hello.self.ports.size(); ++i) {
    const Port& port = hello.self.ports[i];
    if (port.index.value != i) return fmt::format("port {} is numbered {}", i, port.index.value);
    if (port.advertised.is_unspecified()) return fmt::format("port {} advertises no address", i);
    if (port.stamp_port == 0) return fmt::format("port {} has no STAMP port", i);
    if (port.isp.size() > kHelloTextMax || port.bill.size() > kHelloTextMax)
      return "its description is too long";
  }
  return std::nullopt;
}

}  // namespace linkpilot::collector
