// Days of a lossy link in seconds of computing: the fate of every probe and answer is drawn for the
// whole stretch, then both ends' real Detectors run only where it could matter to them.
//
// Why that loses nothing: a suspicion needs `missed_min` = 7 expected arrivals missed in a row and
// a margin, so at least 160 ms without any arrival. In 160 ms at least two probes of the peer and
// two answers would have arrived, whatever the phases, with up to kJitterMax of jitter. So where no
// two probes in a row are lost at about the time of two lost answers in a row, nothing happens;
// around each other place the simulation runs from 2 s before (more than a detector remembers)
// until the link is clear again. A test compares this with a simulation of everything.
//
// Where the ends' probes come to rest is found first, without loss, by the real steering
// (prober/stamp/probe_phase.h); there they stay, since steering moves nothing that is good enough.
//
// Loss is independent, or comes in bursts stepped in time: a direction is good or bad for
// exponentially distributed times, whether or not somebody sends.
#pragma once

#include <algorithm>
#include <array>
#include <cmath>
#include <cstdint>
#include <vector>

#include "base/assert.h"
#include "tests/support/link_simulation.h"

namespace linkpilot::agent {

struct NoiseOptions {
  double loss = 0.03;     // mean share of packets
  Duration burst_mean{};  // zero: independent losses
  Duration delay_ab = std::chrono::milliseconds(20);
  Duration delay_ba = std::chrono::milliseconds(20);
  Duration jitter = std::chrono::milliseconds(2);
  DetectorOptions detector{};
  bool steer = true;  // phases come to rest apart, not where they were drawn
  std::uint64_t seed = 1;
};

class LinkNoise {
 public:
  static constexpr Duration kInterval = std::chrono::milliseconds(50);
  static constexpr Duration kTick = std::chrono::milliseconds(5);
  static constexpr Duration kJitterMax = std::chrono::milliseconds(10);

  struct Skip {
    std::size_t end = 0;
    MonoTime from;
    MonoTime until;
    friend bool operator==(const Skip&, const Skip&) = default;
  };

  LinkNoise(const NoiseOptions& options, Duration length)
      : options_(options), count_(static_cast<std::uint64_t>(length / kInterval)) {
    LP_ASSERT(options.jitter <= kJitterMax);
    if (options.steer) first_due_ = settled_phases();
    const LinkSimulation phases = simulation(MonoTime{});
    first_probe_ = {phases.first_probe(0), phases.first_probe(1)};
    for (std::size_t from : {0, 1}) {
      for (Bits& bits : lost_[from]) bits.assign(count_ / 64 + 2, 0);
    }
    Rng rng(mix(options.seed));
    for (std::size_t from : {0, 1}) {
      if (options_.burst_mean > Duration::zero()) {
        draw_bursts(from, length, rng);
      } else {
        for (Bits& bits : lost_[from]) draw_losses(bits, rng);
      }
    }
  }

  // All skips of either end, simulated only where losses meet.
  [[nodiscard]] std::vector<Skip> skips() {
    std::vector<Skip> found;
    const std::vector<std::uint64_t> meetings = places();
    std::uint64_t done = 0;
    for (std::size_t i = 0; i < meetings.size();) {
      const std::uint64_t begin = meetings[i] > kBefore ? meetings[i] - kBefore : 0;
      LinkSimulation sim = simulation(at(begin));
      std::uint64_t ran = begin;
      std::uint64_t end = meetings[i];
      do {
        // As long as places follow one another, they are one stretch.
        if (i == meetings.size() || meetings[i] > end) end += kAfter;
        for (; i < meetings.size() && meetings[i] <= end; ++i) end = meetings[i] + kAfter;
        end = std::min(end, count_);
        sim.run_for(kInterval * static_cast<std::int64_t>(end - ran));
        ran = end;
      } while (end < count_ && !is_clear(sim));
      take(sim, at(begin), at(done), found);
      done = end;
      ++simulated_;
    }
    return found;
  }
  // The same by simulating everything.
  [[nodiscard]] std::vector<Skip> skips_of_everything() {
    std::vector<Skip> found;
    LinkSimulation sim = simulation(MonoTime{});
    sim.run_for(kInterval * static_cast<std::int64_t>(count_));
    take(sim, MonoTime{}, MonoTime{}, found);
    return found;
  }

  [[nodiscard]] std::uint64_t probes() const { return 2 * count_; }
  [[nodiscard]] std::uint64_t simulated() const { return simulated_; }
  [[nodiscard]] double measured_loss() const {
    std::uint64_t lost = 0;
    for (std::size_t from : {0, 1}) {
      for (std::uint64_t n = 0; n < count_; ++n) lost += bit(lost_[from][kProbes], n) ? 1 : 0;
    }
    return static_cast<double>(lost) / static_cast<double>(probes());
  }

 private:
  using Bits = std::vector<std::uint64_t>;
  enum Kind : std::size_t { kProbes = 0, kAnswers = 1 };
  struct Burst {
    std::int64_t begin_ns;
    std::int64_t end_ns;
  };
  static constexpr Duration kSettle = std::chrono::seconds(20);
  static constexpr std::uint64_t kBefore = 40;
  static constexpr std::uint64_t kAfter = 60;
  // How far, in probes, losses of answers may be from losses of probes to count as meeting.
  static constexpr std::int64_t kReach = 4;

  static MonoTime at(std::uint64_t number) {
    return MonoTime{} + kInterval * static_cast<std::int64_t>(number);
  }
  static bool bit(const Bits& bits, std::uint64_t n) {
    return (bits[n / 64] >> (n % 64) & 1U) != 0;
  }
  static void set(Bits& bits, std::uint64_t n) { bits[n / 64] |= std::uint64_t{1} << (n % 64); }
  static std::uint64_t mix(std::uint64_t value) { return Rng(value).next(); }
  static bool is_clear(const LinkSimulation& sim) {
    return sim.marks(0) == LinkSimulation::Marks{} && sim.marks(1) == LinkSimulation::Marks{};
  }
  static double exponential(double mean, Rng& rng) { return -mean * std::log1p(-rng.uniform()); }

  // When the first probe of each end is due if the phases are where steering leaves them.
  [[nodiscard]] std::array<MonoTime, 2> settled_phases() const {
    LinkSimulationOptions options = simulation_options();
    options.steer = true;
    Rng rng(mix(options_.seed));
    const auto bound = static_cast<std::uint64_t>(options_.jitter.count());
    options.fate = [&rng, bound](const SimulatedPacket&) {
      return PacketFate{false,
                        Duration(static_cast<std::int64_t>(bound == 0 ? 0 : rng.below(bound)))};
    };
    LinkSimulation sim(options);
    sim.run_for(kSettle);
    std::array<MonoTime, 2> due{};
    for (std::size_t end : {0, 1})
      due[end] = MonoTime{} + (sim.next_probe(end) - MonoTime{}) % kInterval;
    return due;
  }
  [[nodiscard]] LinkSimulationOptions simulation_options() const {
    return {.delay_ab = options_.delay_ab,
            .delay_ba = options_.delay_ba,
            .interval = kInterval,
            .tick = kTick,
            .detector = options_.detector,
            .seed = options_.seed,
            .steer = false,
            .first_due = first_due_};
  }

  // Phases depend on the seed alone, so a simulation may begin at any multiple of the interval.
  [[nodiscard]] LinkSimulation simulation(MonoTime begin) const {
    const std::uint64_t first = static_cast<std::uint64_t>((begin - MonoTime{}) / kInterval);
    LinkSimulationOptions options = simulation_options();
    options.fate = [this, begin, first](const SimulatedPacket& packet) {
      return fate(packet, first + packet.number, packet.left + (begin - MonoTime{}));
    };
    return LinkSimulation(options);
  }

  [[nodiscard]] PacketFate fate(const SimulatedPacket& packet, std::uint64_t number,
                                MonoTime left) const {
    const std::uint64_t key = mix(options_.seed ^ mix(static_cast<std::uint64_t>(left.ns)) ^
                                  (packet.from << 1U | (packet.is_answer ? 1U : 0U)) << 32U ^
                                  (packet.of_burst ? packet.number + 1 : 0));
    Rng rng(key);
    PacketFate out;
    if (options_.jitter > Duration::zero()) {
      const auto bound = static_cast<std::uint64_t>(options_.jitter.count());
      out.jitter = Duration(static_cast<std::int64_t>(rng.below(bound)));
    }
    if (options_.burst_mean > Duration::zero()) {
      out.lost = is_bad(packet.from, left);
    } else if (packet.of_burst) {
      out.lost = rng.uniform() < options_.loss;
    } else {
      const Bits& bits = lost_[packet.from][packet.is_answer ? kAnswers : kProbes];
      out.lost = number < count_ && bit(bits, number);
    }
    return out;
  }

  void draw_losses(Bits& bits, Rng& rng) const {
    if (options_.loss <= 0) return;
    const double scale = 1.0 / std::log1p(-options_.loss);  // gaps between losses are geometric
    for (double n = 0;; n += 1) {
      n += std::floor(std::log1p(-rng.uniform()) * scale);
      if (n >= static_cast<double>(count_)) return;
      set(bits, static_cast<std::uint64_t>(n));
    }
  }

  // The bursts, and which packets they can hit: probes exactly, answers at the latest and earliest
  // their jitter allows.
  void draw_bursts(std::size_t from, Duration length, Rng& rng) {
    const auto bad = static_cast<double>(options_.burst_mean.count());
    const double good = bad * (1 - options_.loss) / options_.loss;
    const Duration there = from == 0 ? options_.delay_ba : options_.delay_ab;
    const std::int64_t probe = first_probe_[from].ns;
    const std::int64_t answer = (first_probe_[1 - from] + there).ns;
    const std::int64_t play = (options_.jitter + kTick).count();
    double time = 0;
    while (time < static_cast<double>(length.count())) {
      time += exponential(good, rng);
      const auto begin = static_cast<std::int64_t>(time);
      time += exponential(bad, rng);
      const auto end = static_cast<std::int64_t>(time);
      bursts_[from].push_back({begin, end});
      hit(lost_[from][kProbes], probe, begin, end);
      hit(lost_[from][kAnswers], answer, begin - play, end);
    }
  }
  void hit(Bits& bits, std::int64_t first, std::int64_t begin, std::int64_t end) const {
    const std::int64_t step = kInterval.count();
    for (std::int64_t n = std::max<std::int64_t>(0, (begin - first + step - 1) / step);
         n < static_cast<std::int64_t>(count_) && first + n * step < end; ++n) {
      set(bits, static_cast<std::uint64_t>(n));
    }
  }
  [[nodiscard]] bool is_bad(std::size_t from, MonoTime time) const {
    const std::vector<Burst>& bursts = bursts_[from];
    const auto after =
        std::upper_bound(bursts.begin(), bursts.end(), time.ns,
                         [](std::int64_t t, const Burst& burst) { return t < burst.begin_ns; });
    return after != bursts.begin() && time.ns < std::prev(after)->end_ns;
  }

  // Numbers of probes at which losses meet, for either end, in order.
  [[nodiscard]] std::vector<std::uint64_t> places() const {
    std::vector<std::uint64_t> found;
    for (std::size_t end : {0, 1}) {
      const std::size_t peer = 1 - end;
      const Bits& probes = lost_[peer][kProbes];
      const Duration apart = first_probe_[peer] +
                             (peer == 0 ? options_.delay_ab : options_.delay_ba) -
                             (first_probe_[end] + options_.delay_ab + options_.delay_ba);
      const std::int64_t shift = apart / kInterval;
      for (std::size_t word = 0; word < probes.size(); ++word) {
        const std::uint64_t next = word + 1 < probes.size() ? probes[word + 1] : 0;
        std::uint64_t pairs = probes[word] & (probes[word] >> 1U | next << 63U);
        for (; pairs != 0; pairs &= pairs - 1) {
          const auto n = word * 64 + static_cast<std::uint64_t>(__builtin_ctzll(pairs));
          if (answers_fail_near(end, static_cast<std::int64_t>(n) + shift)) found.push_back(n);
        }
      }
    }
    std::sort(found.begin(), found.end());
    return found;
  }
  [[nodiscard]] bool answers_fail_near(std::size_t end, std::int64_t number) const {
    const auto fails = [&](std::int64_t n) {
      if (n < 0 || n >= static_cast<std::int64_t>(count_)) return true;
      const auto at = static_cast<std::uint64_t>(n);
      return bit(lost_[end][kProbes], at) || bit(lost_[1 - end][kAnswers], at);
    };
    for (std::int64_t n = number - kReach; n < number + kReach; ++n) {
      if (fails(n) && fails(n + 1)) return true;
    }
    return false;
  }

  void take(const LinkSimulation& sim, MonoTime begin, MonoTime from,
            std::vector<Skip>& out) const {
    const Duration shift = begin - MonoTime{};
    for (std::size_t end : {0, 1}) {
      for (const LinkSimulation::Skip& skip : sim.skips(end)) {
        if (skip.from + shift < from) continue;  // told by the stretch before
        const MonoTime until = skip.until.ns == 0 ? skip.until : skip.until + shift;
        out.push_back({end, skip.from + shift, until});
      }
    }
    std::sort(out.begin(), out.end(), [](const Skip& a, const Skip& b) {
      return a.from != b.from ? a.from < b.from : a.end < b.end;
    });
  }

  NoiseOptions options_;
  std::uint64_t count_;  // probes each way
  std::optional<std::array<MonoTime, 2>> first_due_;
  std::array<MonoTime, 2> first_probe_;
  std::array<std::array<Bits, 2>, 2> lost_;  // by sender, by kind
  std::array<std::vector<Burst>, 2> bursts_;
  std::uint64_t simulated_ = 0;
};

}  // namespace linkpilot::agent
