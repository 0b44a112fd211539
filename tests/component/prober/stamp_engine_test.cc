// Two STAMP engines over loopback sockets: real packets, real kernel stamps, exact counts.
#include <gtest/gtest.h>

#include <thread>

#include "prober/stamp/engine.h"

namespace linkpilot::prober {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;

struct TotalCounts {
  std::uint32_t sent = 0, answered = 0, lost = 0, late = 0, missed = 0, errors = 0;
  std::uint64_t sketch = 0;
};

TotalCounts total_of(const std::vector<LinkSample>& samples) {
  TotalCounts total;
  for (const LinkSample& sample : samples) {
    total.sent += sample.sent;
    total.answered += sample.answered;
    total.lost += sample.lost_forward + sample.lost_backward + sample.lost_unplaced;
    total.late += sample.late;
    total.missed += sample.missed_by_us;
    total.errors += sample.local_send_error;
    total.sketch += sample.rtt.count();
  }
  return total;
}

// A pair of nodes on one loopback address; their reflectors differ by UDP port.
class EnginePair {
 public:
  explicit EnginePair(std::string_view address, ProbeMode mode = ProbeMode::stamp)
      : address_(*IpAddress::parse(address)), mode_(mode) {
    a_ = start(NodeId(1), 21862);
    b_ = start(NodeId(2), 21863);
  }

  StampEngine& a() { return *a_; }
  StampEngine& b() { return *b_; }
  static LinkId link_ab() { return {{NodeId(1), PortIndex(0)}, {NodeId(2), PortIndex(0)}}; }
  Now now() { return clock_.now(); }

  void plan(Duration interval, std::uint8_t flows) {
    a_->apply(std::vector{planned(link_ab(), 21863, interval, flows)}, now());
    b_->apply(std::vector{planned(link_ab().reversed(), 21862, interval, flows)}, now());
  }
  void run_for(Duration time) {
    const MonoTime end = now().mono + time;
    while (now().mono < end) {
      for (const Arrival& arrival : a_->tick(now())) arrivals_a.push_back(arrival);
      for (const Arrival& arrival : b_->tick(now())) arrivals_b.push_back(arrival);
      for (LinkSample& sample : a_->take_samples(now())) samples_a.push_back(std::move(sample));
      for (LinkSample& sample : b_->take_samples(now())) samples_b.push_back(std::move(sample));
      std::this_thread::sleep_for(milliseconds(2));
    }
  }
  // Stops probing and waits until every sample is closed.
  void stop() {
    run_for(milliseconds(20));
    const auto none = std::span<const PlannedLink>();
    a_->apply(none, now());
    b_->apply(none, now());
    run_for(milliseconds(2500));
  }

  std::vector<Arrival> arrivals_a, arrivals_b;
  std::vector<LinkSample> samples_a, samples_b;

 private:
  std::unique_ptr<StampEngine> start(NodeId self, std::uint16_t port) {
    StampEngineOptions options;
    options.self = self;
    options.ports = {Port{.index = PortIndex(0),
                          .isp = "",
                          .listen = address_,
                          .advertised = address_,
                          .stamp_port = port,
                          .capacity = {},
                          .bill = ""}};
    options.answer_timeout = milliseconds(300);
    options.drain = milliseconds(600);
    options.settle = milliseconds(200);
    options.seed = self.value;
    auto engine = StampEngine::create(options);
    if (!engine) ADD_FAILURE() << engine.error().message;
    return engine ? std::move(*engine) : nullptr;
  }
  PlannedLink planned(LinkId link, std::uint16_t peer_port, Duration interval,
                      std::uint8_t flows) const {
    PlannedLink planned{.link = link,
                        .peer = {address_, peer_port},
                        .interval = interval,
                        .flows = flows,
                        .mode = mode_,
                        .secret = {}};
    if (mode_ == ProbeMode::stamp_authenticated) planned.secret.assign(32, 0x5a);
    return planned;
  }

  IpAddress address_;
  ProbeMode mode_;
  SystemClock clock_;
  std::unique_ptr<StampEngine> a_;
  std::unique_ptr<StampEngine> b_;
};

class EngineOverLoopback : public testing::TestWithParam<std::tuple<const char*, ProbeMode>> {};

TEST_P(EngineOverLoopback, AnswersEveryProbeWithKernelStampsOnBothFlows) {
  EnginePair pair(std::get<0>(GetParam()), std::get<1>(GetParam()));
  pair.plan(milliseconds(10), 2);
  pair.run_for(milliseconds(1500));
  pair.stop();

  const TotalCounts a = total_of(pair.samples_a);
  EXPECT_GE(a.sent + a.missed, 100U);
  EXPECT_EQ(a.sent, a.answered + a.late);
  EXPECT_EQ(a.lost, 0U);
  EXPECT_EQ(a.errors, 0U);
  EXPECT_EQ(a.sketch, a.answered);
  EXPECT_EQ(a.sent, pair.a().counters().probes_sent);
  EXPECT_EQ(pair.a().counters().answers_received, pair.b().counters().probes_reflected);
  EXPECT_EQ(pair.a().counters().timestamps_missing, 0U);
  ASSERT_FALSE(pair.samples_a.empty());
  for (const LinkSample& sample : pair.samples_a) {
    EXPECT_EQ(sample.link, EnginePair::link_ab());
    EXPECT_EQ(sample.timestamps, TimestampMethod::kernel);
    EXPECT_EQ(sample.duplicate_forward + sample.duplicate_backward, 0U);
    EXPECT_EQ(sample.reordered_forward + sample.reordered_backward, 0U);
    EXPECT_GT(sample.rtt_min, Duration(0));
  }
}

TEST_P(EngineOverLoopback, HearsThePeersProbesAndAnswersAsArrivalsOnBothFlows) {
  EnginePair pair(std::get<0>(GetParam()), std::get<1>(GetParam()));
  pair.plan(milliseconds(20), 2);
  pair.a().set_hearing(EnginePair::link_ab().reversed(), false, milliseconds(170));
  pair.run_for(milliseconds(300));

  ASSERT_FALSE(pair.arrivals_b.empty());
  std::array<int, 2> probes_by_flow{};
  for (const Arrival& arrival : pair.arrivals_b) {
    EXPECT_EQ(arrival.link, EnginePair::link_ab());
    EXPECT_FALSE(arrival.peer_hears_us);
    EXPECT_EQ(arrival.peer_silence, milliseconds(170));
    EXPECT_EQ(arrival.peer_interval, milliseconds(20));
    if (arrival.kind == Arrival::Kind::peer_probe) ++probes_by_flow[arrival.flow];
  }
  EXPECT_GT(probes_by_flow[0], 0);
  EXPECT_GT(probes_by_flow[1], 0);
  for (const Arrival& arrival : pair.arrivals_a) EXPECT_TRUE(arrival.peer_hears_us);
}

INSTANTIATE_TEST_SUITE_P(Families, EngineOverLoopback,
                         testing::Values(std::tuple("127.0.0.1", ProbeMode::stamp),
                                         std::tuple("::1", ProbeMode::stamp),
                                         std::tuple("127.0.0.1", ProbeMode::stamp_authenticated)));

}  // namespace
}  // namespace linkpilot::prober
