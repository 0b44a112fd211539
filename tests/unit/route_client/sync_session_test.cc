#include "agent/route_client/sync_session.h"

#include <gtest/gtest.h>

#include "tests/support/sim_clock.h"
#include "tests/unit/route_client/table_samples.h"

namespace linkpilot::route_client {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;

class SyncSessions : public testing::Test {
 protected:
  SyncSessions() { session_.on_new_connection(clock_.now()); }

  void run(Duration length) {
    for (Duration passed{}; passed < length; passed += milliseconds(100)) {
      clock_.advance(milliseconds(100));
      session_.on_tick(clock_.now());
    }
  }
  void come_online() {
    session_.on_connected(clock_.now());
    hear(Welcome{
        .id = NodeId(1), .name = "ams-1", .collector = "test", .time = {}, .acked_sequence = 0});
  }
  void hear(const CollectorMessage& message) { session_.on_message(message, clock_.now()); }
  template <typename Message>
  std::size_t taken() {
    std::size_t count = 0;
    for (const AgentMessage& message : session_.take().messages) {
      count += std::holds_alternative<Message>(message) ? 1 : 0;
    }
    return count;
  }
  [[nodiscard]] bool gives_up() const { return session_.wants_new_connection(now()); }
  [[nodiscard]] Now now() const { return clock_.at(clock_.mono()); }

  SimClock clock_;
  samples::TemporaryDirectory directory_;
  TableStore store_{{.path = directory_.file("routes.bin"), .signers = {}, .self = NodeId()}};
  SyncSession session_{store_, "ams-1", 7};
};

TEST_F(SyncSessions, GreetsOnEveryConnectionAndPingsEachSecond) {
  session_.on_connected(clock_.now());
  EXPECT_EQ(taken<Hello>(), 1U);
  come_online();
  (void)session_.take();
  run(seconds(4));
  const std::size_t pings = taken<Ping>();
  EXPECT_GE(pings, 4U);
  EXPECT_LE(pings, 5U);
}

TEST_F(SyncSessions, FiveSecondsOfSilenceMeanTheNextCollector) {
  come_online();
  run(seconds(4) + milliseconds(900));
  EXPECT_FALSE(gives_up());
  run(milliseconds(300));
  EXPECT_TRUE(gives_up());
  session_.on_new_connection(clock_.now());
  EXPECT_FALSE(gives_up()) << "the next one has five seconds of its own";
  run(seconds(6));
  EXPECT_TRUE(gives_up()) << "a collector that cannot be reached is left, too";
}

TEST_F(SyncSessions, AnythingHeardIsASignOfLife) {
  come_online();
  for (std::uint64_t i = 0; i < 10; ++i) {
    run(seconds(4));
    hear(Pong{});
    EXPECT_FALSE(gives_up());
  }
}

TEST_F(SyncSessions, AClockSteppedByAnHourIsNoSilence) {
  come_online();
  run(seconds(1));
  clock_.step_wall(std::chrono::hours(1));
  run(seconds(1));
  EXPECT_FALSE(gives_up());
}

}  // namespace
}  // namespace linkpilot::route_client
