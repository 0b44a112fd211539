// Sender and reflector together, over a network whose every decision is known: what the samples say
// must be what happened, exactly and per direction.
#include <gtest/gtest.h>

#include "tests/support/stamp_sim.h"

namespace linkpilot::prober {
namespace {

using std::chrono::microseconds;
using std::chrono::milliseconds;
using std::chrono::seconds;

SenderOptions some_options(std::uint8_t flows = 2) {
  return {.link = {{NodeId(7), PortIndex(0)}, {NodeId(9), PortIndex(1)}},
          .interval = milliseconds(10),
          .flows = flows,
          .answer_timeout = milliseconds(500),
          .drain = seconds(2)};
}

MonoTime at_seconds(int count) { return MonoTime{std::int64_t{count} * 1'000'000'000}; }

Truth total_of(const std::vector<LinkSample>& samples) {
  Truth total;
  for (const LinkSample& sample : samples) {
    total.sent += sample.sent;
    total.answered += sample.answered;
    total.late += sample.late;
    total.lost_forward += sample.lost_forward;
    total.lost_backward += sample.lost_backward;
    total.duplicate_forward += sample.duplicate_forward;
    total.duplicate_backward += sample.duplicate_backward;
    total.reordered_forward += sample.reordered_forward;
    total.reordered_backward += sample.reordered_backward;
    total.rtt_sum += sample.rtt_sum;
  }
  return total;
}

std::uint32_t unplaced_of(const std::vector<LinkSample>& samples) {
  std::uint32_t total = 0;
  for (const LinkSample& sample : samples) total += sample.lost_unplaced;
  return total;
}

void expect_counts_equal(const Truth& got, const Truth& want) {
  EXPECT_EQ(got.sent, want.sent);
  EXPECT_EQ(got.answered, want.answered);
  EXPECT_EQ(got.late, want.late);
  EXPECT_EQ(got.lost_forward, want.lost_forward);
  EXPECT_EQ(got.lost_backward, want.lost_backward);
  EXPECT_EQ(got.duplicate_forward, want.duplicate_forward);
  EXPECT_EQ(got.duplicate_backward, want.duplicate_backward);
  EXPECT_EQ(got.reordered_forward, want.reordered_forward);
  EXPECT_EQ(got.reordered_backward, want.reordered_backward);
}

// A clean second at the end lets the reflector say what it still has to say.
void run_impaired_then_clean(StampSim& sim, int impaired_seconds) {
  sim.run_until(at_seconds(impaired_seconds));
  sim.forward() = {};
  sim.backward() = {};
  sim.run_until(at_seconds(impaired_seconds + 1));
  sim.sender.stop();
  sim.run_until(at_seconds(impaired_seconds + 6));
}

TEST(StampExchange, MeasuresTheExactRttOfEveryProbeWithKernelStamps) {
  StampSim sim(some_options(), 1);
  sim.forward().jitter = milliseconds(3);
  sim.backward().jitter = milliseconds(5);
  sim.run_until(at_seconds(10));
  sim.sender.stop();
  sim.run_until(at_seconds(15));

  const Truth got = total_of(sim.samples);
  expect_counts_equal(got, sim.truth());
  // The last answer of each flow has none behind it to bring its kernel T3: 4 us early each.
  EXPECT_EQ(got.rtt_sum, sim.truth().rtt_sum + 2 * sim.stamp_lead);
  for (const LinkSample& sample : sim.samples) {
    EXPECT_EQ(sample.timestamps, TimestampMethod::kernel);
    EXPECT_EQ(sample.rtt.count(), sample.answered);
  }
}

class ImpairedExchange : public testing::TestWithParam<std::uint64_t> {};

TEST_P(ImpairedExchange, ReportsLossDuplicatesAndOrderExactlyPerDirection) {
  StampSim sim(some_options(), GetParam());
  sim.forward() = {.loss = 0.08,
                   .duplicate = 0.05,
                   .late_copy = 0.04,
                   .base = milliseconds(20),
                   .jitter = milliseconds(25)};
  sim.backward() = {.loss = 0.12,
                    .duplicate = 0.03,
                    .late_copy = 0.06,
                    .base = milliseconds(35),
                    .jitter = milliseconds(15)};
  run_impaired_then_clean(sim, 30);

  const Truth got = total_of(sim.samples);
  const Truth want = sim.truth();
  expect_counts_equal(got, want);
  EXPECT_EQ(unplaced_of(sim.samples), 0U);
  EXPECT_GT(want.lost_forward, 100U);
  EXPECT_GT(want.lost_backward, 100U);
  EXPECT_GT(want.duplicate_forward, 50U);
  EXPECT_GT(want.reordered_backward, 50U);
  for (const LinkSample& sample : sim.samples) {
    EXPECT_EQ(sample.sent, sample.answered + sample.late + sample.lost_forward +
                               sample.lost_backward + sample.lost_unplaced);
  }
}

INSTANTIATE_TEST_SUITE_P(Seeds, ImpairedExchange, testing::Range<std::uint64_t>(1, 33));

TEST(StampExchange, TellsLateAnswersFromLostOnes) {
  SenderOptions options = some_options(1);
  options.answer_timeout = milliseconds(60);
  StampSim sim(options, 3);
  sim.backward() = {.loss = 0.1, .late_copy = 0.2, .base = milliseconds(10)};
  run_impaired_then_clean(sim, 10);
  expect_counts_equal(total_of(sim.samples), sim.truth());
  EXPECT_GT(sim.truth().late, 50U);
  EXPECT_GT(sim.truth().lost_backward, 50U);
}

TEST(StampExchange, PlacesALongOneWayOutageInItsDirection) {
  for (const bool forward : {true, false}) {
    SCOPED_TRACE(forward ? "forward" : "backward");
    StampSim sim(some_options(), 4);
    sim.run_until(at_seconds(2));
    (forward ? sim.forward() : sim.backward()).loss = 1;
    sim.run_until(MonoTime{2'400'000'000});  // 40 probes, inside the window of each flow
    run_impaired_then_clean(sim, 3);
    const Truth got = total_of(sim.samples);
    expect_counts_equal(got, sim.truth());
    EXPECT_EQ(forward ? got.lost_forward : got.lost_backward, sim.truth().sent - got.answered);
    EXPECT_EQ(unplaced_of(sim.samples), 0U);
  }
}

TEST(StampExchange, LeavesUnplacedWhatNoWindowCovered) {
  StampSim sim(some_options(1), 5);
  sim.run_until(at_seconds(2));
  sim.backward().loss = 1;
  sim.run_until(at_seconds(5));  // 300 probes of one flow; the window holds 64
  sim.backward().loss = 0;
  sim.run_until(at_seconds(6));
  sim.sender.stop();
  sim.run_until(at_seconds(10));
  const Truth got = total_of(sim.samples);
  EXPECT_EQ(got.sent, sim.truth().sent);
  EXPECT_EQ(got.lost_forward, 0U);
  EXPECT_GE(got.lost_backward, 63U);
  EXPECT_EQ(got.lost_backward + unplaced_of(sim.samples), sim.truth().lost_backward);
}

TEST(StampExchange, TakesARestartedReflectorAsANewEpochNotAsLoss) {
  StampSim sim(some_options(), 6);
  sim.forward().base = sim.backward().base =
      milliseconds(2);  // nothing under way between two probes
  sim.run_until(at_seconds(3));
  sim.restart_reflector();
  sim.run_until(at_seconds(6));
  sim.sender.stop();
  sim.run_until(at_seconds(10));
  const Truth got = total_of(sim.samples);
  expect_counts_equal(got, sim.truth());
  EXPECT_EQ(got.answered, got.sent);
}

TEST(StampExchange, CountsAReflectorsDownTimeAsUnplacedLoss) {
  StampSim sim(some_options(1), 7);
  sim.forward().base = sim.backward().base = milliseconds(2);
  sim.run_until(at_seconds(3));
  sim.forward().loss = 1;  // what reaches a dead process reaches nobody
  sim.run_until(MonoTime{3'200'000'000});
  sim.forward().loss = 0;
  sim.restart_reflector();
  sim.run_until(at_seconds(6));
  sim.sender.stop();
  sim.run_until(at_seconds(10));
  const Truth got = total_of(sim.samples);
  EXPECT_EQ(got.answered, sim.truth().answered);
  EXPECT_EQ(got.lost_forward + got.lost_backward + unplaced_of(sim.samples),
            sim.truth().lost_forward);
  EXPECT_EQ(got.duplicate_forward + got.reordered_forward, 0U);
}

TEST(StampExchange, StartsAnewWhenTheSenderDoes) {
  StampSim sim(some_options(1), 8);
  sim.run_until(at_seconds(3));
  // The same address, port and SSID; sequences from zero; a later start.
  const MonoTime restart = at_seconds(5);
  SenderOptions later = some_options(1);
  later.epoch = 2;
  sim.sender = SenderSession(later, restart);
  const std::uint32_t sent_before = sim.truth().sent;
  const std::uint32_t answered_before = sim.truth().answered;
  sim.samples.clear();
  sim.run_until(at_seconds(8));
  sim.sender.stop();
  sim.run_until(at_seconds(12));
  const Truth got = total_of(sim.samples);
  EXPECT_EQ(got.sent, sim.truth().sent - sent_before);
  EXPECT_EQ(got.answered, got.sent);
  EXPECT_GE(sim.truth().answered, answered_before);
}

TEST(StampExchange, GivesOneWayDelaysOnlyWhenBothClocksAreSynchronised) {
  struct Case {
    const char* name;
    bool here;
    bool there;
  };
  for (const Case& c : {Case{"neither", false, false}, Case{"here", true, false},
                        Case{"there", false, true}, Case{"both", true, true}}) {
    SCOPED_TRACE(c.name);
    StampSim sim(some_options(1), 9);
    sim.forward().base = milliseconds(30);
    sim.backward().base = milliseconds(12);
    sim.remote_wall_offset = microseconds(250);
    if (c.here) sim.own_clock_error = microseconds(300);
    sim.remote_error = ErrorEstimate::of(microseconds(400), c.there);
    sim.run_until(at_seconds(2));
    sim.sender.stop();
    sim.run_until(at_seconds(5));
    ASSERT_FALSE(sim.samples.empty());
    const LinkSample& sample = sim.samples[0];
    if (!(c.here && c.there)) {
      EXPECT_EQ(sample.forward_delay, OneWayDelay{});
      EXPECT_EQ(sample.backward_delay, OneWayDelay{});
      continue;
    }
    EXPECT_EQ(sample.forward_delay.count, sample.answered);
    EXPECT_EQ(sample.forward_delay.min, milliseconds(30) + microseconds(250));
    EXPECT_EQ(sample.backward_delay.min, milliseconds(12) - microseconds(250));
    EXPECT_GE(sample.forward_delay.error, microseconds(700));
    EXPECT_LE(sample.forward_delay.error, microseconds(720));
  }
}

TEST(StampExchange, RefusesRttsThatAStepOfTheReflectorsClockWouldFalsify) {
  for (const Duration step : {Duration(std::chrono::hours(1)), Duration(-std::chrono::hours(1))}) {
    StampSim sim(some_options(1), 10);
    sim.tap_answer = [&sim, step, count = 0](std::vector<std::uint8_t>& bytes) mutable {
      if (++count == 50) {  // the step falls between T2 and T3 of this answer
        const UnixNanos t3 = StampSim::at(sim.now).wall + step;
        write_transmit_timestamp(encode_timestamp(t3, TimestampFormat::ntp),
                                 PacketMode::unauthenticated, bytes);
      }
      return true;
    };
    sim.stamp_lead = Duration(0);
    sim.kernel_stamps = false;  // or the follow-up would mend it
    sim.run_until(at_seconds(2));
    sim.sender.stop();
    sim.run_until(at_seconds(5));
    const Truth got = total_of(sim.samples);
    EXPECT_EQ(got.answered, sim.truth().answered);
    std::uint64_t measured = 0;
    for (const LinkSample& sample : sim.samples) {
      measured += sample.rtt.count();
      EXPECT_LE(sample.rtt_max, milliseconds(21));
    }
    EXPECT_EQ(measured, got.answered - 1);
  }
}

TEST(StampExchange, AuthenticatesBothWaysAndRefusesForgedAnswers) {
  SenderOptions options = some_options(1);
  options.mode = ProbeMode::stamp_authenticated;
  options.key = derive_session_key({}, options.link.from.node, 0);  // the simulation's empty secret
  StampSim sim(options, 11);
  std::uint32_t answers = 0;
  std::uint32_t forged = 0;
  sim.tap_answer = [&](std::vector<std::uint8_t>& bytes) {
    if (++answers % 10 != 0) return true;
    bytes[40] ^= 1;
    ++forged;
    return true;
  };
  sim.run_until(at_seconds(2));
  sim.tap_answer = [](auto&) { return true; };
  sim.run_until(at_seconds(3));
  sim.sender.stop();
  sim.run_until(at_seconds(7));
  const Truth got = total_of(sim.samples);
  EXPECT_GT(forged, 10U);
  EXPECT_EQ(got.lost_backward, forged);
  EXPECT_EQ(got.answered + got.lost_backward, got.sent);
}

TEST(StampExchange, MeasuresATwampLightPeerRoundTripOnly) {
  SenderOptions options = some_options(1);
  options.mode = ProbeMode::twamp_light;
  StampSim sim(options, 12);
  sim.forward().loss = 0.1;
  sim.tap_answer = [](std::vector<std::uint8_t>& bytes) {
    bytes.resize(38);  // as twampy answers
    return true;
  };
  sim.run_until(at_seconds(5));
  sim.sender.stop();
  sim.run_until(at_seconds(9));
  const Truth got = total_of(sim.samples);
  EXPECT_EQ(got.answered, sim.truth().answered);
  EXPECT_EQ(got.lost_forward + got.lost_backward, 0U);
  EXPECT_EQ(unplaced_of(sim.samples), sim.truth().lost_forward);
  EXPECT_TRUE(sim.samples[0].nonconformant_peer);
}

// The three steps by which the collector leads a pair over: both learn the new secret, then probe
// under it, then forget the old one; with packets on their way at every step.
void change_seal_under_way(ProbeMode before, ProbeMode after) {
  const std::vector<std::uint8_t> secret(32, 9);
  const std::uint32_t epoch = 8;
  const auto key = [&](ProbeMode mode, bool is_new) -> std::optional<SessionKey> {
    if (mode != ProbeMode::stamp_authenticated) return std::nullopt;
    if (is_new) return derive_session_key(secret, NodeId(7), epoch);
    return derive_session_key({}, NodeId(7), 0);
  };
  SenderOptions options = some_options();
  options.mode = before;
  options.key = key(before, false);
  StampSim sim(options, 11);
  sim.forward().jitter = milliseconds(30);
  sim.backward().jitter = milliseconds(30);
  PlannedLink peer{.link = options.link.reversed(),
                   .peer = {IpAddress::v4(192, 0, 2, 1), 862},
                   .mode = before,
                   .secret = {}};
  peer.also_mode = after;
  peer.also_secret = secret;
  peer.also_secret_epoch = epoch;
  sim.run_until(at_seconds(2));
  sim.reflector->set_peers(std::vector{peer});
  sim.run_until(at_seconds(4));
  sim.sender.reseal(after, key(after, true), sim.now);
  sim.run_until(at_seconds(6));
  std::swap(peer.mode, peer.also_mode);
  std::swap(peer.secret, peer.also_secret);
  std::swap(peer.secret_epoch, peer.also_secret_epoch);
  sim.reflector->set_peers(std::vector{peer});
  sim.run_until(at_seconds(8));
  peer.also_mode = ProbeMode::unspecified;
  sim.reflector->set_peers(std::vector{peer});
  run_impaired_then_clean(sim, 10);

  const Truth got = total_of(sim.samples);
  expect_counts_equal(got, sim.truth());
  EXPECT_EQ(got.sent, got.answered);
  EXPECT_GE(got.sent, 1000U);
  EXPECT_EQ(got.duplicate_forward + got.duplicate_backward, 0U);
}

TEST(StampExchange, AChangeOfTheSecretLosesNoProbe) {
  change_seal_under_way(ProbeMode::stamp_authenticated, ProbeMode::stamp_authenticated);
}

TEST(StampExchange, BeginningAndEndingToHaveASecretLosesNoProbe) {
  change_seal_under_way(ProbeMode::stamp, ProbeMode::stamp_authenticated);
  change_seal_under_way(ProbeMode::stamp_authenticated, ProbeMode::stamp);
}

}  // namespace
}  // namespace linkpilot::prober
