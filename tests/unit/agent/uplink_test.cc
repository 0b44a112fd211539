#include "agent/uplink/uplink.h"

#include <gtest/gtest.h>

#include "tests/support/sim_clock.h"

namespace linkpilot::agent {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;

class UplinkTest : public testing::Test {
 protected:
  UplinkTest() : uplink_(UplinkOptions{}), spool_({}, 7) { uplink_.on_new_transport(now()); }

  [[nodiscard]] Now now() { return clock_.now(); }
  void hear(const CollectorMessage& message) { uplink_.on_message(message, spool_, now()); }
  void turn() {
    const SendMessage send = [this](const AgentMessage& message) {
      if (full_) return false;
      sent_.push_back(message);
      return true;
    };
    uplink_.send_alarms(now(), send);
    if (uplink_.hello_due()) uplink_.send_hello({}, spool_.epoch(), send);
    uplink_.send_ping(now(), send);
    uplink_.send_reports(spool_, [this](std::span<const std::uint8_t> bytes) {
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
  static Alarm alarm(std::uint16_t peer, LinkState state) {
    Alarm a;
    a.link = {{NodeId{peer}, PortIndex{0}}, {NodeId{1}, PortIndex{0}}};
    a.state = state;
    return a;
  }

  SimClock clock_;
  Uplink uplink_;
  ReportSpool spool_;
  std::vector<AgentMessage> sent_;
  std::vector<std::size_t> reports_;
  bool full_ = false;
};

TEST_F(UplinkTest, GreetsOnEveryConnectionAndSaysNothingElseBeforeTheWelcome) {
  spool_.push(1, {1, 2, 3});
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
  for (std::uint64_t s = 1; s <= 4; ++s) spool_.push(s, std::vector<std::uint8_t>(s));
  come_online();
  run(milliseconds(100));
  EXPECT_EQ(reports_, (std::vector<std::size_t>{1, 2, 3, 4}));
  uplink_.on_disconnected(now());
  uplink_.on_connected(now());
  hear(Welcome{NodeId{1}, "a", "test", {}, 2});
  reports_.clear();
  run(milliseconds(100));
  EXPECT_EQ(reports_, (std::vector<std::size_t>{3, 4}));
  hear(ReportAck{{7, 4}});
  EXPECT_EQ(spool_.reports(), 0U);
}

TEST_F(UplinkTest, AFullQueueLosesNoReport) {
  come_online();
  spool_.push(1, {1});
  full_ = true;
  run(milliseconds(100));
  full_ = false;
  run(milliseconds(100));
  EXPECT_EQ(reports_.size(), 1U);
}

}  // namespace
}  // namespace linkpilot::agent
