#include "prober/stamp/probe_phase.h"

#include <gtest/gtest.h>

namespace linkpilot::prober {
namespace {

using std::chrono::milliseconds;

constexpr Duration kInterval = milliseconds(50);

// The steering end and a peer whose probes arrive at a fixed phase, without ticks and jitter.
struct Loop {
  Duration round_trip;
  MonoTime probe{1'000'000'000};
  MonoTime peer_probe{1'000'000'000};
  ProbePhase phase{};

  // One interval; the step that follows its probe.
  Duration turn(Duration interval = kInterval, Duration peer_interval = kInterval) {
    phase.on_peer_probe(peer_probe, peer_interval);
    phase.on_answer_sent(peer_probe);
    phase.on_probe_sent(probe);
    const Duration step = phase.step(interval);
    phase.on_answer(probe + round_trip);
    probe += interval + step;
    peer_probe += peer_interval;
    return step;
  }
};

TEST(ProbePhase, ComesToRestAQuarterApartAtBothEndsWhateverTheRoundTrip) {
  for (int rtt = 0; rtt < 120; ++rtt) {
    for (int start = 0; start < 50; start += 3) {
      SCOPED_TRACE(testing::Message() << "round trip " << rtt << " ms, from " << start << " ms");
      Loop loop{.round_trip = milliseconds(rtt)};
      loop.probe += milliseconds(start);
      for (int i = 0; i < 80; ++i) {
        EXPECT_LE(std::chrono::abs(loop.turn()), kInterval / 100);
      }
      EXPECT_GE(loop.phase.apart(kInterval), kInterval / 4 - kInterval / 16 - milliseconds(1));
      for (int i = 0; i < 20; ++i) EXPECT_EQ(loop.turn(), Duration::zero());
    }
  }
}

TEST(ProbePhase, LeavesAPhaseThatIsGoodWhereItIs) {
  Loop loop{.round_trip = milliseconds(50)};
  loop.probe += milliseconds(24);
  for (int i = 0; i < 20; ++i) EXPECT_EQ(loop.turn(), Duration::zero());
}

TEST(ProbePhase, MovesNothingAtDifferentRatesOnSlowLinksOrOnOldNews) {
  Loop other_rate{.round_trip = milliseconds(20)};
  for (int i = 0; i < 20; ++i) EXPECT_EQ(other_rate.turn(kInterval, kInterval * 2), Duration());
  Loop slow{.round_trip = milliseconds(20)};
  for (int i = 0; i < 5; ++i) {
    EXPECT_EQ(slow.turn(std::chrono::seconds(1), std::chrono::seconds(1)), Duration());
  }
  Loop silent{.round_trip = milliseconds(0)};
  silent.turn();
  silent.turn();
  EXPECT_NE(silent.phase.step(kInterval), Duration()) << "probe and answer leave together";
  silent.phase.on_probe_sent(silent.probe + kInterval * 20);
  EXPECT_EQ(silent.phase.step(kInterval), Duration());
  EXPECT_EQ(ProbePhase().step(kInterval), Duration()) << "nothing is known yet";
}

}  // namespace
}  // namespace linkpilot::prober
