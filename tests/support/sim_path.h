// One direction of a simulated network on virtual time: packets of any kind go in, and come out
// later, twice, out of order or never, as a seed decides. The twin of a datagram socket's other
// end.
#pragma once

#include <algorithm>
#include <cstdint>
#include <limits>
#include <optional>
#include <queue>
#include <utility>

#include "base/rng.h"
#include "base/time.h"

namespace linkpilot {

struct Impairment {
  double loss = 0;
  double duplicate = 0;
  double late_copy = 0;  // share of packets delayed by `extra`, and so overtaken
  Duration base = std::chrono::milliseconds(10);
  Duration jitter{};  // uniform in [0, jitter), on top of `base`
  Duration extra = std::chrono::milliseconds(70);
  bool cut = false;  // what enters is lost; what is on its way still arrives
};

template <typename Packet>
class SimPath {
 public:
  static constexpr MonoTime kNever{std::numeric_limits<std::int64_t>::max()};

  struct Arrival {
    MonoTime time;
    Duration delay{};
    Packet packet;
  };

  Impairment impairment;

  void send(const Packet& packet, MonoTime left, Rng& rng) {
    if (impairment.cut || chance(impairment.loss, rng)) return;
    const int copies = chance(impairment.duplicate, rng) ? 2 : 1;
    for (int copy = 0; copy < copies; ++copy) {
      Duration delay = impairment.base;
      if (impairment.jitter > Duration::zero()) {
        const auto bound = static_cast<std::uint64_t>(impairment.jitter.count());
        delay += Duration(static_cast<std::int64_t>(rng.below(bound)));
      }
      if (chance(impairment.late_copy, rng)) delay += impairment.extra;
      queue_.push({{left + delay, delay, packet}, order_++});
    }
  }

  // When the next packet arrives; kNever: nothing is on its way.
  [[nodiscard]] MonoTime next() const {
    return queue_.empty() ? kNever : queue_.top().arrival.time;
  }
  // The first packet that has arrived by `now`; those of one instant in the order they were sent.
  std::optional<Arrival> take(MonoTime now) {
    if (next() > now) return std::nullopt;
    Arrival first = queue_.top().arrival;
    queue_.pop();
    return first;
  }

 private:
  struct Entry {
    Arrival arrival;
    std::uint64_t order = 0;
    friend bool operator<(const Entry& a, const Entry& b) {
      if (a.arrival.time != b.arrival.time) return a.arrival.time > b.arrival.time;
      return a.order > b.order;
    }
  };

  static bool chance(double share, Rng& rng) { return share > 0 && rng.uniform() < share; }

  std::priority_queue<Entry> queue_;
  std::uint64_t order_ = 0;
};

}  // namespace linkpilot
