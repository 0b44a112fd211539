// What a trace found: for each flow its hops in order, with loss, delay and jitter of each.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/address.h"
#include "base/time.h"
#include "base/units.h"
#include "prober/path/icmp_error.h"
#include "prober/path/probe_packet.h"

namespace linkpilot::prober {

// Round trips of one hop. Jitter is the mean of |difference| of consecutive ones (RFC 3393).
struct RttSummary {
  std::uint32_t count = 0;
  Duration last{};
  Duration least{};
  Duration most{};
  Duration sum{};
  Duration steps_sum{};  // of |difference|, count - 1 of them

  void add(Duration rtt);
  [[nodiscard]] Duration mean() const { return count == 0 ? Duration{} : sum / count; }
  [[nodiscard]] Duration jitter() const { return count < 2 ? Duration{} : steps_sum / (count - 1); }
};

struct HopAddress {
  IpAddress address;
  std::uint32_t answers = 0;
};
inline constexpr std::size_t kHopAddressesMax = 8;  // of one hop of one flow; further ones are lost

struct PathHop {
  std::uint8_t ttl = 0;
  std::vector<HopAddress> addresses;  // in order of appearance; none: silent
  LossCount probes;                   // lost of those that were answered or waited for long enough
  RttSummary rtt;
  std::uint32_t late = 0;  // answered after that; not lost
  std::uint32_t duplicates = 0;
  std::uint8_t reply_ttl = 0;  // of the last answer as it arrived
  LabelStack labels;           // of the last answer
  bool nat = false;            // some quote was not what was sent: a NAT is before this hop
  bool is_destination = false;
  std::optional<IcmpErrorKind> refused;  // it said that it cannot or will not pass probes on

  [[nodiscard]] bool silent() const { return addresses.empty(); }
  // The address with most answers, the first of equals; unspecified if silent.
  [[nodiscard]] IpAddress address() const;
  // How many hops its answers came over, guessed from the usual initial TTLs (64, 128, 255): one
  // that differs from `ttl` hints at an asymmetric path.
  [[nodiscard]] std::optional<int> return_hops() const;
};

enum class FlowEnd : std::uint8_t {
  reached,  // the destination answered
  refused,  // a router said that it cannot or will not pass probes on
  silent,   // nobody answered beyond the last hop
};
[[nodiscard]] std::string_view to_string(FlowEnd end);
[[nodiscard]] std::string_view to_string(IcmpErrorKind kind);

struct FlowPath {
  PathFlow flow;
  std::vector<PathHop> hops;  // ttl 1, 2, ... to its end; of a silent end to the last that answered
  FlowEnd end = FlowEnd::silent;
};

// Where a flow loses packets: behind hop `after` (0: the sender) and not behind hop `at`.
struct Blame {
  std::size_t flow = 0;
  std::uint8_t after = 0;
  std::uint8_t at = 0;
  double loss_ratio = 0;  // the least that persists from there to the destination
};

struct TraceCounters {
  std::uint64_t sent = 0;
  std::uint64_t not_sent = 0;  // refused by our own kernel; not loss
  std::uint64_t answers = 0;
  std::uint64_t malformed = 0;     // no answer to anything like ours
  std::uint64_t not_ours = 0;      // to other people's packets, or forged
  std::uint64_t clock_doubts = 0;  // kernel stamps that cannot be; the monotonic clock was used
};

struct TraceReport {
  std::vector<FlowPath> flows;
  std::uint32_t rounds = 0;  // done
  Duration took{};           // of the first round: every hop answered or waited for
  std::size_t width = 0;     // most addresses at one distance, over all flows
  bool all_paths = false;    // by the stopping rule, with the confidence asked for
  std::vector<Blame> blames;
  bool blame_withheld = false;  // there is loss, but the destination's answers may be rate limited
  TraceCounters counters;
};

}  // namespace linkpilot::prober
