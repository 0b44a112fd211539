#include "prober/stamp/sender_session.h"

#include <gtest/gtest.h>

#include <vector>

namespace linkpilot::prober {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;

Now time_at(Duration mono) {
  return {.mono = MonoTime{mono.count()}, .wall = UnixNanos{mono.count()}};
}

SenderOptions some_options(Duration interval, std::uint8_t flows = 1) {
  return {.link = {{NodeId(7), PortIndex(0)}, {NodeId(9), PortIndex(1)}},
          .interval = interval,
          .flows = flows};
}

std::vector<SenderSession::Due> all_due(SenderSession& session, Duration now) {
  std::vector<SenderSession::Due> due;
  while (const auto next = session.take_due(time_at(now))) due.push_back(*next);
  return due;
}

TEST(SenderSession, KeepsAnAbsoluteScheduleWhateverTheTick) {
  SenderSession session(some_options(milliseconds(50)), MonoTime{7'000'000});
  std::size_t sent = 0;
  for (Duration now{}; now < seconds(60); now += milliseconds(9)) {
    sent += all_due(session, now).size();
  }
  EXPECT_EQ(sent, 1200U);
  EXPECT_EQ(session.next_due(), MonoTime{7'000'000} + milliseconds(50) * 1200);
  EXPECT_EQ(session.missed_total(), 0U);
}

TEST(SenderSession, GoesRoundItsFlowsWithASequenceEach) {
  SenderSession session(some_options(milliseconds(10), 3), MonoTime{});
  std::vector<std::pair<int, std::uint32_t>> seen;
  for (int i = 0; i < 6; ++i) {
    for (const auto& due : all_due(session, milliseconds(10) * i)) {
      seen.emplace_back(due.flow, due.sequence);
    }
  }
  const std::vector<std::pair<int, std::uint32_t>> want{{0, 0}, {1, 0}, {2, 0},
                                                        {0, 1}, {1, 1}, {2, 1}};
  EXPECT_EQ(seen, want);
}

TEST(SenderSession, CountsWhatItCouldNotSendInTimeAsMissedNotAsLost) {
  SenderSession session(some_options(milliseconds(50)), MonoTime{});
  EXPECT_EQ(all_due(session, milliseconds(0)).size(), 1U);
  // Nothing runs for 1.02 s: slots 50 .. 950 are more than a period late, 1000 is not.
  EXPECT_EQ(all_due(session, milliseconds(1020)).size(), 1U);
  EXPECT_EQ(session.missed_total(), 19U);
  EXPECT_EQ(session.next_due(), MonoTime{} + milliseconds(1050));

  std::uint32_t missed = 0;
  while (const auto sample = session.take_sample(time_at(seconds(30)).mono)) {
    missed += sample->missed_by_us;
  }
  EXPECT_EQ(missed, 19U);
}

TEST(SenderSession, CatchesUpWithAFastScheduleOnASlowTick) {
  SenderSession session(some_options(milliseconds(1)), MonoTime{});
  all_due(session, milliseconds(0));
  EXPECT_EQ(all_due(session, milliseconds(10)).size(), 10U);
  EXPECT_EQ(session.missed_total(), 0U);
}

TEST(SenderSession, KeepsSequencesWhenRepaced) {
  SenderSession session(some_options(seconds(1)), MonoTime{});
  all_due(session, seconds(0));
  session.repace(milliseconds(50), 2, MonoTime{} + milliseconds(1020));
  EXPECT_EQ(session.next_due(), MonoTime{} + milliseconds(1020));
  const auto due = all_due(session, milliseconds(1070));
  ASSERT_EQ(due.size(), 2U);
  EXPECT_EQ(due[0].flow, 0);
  EXPECT_EQ(due[0].sequence, 1U);
  EXPECT_EQ(due[1].flow, 1);
  EXPECT_EQ(due[1].sequence, 0U);
}

TEST(SenderSession, SendsABurstBesideItsSchedule) {
  SenderSession session(some_options(seconds(1), 2), MonoTime{});
  all_due(session, milliseconds(0));
  session.burst(32, milliseconds(1), MonoTime{} + milliseconds(100));
  std::size_t sent = 0;
  for (Duration now = milliseconds(100); now < milliseconds(200); now += milliseconds(5)) {
    sent += all_due(session, now).size();
  }
  EXPECT_EQ(sent, 32U);
  EXPECT_EQ(session.next_due(), MonoTime{} + seconds(1));
}

TEST(SenderSession, CountsALocalSendErrorApartFromLoss) {
  SenderSession session(some_options(milliseconds(500)), MonoTime{});
  session.on_send_error(all_due(session, milliseconds(0)).at(0));
  all_due(session, milliseconds(500));
  const auto sample = session.take_sample(time_at(seconds(10)).mono);
  ASSERT_TRUE(sample.has_value());
  EXPECT_EQ(sample->local_send_error, 1U);
  EXPECT_EQ(sample->sent, 1U);
  EXPECT_EQ(sample->lost_unplaced, 1U);
}

TEST(SenderSession, HoldsASampleWithOpenProbesUntilTheDrain) {
  SenderSession session(some_options(milliseconds(500)), MonoTime{});
  all_due(session, milliseconds(0));
  EXPECT_FALSE(session.take_sample(time_at(milliseconds(3999)).mono).has_value());
  EXPECT_TRUE(session.take_sample(time_at(milliseconds(4000)).mono).has_value());
  EXPECT_FALSE(session.has_open_intervals());
}

TEST(SenderSession, WritesItsLinkItsPaceAndWhatItHears) {
  SenderSession session(some_options(milliseconds(50)), MonoTime{});
  session.set_hearing({.hears = false, .silence = milliseconds(190)});
  const auto due = all_due(session, milliseconds(0)).at(0);
  std::vector<std::uint8_t> bytes(session.packet_size());
  session.write_probe(due, UnixNanos{5}, ErrorEstimate::of(milliseconds(1), true), bytes);
  const auto packet = decode_sender_packet(bytes, PacketMode::unauthenticated, Strictness::strict);
  EXPECT_EQ(packet->ssid, 7);
  EXPECT_TRUE(packet->error.synchronized);
  const KnownTlvs known = read_tlvs(std::span(bytes).subspan(kUnauthenticatedSize));
  ASSERT_TRUE(known.link.has_value());
  EXPECT_FALSE(known.link->hears);
  EXPECT_EQ(known.link->silence, milliseconds(190));
  EXPECT_EQ(known.link->interval, milliseconds(50));
  EXPECT_FALSE(known.link->answer);
}

TEST(SenderSession, RefusesAnswersItDidNotAskFor) {
  SenderSession session(some_options(milliseconds(50)), MonoTime{});
  all_due(session, milliseconds(0));
  ReflectorPacket packet;
  packet.ssid = 7;
  packet.sender_sequence = 0;
  std::vector<std::uint8_t> bytes(session.packet_size());
  const auto verdict_of = [&](const std::vector<std::uint8_t>& answer, std::uint8_t flow = 0) {
    return session.on_answer({.bytes = answer, .flow = flow, .received = MonoTime{1000}}).verdict;
  };
  using Verdict = SenderSession::Verdict;
  packet.sender_sequence = 1;
  encode(packet, PacketMode::unauthenticated, bytes);
  EXPECT_EQ(verdict_of(bytes), Verdict::unmatched);
  packet.sender_sequence = 0;
  packet.ssid = 8;
  encode(packet, PacketMode::unauthenticated, bytes);
  EXPECT_EQ(verdict_of(bytes), Verdict::unmatched);
  packet.ssid = 7;
  encode(packet, PacketMode::unauthenticated, bytes);
  EXPECT_EQ(verdict_of(bytes, 1), Verdict::unmatched);
  EXPECT_EQ(verdict_of(std::vector<std::uint8_t>(bytes.begin(), bytes.begin() + 43)),
            Verdict::malformed);
  EXPECT_EQ(verdict_of(std::vector<std::uint8_t>(session.packet_size() + 1)), Verdict::malformed);
  EXPECT_EQ(verdict_of(bytes), Verdict::accepted);
}

}  // namespace
}  // namespace linkpilot::prober
