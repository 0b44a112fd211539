#include "agent/uplink/uplink.h"

#include <gtest/gtest.h>

#include <set>

#include "tests/support/sim_clock.h"

namespace linkpilot::agent {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;

class UplinkTest : public testing::Test {
 protected:
  UplinkTest() { uplink_.on_new_transport(1, now()); }

  [[nodiscard]] Now now() { return clock_.now(); }
  void hear(const CollectorMessage& message) { uplink_.on_message(message, spool_, now()); }
  void turn() {
    const SendMessage send = [this](const AgentMessage& message) {
      if (full_) return false;
      sent_.push_back(message);
      return true;
    };
    uplink_.send_bye(send);
    uplink_.send_alarms(now(), send);
    if (uplink_.hello_due()) uplink_.send_hello({}, kEpoch, send);
    uplink_.send_ping(now(), send);
    uplink_.send_reports(spool_, now(), send, [this](std::span<const std::uint8_t> bytes) {
      if (full_) return false;
      reports_.push_back(bytes.size());
      return true;
    });
  }
  void run(Duration length) {
    for (const MonoTime end = clock_.mono() + length; clock_.mono() < end;
         clock_.advance(milliseconds(5))) {
      turn();
    }
  }
  void come_online() {
    uplink_.on_connected(now());
    turn();
    hear(Welcome{NodeId{1}, "a", "test", {}, 0});
  }
  template <typename M>
  [[nodiscard]] std::size_t count() const {
    std::size_t n = 0;
    for (const auto& message : sent_) n += std::holds_alternative<M>(message) ? 1 : 0;
    return n;
  }
  // A report of that many octets, spooled.
  void spool(std::uint64_t sequence, std::size_t size, std::uint64_t epoch = kEpoch) {
    spool_.push({epoch, sequence}, std::vector<std::uint8_t>(size));
    spool_.append_started();
    spool_.on_appended(++position_);
  }
  [[nodiscard]] std::vector<ReportId> gone() const {
    std::vector<ReportId> ids;
    for (const auto& message : sent_) {
      if (const auto* m = std::get_if<ReportsGone>(&message)) ids.push_back(m->up_to);
    }
    return ids;
  }
  static Alarm alarm(std::uint16_t peer, LinkState state) {
    Alarm a;
    a.link = {{NodeId{peer}, PortIndex{0}}, {NodeId{1}, PortIndex{0}}};
    a.state = state;
    return a;
  }

  static constexpr std::uint64_t kEpoch = 7;
  SimClock clock_;
  Uplink uplink_{UplinkOptions{}, 1};
  ReportSpool spool_{ReportSpool::Options{}};
  std::uint64_t position_ = 0;
  std::vector<AgentMessage> sent_;
  std::vector<std::size_t> reports_;
  bool full_ = false;
};

TEST_F(UplinkTest, GreetsOnEveryConnectionAndSaysNothingElseBeforeTheWelcome) {
  spool(1, 3);
  uplink_.raise(alarm(2, LinkState::suspect), now());
  uplink_.on_connected(now());
  run(seconds(2));
  EXPECT_EQ(sent_.size(), 1U);
  EXPECT_EQ(count<Hello>(), 1U);
  EXPECT_TRUE(reports_.empty());
  uplink_.on_disconnected(now());
  uplink_.on_connected(now());
  turn();
  EXPECT_EQ(count<Hello>(), 2U);
}

TEST_F(UplinkTest, TriesTheHelloAgainWhileTheQueueIsFull) {
  full_ = true;
  uplink_.on_connected(now());
  run(milliseconds(100));
  full_ = false;
  turn();
  EXPECT_EQ(count<Hello>(), 1U);
}

TEST_F(UplinkTest, SendsAnAlarmAtOnceAndRepeatsItUntilStale) {
  come_online();
  uplink_.raise(alarm(2, LinkState::suspect), now());
  turn();
  EXPECT_EQ(count<Alarm>(), 1U);
  run(seconds(5));
  EXPECT_EQ(count<Alarm>(), 5U);
}

TEST_F(UplinkTest, ANewerWordOnALinkReplacesTheOneBefore) {
  come_online();
  uplink_.raise(alarm(2, LinkState::suspect), now());
  turn();
  uplink_.raise(alarm(2, LinkState::alive), now());
  run(seconds(3));
  EXPECT_EQ(count<Alarm>(), 6U);
  for (std::size_t i = sent_.size() - 3; i < sent_.size(); ++i) {
    const auto* last = std::get_if<Alarm>(&sent_[i]);
    EXPECT_TRUE(last == nullptr || last->state == LinkState::alive);
  }
}

TEST_F(UplinkTest, TellsANewCollectorWhatIsDeadButNotWhatIsAlive) {
  come_online();
  uplink_.raise(alarm(2, LinkState::dead), now());
  uplink_.raise(alarm(3, LinkState::alive), now());
  run(seconds(3));
  sent_.clear();
  uplink_.on_disconnected(now());
  come_online();
  run(seconds(3));
  EXPECT_EQ(count<Alarm>(), 5U);
}

TEST_F(UplinkTest, PingsEachSecondAndWantsANewTransportAfterFiveOfSilence) {
  come_online();
  run(milliseconds(4'995));
  EXPECT_EQ(count<Ping>(), 4U);
  EXPECT_FALSE(uplink_.wants_new_transport(now()));
  run(milliseconds(20));
  EXPECT_TRUE(uplink_.wants_new_transport(now()));
  hear(Pong{});
  EXPECT_FALSE(uplink_.wants_new_transport(now()));
}

TEST_F(UplinkTest, ARefusalIsAPause) {
  uplink_.on_connected(now());
  turn();
  hear(Refused{"another agent holds this key"});
  run(seconds(29));
  EXPECT_FALSE(uplink_.wants_new_transport(now()));
  EXPECT_EQ(count<Hello>(), 1U);
  EXPECT_EQ(uplink_.refusal(), "another agent holds this key");
  run(seconds(2));
  EXPECT_TRUE(uplink_.wants_new_transport(now()));
}

TEST_F(UplinkTest, SendsAgainWhatTheWelcomeDoesNotAcknowledge) {
  for (std::uint64_t s = 1; s <= 4; ++s) spool(s, s);
  come_online();
  run(milliseconds(100));
  EXPECT_EQ(reports_, (std::vector<std::size_t>{1}));
  hear(ReportAck{{7, 1}});
  run(milliseconds(100));
  EXPECT_EQ(reports_, (std::vector<std::size_t>{1, 2, 3}));
  uplink_.on_disconnected(now());
  uplink_.on_connected(now());
  hear(Welcome{NodeId{1}, "a", "test", {}, 2});
  reports_.clear();
  run(milliseconds(100));
  EXPECT_EQ(reports_, (std::vector<std::size_t>{3}));
  hear(ReportAck{{7, 3}});
  run(milliseconds(100));
  EXPECT_EQ(reports_, (std::vector<std::size_t>{3, 4}));
  hear(ReportAck{{7, 4}});
  EXPECT_EQ(spool_.ready(), 0U);
}

TEST_F(UplinkTest, TheWindowDoublesWithEachAcknowledgementAndClosesWithoutOne) {
  for (std::uint64_t s = 1; s <= 60; ++s) spool(s, 10);
  come_online();
  std::uint64_t acked = 0;
  for (const std::size_t window : {1U, 2U, 4U, 8U, 16U}) {
    reports_.clear();
    run(milliseconds(10));
    EXPECT_EQ(reports_.size(), window);
    acked += window;
    hear(ReportAck{{7, acked}});
  }
  reports_.clear();
  run(milliseconds(10));
  EXPECT_EQ(reports_.size(), 16U);
  EXPECT_EQ(uplink_.ack_timeouts(), 0U);
  // Nobody answers: one is tried again, after five seconds, then ten.
  reports_.clear();
  for (int second = 0; second < 16; ++second) {
    run(seconds(1));
    hear(Pong{});
  }
  EXPECT_EQ(reports_.size(), 2U);
  EXPECT_EQ(uplink_.ack_timeouts(), 2U);
}

TEST_F(UplinkTest, ReportsAreDrainedAtAPaceAndAlarmsGoAheadOfThem) {
  for (std::uint64_t s = 1; s <= 60; ++s) spool(s, 5'000);
  UplinkOptions options;
  options.report_octets_per_second = 100'000;
  options.report_octets_burst = 5'000;
  uplink_ = Uplink(options, 1);
  uplink_.on_new_transport(1, now());
  come_online();
  for (int i = 0; i < 200; ++i) {  // a second
    turn();
    clock_.advance(milliseconds(5));
    hear(ReportAck{{7, reports_.size()}});
  }
  EXPECT_GE(reports_.size(), 18U);
  EXPECT_LE(reports_.size(), 23U);
  const std::size_t before = sent_.size();
  uplink_.raise(alarm(2, LinkState::suspect), now());
  turn();
  ASSERT_GT(sent_.size(), before);
  EXPECT_TRUE(std::holds_alternative<Alarm>(sent_[before]));
}

TEST_F(UplinkTest, SaysWhichReportsWillNotCome) {
  spool(10, 1, 3);  // an older epoch, of which 9 are gone
  spool(5, 1);
  spool(6, 1);
  spool(9, 1);
  uplink_.on_connected(now());
  turn();
  hear(Welcome{NodeId{1}, "a", "test", {}, 4});
  for (const ReportId id : {ReportId{3, 10}, ReportId{7, 5}, ReportId{7, 6}, ReportId{7, 9}}) {
    run(milliseconds(10));
    hear(ReportAck{id});
  }
  EXPECT_EQ(gone(), (std::vector<ReportId>{{3, 9}, {7, 8}}));
  EXPECT_EQ(reports_.size(), 4U);
}

TEST_F(UplinkTest, GoesBackWhenTheCollectorAsks) {
  for (std::uint64_t s = 1; s <= 3; ++s) spool(s, s);
  come_online();
  hear(ReportAck{{7, 3}});
  hear(ResendFrom{{7, 2}});
  const auto resend = spool_.take_resend();
  ASSERT_TRUE(resend);
  EXPECT_EQ(resend->sequence, 2U);
}

// How long until an attempt is made again, for `attempts` failures in a row.
std::vector<Duration> delays(std::uint64_t seed, std::size_t choices, int attempts) {
  Uplink uplink(UplinkOptions{}, seed);
  MonoTime time{1'000'000'000};
  std::vector<Duration> all;
  for (int i = 0; i < attempts; ++i) {
    uplink.on_new_transport(choices, {time, {}});
    uplink.on_disconnected({time, {}});
    const MonoTime from = time;
    while (!uplink.wants_new_transport({time, {}})) time = time + milliseconds(1);
    all.push_back(time - from);
  }
  return all;
}

TEST_F(UplinkTest, AttemptsThatFailAreSpacedByAGrowingRandomDelay) {
  const std::vector<Duration> waits = delays(1, 1, 8);
  const Duration longest[] = {milliseconds(500), seconds(1), seconds(2), seconds(4),
                              seconds(4),        seconds(4), seconds(4), seconds(4)};
  for (std::size_t i = 0; i < waits.size(); ++i) {
    EXPECT_LE(waits[i], longest[i] + milliseconds(1)) << i;
    EXPECT_GE(waits[i], longest[i] / 2) << i;
  }
  EXPECT_NE(delays(1, 1, 3), delays(2, 1, 3));
}

TEST_F(UplinkTest, EveryAddressIsTriedBeforeThereIsAnyWaiting) {
  const std::vector<Duration> waits = delays(1, 3, 6);
  for (const std::size_t i : {0U, 1U, 3U, 4U}) EXPECT_LE(waits[i], milliseconds(101)) << i;
  for (const std::size_t i : {2U, 5U}) EXPECT_GE(waits[i], milliseconds(250)) << i;
}

TEST_F(UplinkTest, AfterAConnectionThatStoodAFleetComesBackSpread) {
  std::set<std::int64_t> moments;
  for (std::uint64_t agent = 0; agent < 500; ++agent) {
    Uplink uplink(UplinkOptions{}, agent);
    ReportSpool spool{ReportSpool::Options{}};
    const MonoTime start{1'000'000'000};
    uplink.on_new_transport(1, {start, {}});
    uplink.on_connected({start, {}});
    uplink.on_message(Welcome{}, spool, {start, {}});
    uplink.on_disconnected({start, {}});
    int waited = 0;
    while (!uplink.wants_new_transport({start + milliseconds(waited), {}})) ++waited;
    EXPECT_LE(waited, 501);
    moments.insert(waited / 50);
  }
  EXPECT_GE(moments.size(), 10U);
}

TEST_F(UplinkTest, AFullQueueLosesNoReport) {
  come_online();
  spool(1, 1);
  full_ = true;
  run(milliseconds(100));
  full_ = false;
  run(milliseconds(100));
  EXPECT_EQ(reports_.size(), 1U);
}

TEST_F(UplinkTest, TakesItsLeaveAtOnceAndEndsWhenAllIsAcknowledged) {
  come_online();
  EXPECT_FALSE(uplink_.has_left(spool_, now()));
  spool(1, 10);
  uplink_.take_leave(ByeReason::restart, now());
  uplink_.take_leave(ByeReason::stop, now());
  run(milliseconds(50));
  ASSERT_EQ(count<Bye>(), 1U) << "once";
  for (const auto& message : sent_) {
    const auto* bye = std::get_if<Bye>(&message);
    if (bye != nullptr) {
      EXPECT_EQ(bye->reason, ByeReason::restart);
    }
  }
  EXPECT_FALSE(uplink_.has_left(spool_, now()));
  hear(ByeAck{seconds(10)});
  EXPECT_FALSE(uplink_.has_left(spool_, now())) << "a report is under way";
  hear(ReportAck{{kEpoch, 1}});
  EXPECT_TRUE(uplink_.has_left(spool_, now()));
}

TEST_F(UplinkTest, DoesNotWaitForACollectorThatSaysNothingOrIsNotThere) {
  come_online();
  uplink_.take_leave(ByeReason::stop, now());
  run(milliseconds(450));
  EXPECT_FALSE(uplink_.has_left(spool_, now()));
  run(milliseconds(60));
  EXPECT_TRUE(uplink_.has_left(spool_, now()));

  Uplink alone(UplinkOptions{}, 1);
  alone.on_new_transport(1, now());
  alone.take_leave(ByeReason::stop, now());
  EXPECT_TRUE(alone.has_left(spool_, now()));
}

TEST_F(UplinkTest, TriesTheByeAgainWhileTheQueueIsFull) {
  come_online();
  full_ = true;
  uplink_.take_leave(ByeReason::stop, now());
  run(milliseconds(50));
  full_ = false;
  turn();
  EXPECT_EQ(count<Bye>(), 1U);
}

}  // namespace
}  // namespace linkpilot::agent
