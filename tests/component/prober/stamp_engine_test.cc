// Two STAMP engines over loopback sockets: real packets, real kernel stamps, exact counts.
#include <gtest/gtest.h>

#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <optional>
#include <thread>

#include "base/rng.h"
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

// Of the kernel's choice, and free a moment ago: other runs of these tests work beside this one.
std::uint16_t free_udp_port() {
  const int fd = ::socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  socklen_t length = sizeof(address);
  EXPECT_EQ(::bind(fd, reinterpret_cast<sockaddr*>(&address), length), 0);
  EXPECT_EQ(::getsockname(fd, reinterpret_cast<sockaddr*>(&address), &length), 0);
  ::close(fd);
  return ntohs(address.sin_port);
}

// A pair of nodes on one loopback address; their reflectors differ by UDP port.
class EnginePair {
 public:
  explicit EnginePair(std::string_view address, ProbeMode mode = ProbeMode::stamp,
                      KernelClockState clock_state = {})
      : address_(*IpAddress::parse(address)), mode_(mode), clock_state_(clock_state) {
    a_ = start(NodeId(1), port_a_);
    b_ = start(NodeId(2), port_b_);
  }

  StampEngine& a() { return *a_; }
  StampEngine& b() { return *b_; }
  [[nodiscard]] std::uint16_t port_a() const { return port_a_; }
  [[nodiscard]] std::uint16_t port_b() const { return port_b_; }
  static LinkId link_ab() { return {{NodeId(1), PortIndex(0)}, {NodeId(2), PortIndex(0)}}; }
  Now now() { return clock_.now(); }

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
  void plan(Duration interval, std::uint8_t flows) {
    a_->apply(std::vector{planned(link_ab(), port_b_, interval, flows)}, now());
    b_->apply(std::vector{planned(link_ab().reversed(), port_a_, interval, flows)}, now());
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
    options.clock_state = [this] { return clock_state_; };
    auto engine = StampEngine::create(options);
    if (!engine) ADD_FAILURE() << engine.error().message;
    return engine ? std::move(*engine) : nullptr;
  }
  std::uint16_t port_a_ = free_udp_port();
  std::uint16_t port_b_ = free_udp_port();
  IpAddress address_;
  ProbeMode mode_;
  KernelClockState clock_state_;
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

TEST(StampEngine, SteersItsProbesAwayFromItsAnswers) {
  EnginePair pair("127.0.0.1");
  pair.plan(milliseconds(50), 1);
  pair.run_for(seconds(4));
  pair.arrivals_a.clear();
  pair.run_for(seconds(2));
  // How long before each answer to A the newest probe of B arrived, as a distance from zero.
  std::vector<Duration> apart;
  std::optional<MonoTime> probe;
  for (const Arrival& arrival : pair.arrivals_a) {
    if (arrival.kind == Arrival::Kind::peer_probe) {
      probe = arrival.received_mono;
    } else if (probe) {
      const Duration after = (arrival.received_mono - *probe) % milliseconds(50);
      apart.push_back(std::min(after, milliseconds(50) - after));
    }
  }
  ASSERT_GT(apart.size(), 10U);
  std::ranges::sort(apart);
  // Without a round trip to speak of, half an interval is where it should be.
  EXPECT_GT(apart[apart.size() / 2], milliseconds(15));
}

TEST(StampEngine, KeepsSequencesAndPhaseOfLinksThatStayInThePlan) {
  EnginePair pair("127.0.0.1");
  pair.plan(milliseconds(20), 1);
  pair.run_for(milliseconds(200));
  for (int i = 0; i < 20; ++i) {  // the same plan again and again: nothing may start anew
    pair.plan(milliseconds(20), 1);
    pair.run_for(milliseconds(10));
  }
  pair.plan(milliseconds(10), 2);  // another pace: the same session
  pair.run_for(milliseconds(200));
  pair.stop();
  const TotalCounts a = total_of(pair.samples_a);
  EXPECT_EQ(a.lost, 0U);
  EXPECT_EQ(a.sent, a.answered + a.late);
  EXPECT_EQ(pair.b().counters().refused_replay, 0U);
  EXPECT_GE(a.sent + a.missed, 30U);
}

TEST(StampEngine, TakesUpALinkThatLeftThePlanForAMoment) {
  EnginePair pair("127.0.0.1");
  for (int i = 0; i < 5; ++i) {
    pair.plan(milliseconds(10), 1);
    pair.run_for(milliseconds(60));
    pair.a().apply({}, pair.now());
    pair.run_for(milliseconds(15));
  }
  pair.stop();
  const TotalCounts a = total_of(pair.samples_a);
  EXPECT_EQ(a.lost, 0U);
  EXPECT_EQ(pair.b().counters().refused_replay, 0U);
}

TEST(StampEngine, StretchesAPlanAboveItsCeilingAndSaysSo) {
  EnginePair pair("127.0.0.1");
  const PlannedLink greedy = pair.planned(EnginePair::link_ab(), pair.port_b(), Duration(1000), 1);
  const ApplyOutcome outcome = pair.a().apply(std::vector{greedy}, pair.now());
  EXPECT_EQ(outcome.sessions, 1U);
  EXPECT_EQ(outcome.capped, 1U);
  pair.run_for(milliseconds(200));
  EXPECT_LE(pair.a().counters().probes_sent, 20'000U);  // the default ceiling, for a whole second
}

TEST(StampEngine, CountsWhatTheKernelRefusesAsItsOwnErrorAndKeepsStampsRight) {
  EnginePair pair("127.0.0.1");
  pair.plan(milliseconds(10), 1);
  PlannedLink refused = pair.planned(EnginePair::link_ab(), 862, milliseconds(10), 1);
  refused.link.to = {NodeId(3), PortIndex(0)};
  refused.peer.address = IpAddress::v4(255, 255, 255, 255);  // broadcast: EACCES
  const PlannedLink good = pair.planned(EnginePair::link_ab(), pair.port_b(), milliseconds(10), 1);
  pair.a().apply(std::vector{refused, good}, pair.now());
  pair.run_for(milliseconds(500));
  pair.stop();
  TotalCounts to_refused;
  for (const LinkSample& sample : pair.samples_a) {
    if (sample.link.to.node == NodeId(3)) {
      EXPECT_EQ(sample.sent, 0U);
      to_refused.errors += sample.local_send_error;
      continue;
    }
    EXPECT_EQ(sample.local_send_error, 0U);
    EXPECT_EQ(sample.sent, sample.answered + sample.late);
    EXPECT_EQ(sample.rtt.count(), sample.answered);
  }
  EXPECT_GT(to_refused.errors, 10U);
  EXPECT_EQ(pair.a().counters().send_errors, to_refused.errors);
}

TEST(StampEngine, SendsABurstOnAllFlowsOfTheLink) {
  EnginePair pair("127.0.0.1");
  pair.plan(seconds(1), 2);
  pair.a().burst(EnginePair::link_ab(), 32, milliseconds(1), pair.now());
  pair.run_for(milliseconds(150));
  std::array<int, 2> heard{};
  for (const Arrival& arrival : pair.arrivals_b) {
    if (arrival.kind == Arrival::Kind::peer_probe) ++heard[arrival.flow];
  }
  EXPECT_GE(heard[0] + heard[1], 32);
  EXPECT_GE(heard[0], 16);
  EXPECT_GE(heard[1], 16);
}

TEST(StampEngine, ReportsOneWayDelaysWhenBothKernelsAreSynchronised) {
  EnginePair pair("127.0.0.1", ProbeMode::stamp,
                  {.synchronized = true, .max_error = std::chrono::microseconds(100)});
  pair.plan(milliseconds(10), 1);
  pair.run_for(milliseconds(300));
  pair.stop();
  ASSERT_FALSE(pair.samples_a.empty());
  for (const LinkSample& sample : pair.samples_a) {
    EXPECT_EQ(sample.forward_delay.count, sample.answered);
    EXPECT_GE(sample.forward_delay.error, std::chrono::microseconds(200));
  }
}

TEST(StampEngine, RefusesGarbageStrangersAndReplaysWithoutAnAnswer) {
  EnginePair pair("127.0.0.1");
  pair.plan(milliseconds(50), 1);
  pair.run_for(milliseconds(100));
  const std::uint64_t reflected_to = pair.a().counters().probes_reflected;
  const int stranger = socket(AF_INET, SOCK_DGRAM, 0);
  ASSERT_GE(stranger, 0);
  sockaddr_in to{};
  to.sin_family = AF_INET;
  to.sin_port = htons(pair.port_a());
  to.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  Rng rng(7);
  for (int i = 0; i < 1000; ++i) {
    std::vector<std::uint8_t> bytes(rng.below(1600));
    for (std::uint8_t& octet : bytes) octet = static_cast<std::uint8_t>(rng.next());
    if (bytes.size() > 16) bytes[15] = bytes[14] = 0;  // SSID zero: nobody's
    sendto(stranger, bytes.data(), bytes.size(), 0, reinterpret_cast<const sockaddr*>(&to),
           sizeof to);
  }
  pair.run_for(milliseconds(100));
  char answer = 0;
  EXPECT_LT(recv(stranger, &answer, 1, MSG_DONTWAIT), 0);
  close(stranger);
  const StampCounters& counters = pair.a().counters();
  EXPECT_EQ(counters.refused_malformed + counters.refused_unknown_session, 1000U);
  EXPECT_GT(counters.probes_reflected, reflected_to);  // the peer is served all the same
}

TEST(StampEngine, SaysWhichAddressCannotBeBound) {
  StampEngineOptions options;
  options.self = NodeId(1);
  options.ports.push_back({.index = PortIndex(0),
                           .isp = "",
                           .listen = IpAddress::v4(192, 0, 2, 77),
                           .advertised = {},
                           .stamp_port = 21899,
                           .capacity = {},
                           .bill = ""});
  const auto engine = StampEngine::create(options);
  ASSERT_FALSE(engine.has_value());
  EXPECT_NE(engine.error().message.find("192.0.2.77:21899"), std::string::npos);
}

}  // namespace
}  // namespace linkpilot::prober
