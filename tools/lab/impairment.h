// What the emulated network does to packets of one ordered pair of nodes: the settings (a value)
// and the little state they need between packets. Pure: time is passed in, chance comes from the
// pair's own Rng, so that one pair's draws never depend on another pair's traffic.
#pragma once

#include <cstdint>

#include "base/rng.h"
#include "base/time.h"

namespace linkpilot::lab {

inline constexpr std::uint8_t kFlowsMax = 64;  // ECMP siblings of one pair
inline constexpr std::uint8_t kHopsMax = 30;   // virtual routers of one pair

// Loss that comes in bursts: a two-state chain (Gilbert 1960, Elliott 1963) stepped in time, not
// per packet, so that a sparse probe stream and a dense media stream see the same outages. All
// packets of a burst are lost; bursts have an exponential length of this mean, and take `ratio` of
// all time.
struct BurstLoss {
  double ratio = 0;
  Duration mean{};
  friend bool operator==(const BurstLoss&, const BurstLoss&) = default;
};

struct Impairment {
  Duration delay{};   // one way
  Duration jitter{};  // added, uniform in [0, jitter); never reorders packets of one flow
  double loss = 0;    // independent, each packet
  BurstLoss burst{};
  double reorder =
      0;  // this share of packets is held back by `reorder_delay`, past their followers
  Duration reorder_delay{};
  double duplicate = 0;               // this share is delivered twice
  std::uint64_t rate_bits_per_s = 0;  // 0: unlimited
  Duration queue{};                   // what waits longer for a limited rate is dropped
  std::uint32_t mtu = 1500;           // octets of the IP packet
  std::uint8_t flows = 1;             // ECMP siblings, chosen by the 5-tuple
  Duration flow_spread{};             // sibling k of n is k/n of this longer
  std::uint8_t hops = 0;              // virtual routers; each takes one from the TTL
  std::uint64_t dead_flows =
      0;  // bit k: sibling k swallows everything, at entry; all ones: a blackhole

  friend bool operator==(const Impairment&, const Impairment&) = default;
};

inline constexpr std::uint64_t kAllFlows = ~std::uint64_t{0};

// Whether a pair is inside a burst; `advance` moves the chain to `now` and answers. Idle time costs
// nothing: past kStepsMax transitions the state is drawn anew from its long-run share.
class BurstState {
 public:
  [[nodiscard]] bool advance(const BurstLoss& settings, MonoTime now, Rng& rng);
  // The settings changed: begin anew outside a burst.
  void reset() { started_ = false; }

 private:
  static constexpr int kStepsMax = 1'000;
  bool started_ = false;
  bool in_burst_ = false;
  MonoTime until_;
};

}  // namespace linkpilot::lab
