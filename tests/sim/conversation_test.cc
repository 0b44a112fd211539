// An agent's Uplink and a collector's Ingest, joined by the simulated transport on virtual time:
// what the two promise each other when one of them is killed, cut off, or has its clock stepped.
#include <gtest/gtest.h>

#include "agent/uplink/uplink.h"
#include "tests/support/collector_fakes.h"
#include "tests/support/memory_spool_files.h"
#include "tests/support/sim_transport.h"

namespace linkpilot {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;

Report report_of(std::uint64_t epoch, std::uint64_t sequence, UnixNanos wall) {
  Report out;
  out.id = {epoch, sequence};
  out.created = wall;
  LinkSample sample;
  sample.link = {{NodeId{1}, PortIndex{0}}, {NodeId{2}, PortIndex{0}}};
  sample.length = seconds(1);
  sample.start = wall - sample.length;
  sample.sent = sample.answered = 20;
  sample.rtt_min = sample.rtt_max = milliseconds(10);
  sample.rtt_sum = milliseconds(200);
  for (int i = 0; i < 20; ++i) sample.rtt.add(milliseconds(10));
  out.links.push_back(sample);
  return out;
}

class Conversation : public testing::Test {
 protected:
  static constexpr std::uint64_t kEpoch = 5;

  Conversation()
      : transport_([this](const PeerId& from, std::span<const std::uint8_t> bytes) {
          if (collector_runs_) collector_.ingest.on_message(from, bytes, collector_.now);
        }) {
    connect();
  }

  void connect() {
    uplink_.on_new_transport(1, clock_.now());
    client_ = transport_.connect(
        "ka",
        [this](std::span<const std::uint8_t> bytes) {
          const Result<CollectorMessage> message = schemas::decode_collector_message(bytes);
          ASSERT_TRUE(message);
          uplink_.on_message(*message, spool_, clock_.now());
        },
        [this](MessageClient::State state) {
          if (state == MessageClient::State::connected) uplink_.on_connected(clock_.now());
          if (state == MessageClient::State::disconnected) uplink_.on_disconnected(clock_.now());
        });
  }

  void turn() {
    transport_.deliver();
    for (const auto& [to, message] : std::exchange(collector_.messages, {})) {
      transport_.server().send(to, schemas::encode(message));
    }
    const agent::SendMessage send = [this](const AgentMessage& message) {
      return client_->send(schemas::encode(message));
    };
    uplink_.send_alarms(clock_.now(), send);
    if (uplink_.hello_due()) uplink_.send_hello(greeting(), kEpoch, send);
    uplink_.send_ping(clock_.now(), send);
    feed_files();
    uplink_.send_reports(spool_, clock_.now(), send, [this](std::span<const std::uint8_t> bytes) {
      return client_->send(bytes);
    });
    if (uplink_.wants_new_transport(clock_.now())) {
      ++transports_;
      connect();
    }
    clock_.advance(milliseconds(5));
    collector_.pass(milliseconds(5));
  }
  void run(Duration length, bool disk_works = true) {
    for (Duration passed{}; passed < length; passed += milliseconds(5)) {
      turn();
      if (disk_works && collector_runs_) collector_.ingest.on_commit(collector_.store.commit());
    }
  }
  void measure() {
    const Report report = report_of(kEpoch, ++sequence_, clock_.now().wall);
    const schemas::Octets octets = schemas::encode(AgentMessage(report));
    spool_.push(report.id, {octets.begin(), octets.end()});
    feed_files();
  }
  // What the agent has its file thread do, here at once.
  void feed_files() {
    while (const agent::SpooledReport* report = spool_.next_append()) {
      const agent::SpooledReport copy = *report;
      spool_.append_started();
      spool_.on_appended(log_.append(copy));
    }
    while (const auto acked = spool_.take_acknowledgement()) log_.acknowledge(*acked);
    while (const auto first = spool_.take_resend()) log_.resend(*first);
    while (const auto after = spool_.next_read()) {
      spool_.read_started();
      spool_.on_read(log_.read(*after, std::size_t{256} << 10));
    }
  }
  [[nodiscard]] std::uint64_t spooled() {
    feed_files();
    return log_.figures().reports;
  }

  static agent::Greeting greeting() {
    Port port;
    port.advertised = IpAddress::v4(192, 0, 2, 1);
    agent::Greeting out;
    out.self.name = "a";
    out.self.ports = {port};
    out.run_id = 1;
    return out;
  }

  SimClock clock_;  // the agent's; the collector has its own
  collector::IngestBench collector_;
  bool collector_runs_ = true;
  SimTransport transport_;
  agent::Uplink uplink_{agent::UplinkOptions{}, 1};
  agent::ReportSpool spool_{agent::ReportSpool::Options{}};
  agent::SpoolLog log_{
      {}, std::make_unique<agent::MemorySpoolFiles>(std::make_shared<agent::MemoryDisk>())};
  std::unique_ptr<MessageClient> client_;
  std::uint64_t sequence_ = 0;
  int transports_ = 0;
};

TEST_F(Conversation, ReportsLeaveTheSpoolWhenTheyAreDurableAndNotBefore) {
  run(milliseconds(50));
  ASSERT_TRUE(uplink_.online());
  for (int i = 0; i < 5; ++i) measure();
  run(milliseconds(100), /*disk_works=*/false);
  EXPECT_EQ(collector_.store.reports.size(), 1U) << "the window opens with the acknowledgements";
  EXPECT_EQ(spooled(), 5U);
  run(milliseconds(50));
  EXPECT_EQ(collector_.store.reports.size(), 5U);
  EXPECT_EQ(spooled(), 0U);
}

TEST_F(Conversation, ACutConnectionLosesNoReportAndCountsNoneTwice) {
  run(milliseconds(50));
  for (int i = 0; i < 3; ++i) measure();
  run(milliseconds(20), /*disk_works=*/false);  // arrived, the acknowledgement did not leave
  transport_.drop_all();
  EXPECT_FALSE(uplink_.online());
  for (int i = 0; i < 3; ++i) measure();
  connect();
  run(milliseconds(200));
  EXPECT_TRUE(uplink_.online());
  EXPECT_EQ(spooled(), 0U);
  EXPECT_EQ(collector_.store.reports.size(), 6U);
  EXPECT_EQ(collector_.ingest.counters().samples_folded, 6U);
}

TEST_F(Conversation, ACollectorThatFallsSilentIsLeftAfterFiveSecondsAndFoundAgain) {
  run(seconds(2));
  EXPECT_EQ(transports_, 0);
  collector_runs_ = false;  // the connection stands, nobody answers
  measure();
  run(milliseconds(3'900));  // the last pong may be a second old
  EXPECT_EQ(transports_, 0);
  run(milliseconds(1'200));
  EXPECT_EQ(transports_, 1);
  collector_runs_ = true;
  run(seconds(7));  // the Hello of that connection was lost: one silence more
  EXPECT_TRUE(uplink_.online());
  EXPECT_EQ(spooled(), 0U);
}

TEST_F(Conversation, AnAgentsClockSteppedByAnHourBreaksNothing) {
  run(milliseconds(50));
  for (const auto step : {std::chrono::hours(1), std::chrono::hours(-2)}) {
    clock_.step_wall(step);
    measure();
    run(seconds(2));
    EXPECT_TRUE(uplink_.online());
    EXPECT_EQ(spooled(), 0U);
  }
  EXPECT_EQ(transports_, 0) << "silence is judged on the monotonic clock";
  EXPECT_EQ(collector_.store.reports.size(), 2U);
}

TEST_F(Conversation, OfTwoAgentsWithOneIdTheOlderIsToldAndReturnsWhenTheNewerIsGone) {
  run(milliseconds(50));
  bool welcome = false;
  auto other = transport_.connect(
      "ka",
      [&](std::span<const std::uint8_t> bytes) {
        const Result<CollectorMessage> message = schemas::decode_collector_message(bytes);
        ASSERT_TRUE(message);
        welcome = welcome || std::holds_alternative<Welcome>(*message);
      },
      [](MessageClient::State) {});
  transport_.deliver();
  agent::Greeting twin = greeting();
  twin.run_id = 2;
  agent::Uplink uplink{agent::UplinkOptions{}, 2};
  uplink.on_connected(clock_.now());
  uplink.send_hello(twin, kEpoch + 1, [&](const AgentMessage& message) {
    return other->send(schemas::encode(message));
  });
  measure();
  run(seconds(2));
  EXPECT_TRUE(welcome);
  EXPECT_EQ(uplink_.state(), agent::UplinkState::refused);
  EXPECT_NE(uplink_.refusal(), "");
  EXPECT_EQ(spooled(), 1U) << "kept for a better time";
  other.reset();
  run(seconds(60));
  EXPECT_TRUE(uplink_.online());
  EXPECT_EQ(spooled(), 0U);
}

TEST_F(Conversation, AFullQueueIsCountedAndDrainedLater) {
  run(milliseconds(50));
  for (std::uint64_t i = 0; i < 400; ++i) measure();
  for (int i = 0; i < 300; ++i) {
    uplink_.send_ping(clock_.now(), [this](const AgentMessage& message) {
      return client_->send(schemas::encode(message));
    });
    (void)client_->send(schemas::encode(AgentMessage(Ping{})));
  }
  EXPECT_GT(client_->counters().dropped_queue_full, 0U);
  run(seconds(2));
  EXPECT_EQ(spooled(), 0U);
  EXPECT_EQ(collector_.store.reports.size(), 400U);
}

}  // namespace
}  // namespace linkpilot
