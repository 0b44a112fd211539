#include "prober/path/trace.h"

#include <gtest/gtest.h>
#include <rapidcheck/gtest.h>

#include "base/rng.h"
#include "prober/path/multipath.h"
#include "tests/support/path_network.h"

namespace linkpilot::prober {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;

constexpr MonoTime kStart{5'000'000'000};

IpAddress router_address(unsigned hop, unsigned sibling = 0) {
  return IpAddress::v4(10, 0, static_cast<std::uint8_t>(hop), static_cast<std::uint8_t>(sibling));
}

// `hops` routers, the last the destination; hop i answers after i milliseconds.
FakeNetwork row_of(unsigned hops, bool v4 = true) {
  FakeNetwork network;
  for (unsigned i = 1; i <= hops; ++i) {
    IpAddress address = router_address(i);
    if (!v4) {
      address = IpAddress::parse("2001:db8::").value();
      address.octets[15] = static_cast<std::uint8_t>(i);
    }
    network.routers.push_back({.addresses = {address}, .rtt = milliseconds(i)});
  }
  return network;
}

TraceOptions to_end_of(const FakeNetwork& network) {
  TraceOptions options;
  options.first.destination = network.routers.back().addresses.front();
  options.first.source = options.first.destination.is_v4()
                             ? IpAddress::v4(192, 0, 2, 1)
                             : IpAddress::parse("2001:db8:ffff::1").value();
  options.first.source_port = 20000;
  options.first.destination_port = 33434;
  options.secret = 0x5eed5eed12345678;
  options.packets_per_second = 1000;
  return options;
}

TraceReport traced(FakeNetwork& network, const TraceOptions& options, Duration* took = nullptr) {
  Trace trace(options, kStart);
  const Duration needed = run_on(network, trace, kStart);
  if (took != nullptr) *took = needed;
  return trace.report();
}

void expect_row(const FlowPath& path, const FakeNetwork& network) {
  ASSERT_EQ(path.end, FlowEnd::reached);
  ASSERT_EQ(path.hops.size(), network.routers.size());
  for (std::size_t i = 0; i < path.hops.size(); ++i) {
    const FakeRouter& router = network.routers[i];
    EXPECT_EQ(path.hops[i].ttl, i + 1);
    EXPECT_EQ(path.hops[i].silent(), !router.answers);
    if (!router.answers) continue;
    EXPECT_EQ(path.hops[i].address(),
              router.addresses[path.flow.source_port % router.addresses.size()]);
    EXPECT_EQ(path.hops[i].is_destination, i + 1 == path.hops.size());
  }
}

TEST(Trace, FindsEveryHopOfEveryFlowInOrder) {
  for (const bool v4 : {true, false}) {
    FakeNetwork network = row_of(15, v4);
    TraceOptions options = to_end_of(network);
    options.flows = 8;
    const TraceReport report = traced(network, options);
    ASSERT_EQ(report.flows.size(), 8U);
    for (const FlowPath& path : report.flows) expect_row(path, network);
    EXPECT_EQ(report.counters.not_ours + report.counters.malformed, 0U);
    EXPECT_LE(network.packets, 8 * 15 + 5U) << "few probes beyond the destination";
    EXPECT_EQ(report.width, 1U);
    EXPECT_TRUE(report.blames.empty());
  }
}

TEST(Trace, AsksManyHopsAtOnce) {
  FakeNetwork network = row_of(15);
  for (unsigned i = 0; i < 15; ++i) network.routers[i].rtt = milliseconds(20 * (i + 1));
  TraceOptions options = to_end_of(network);
  Duration took{};
  expect_row(traced(network, options, &took).flows[0], network);
  // One after another it would be 2400 ms.
  EXPECT_LE(took, milliseconds(800));
}

TEST(Trace, StaysWithinItsRate) {
  FakeNetwork network = row_of(10);
  TraceOptions options = to_end_of(network);
  options.flows = 20;
  options.packets_per_second = 100;
  Duration took{};
  const TraceReport report = traced(network, options, &took);
  EXPECT_GE(took, milliseconds(10) * (report.counters.sent - 2));
}

TEST(Trace, MeasuresDelayAndJitterOverRounds) {
  FakeNetwork network = row_of(3);
  TraceOptions options = to_end_of(network);
  options.rounds = 10;
  Duration took{};
  const TraceReport report = traced(network, options, &took);
  const PathHop& hop = report.flows[0].hops[1];
  EXPECT_EQ(hop.probes, (LossCount{0, 10}));
  EXPECT_EQ(hop.rtt.count, 10U);
  EXPECT_EQ(hop.rtt.mean(), milliseconds(2));
  EXPECT_EQ(hop.rtt.jitter(), Duration(0));
  EXPECT_EQ(hop.return_hops(), 2);
  EXPECT_EQ(report.rounds, 10U);
  EXPECT_EQ(took / seconds(1), 9) << "rounds begin on a schedule";
}

TEST(RttSummary, JitterIsTheMeanStep) {
  RttSummary rtt;
  for (const int ms : {10, 14, 12}) rtt.add(milliseconds(ms));
  EXPECT_EQ(rtt.jitter(), milliseconds(3));
  EXPECT_EQ(rtt.mean(), milliseconds(12));
  EXPECT_EQ(rtt.least, milliseconds(10));
  EXPECT_EQ(rtt.most, milliseconds(14));
}

TEST(Trace, GoesPastSilentHops) {
  FakeNetwork network = row_of(12);
  for (const std::size_t hop : {0, 4, 5, 6, 7}) network.routers[hop].answers = false;
  TraceOptions options = to_end_of(network);
  options.flows = 3;
  for (const FlowPath& path : traced(network, options).flows) expect_row(path, network);
}

TEST(Trace, EndsWhereNobodyAnswersAnyMore) {
  FakeNetwork network = row_of(6);
  network.destination_answers = false;
  network.routers.insert(network.routers.end(), 30,
                         {.addresses = {router_address(99)}, .answers = false});
  TraceOptions options = to_end_of(network);
  options.first.destination = router_address(99);
  options.flows = 4;
  const TraceReport report = traced(network, options);
  for (const FlowPath& path : report.flows) {
    EXPECT_EQ(path.end, FlowEnd::silent);
    EXPECT_EQ(path.hops.size(), 6U);
  }
  EXPECT_TRUE(report.blames.empty());
}

TEST(Trace, AsksAgainWhatWasLost) {
  FakeNetwork network = row_of(8);
  network.routers[3].drops = [](std::uint64_t seen) { return seen % 4 == 1; };
  TraceOptions options = to_end_of(network);
  options.attempts = 4;
  expect_row(traced(network, options).flows[0], network);
}

TEST(Trace, BlamesTheHopWhoseLossPersists) {
  FakeNetwork network = row_of(6);
  Rng rng(7);
  network.routers[3].drops = [&rng](std::uint64_t) { return rng.uniform() < 0.25; };
  TraceOptions options = to_end_of(network);
  options.rounds = 60;
  const TraceReport report = traced(network, options);
  ASSERT_EQ(report.blames.size(), 1U);
  EXPECT_EQ(report.blames[0].after, 3);
  EXPECT_EQ(report.blames[0].at, 4);
  EXPECT_NEAR(report.blames[0].loss_ratio, 0.25, 0.15);
}

TEST(Trace, BlamesNobodyForARateLimitOnAnswers) {
  FakeNetwork network = row_of(6);
  for (FakeRouter& router : network.routers) router.limit = 6;  // as Linux does, all of them
  TraceOptions options = to_end_of(network);
  options.flows = 8;
  options.rounds = 20;
  const TraceReport report = traced(network, options);
  EXPECT_TRUE(report.blames.empty());
  EXPECT_TRUE(report.blame_withheld);
  for (const FlowPath& path : report.flows) {
    expect_row(path, network);
    EXPECT_GT(path.hops[2].probes.lost, 5U) << "the limit must bite";
  }
}

TEST(Trace, ListsAllHopsAsSoonAsALimitOnAnswersAllows) {
  FakeNetwork network = row_of(6);
  for (FakeRouter& router : network.routers) router.limit = 6;
  TraceOptions options = to_end_of(network);
  options.ahead = 1;  // nothing is spent beyond the destination
  options.flows = 8;  // six at once, and then one in each round
  options.rounds = 3;
  const TraceReport report = traced(network, options);
  for (const FlowPath& path : report.flows) expect_row(path, network);
}

TEST(Trace, FollowsAPathThatGetsLongerAndShorter) {
  FakeNetwork network = row_of(5);
  TraceOptions options = to_end_of(network);
  options.flows = 2;
  options.rounds = 3;
  std::vector<FakeRouter> longer = network.routers;
  longer.insert(longer.begin() + 2, {.addresses = {router_address(77)}, .rtt = milliseconds(2)});
  longer.insert(longer.begin() + 2, {.addresses = {router_address(78)}, .rtt = milliseconds(2)});
  const std::vector<FakeRouter> shorter = network.routers;
  network.before_packet = [&longer](FakeNetwork& changing) {
    if (changing.packets == 18) changing.routers = longer;  // in the second round
  };
  const TraceReport after_growth = traced(network, options);
  for (const FlowPath& path : after_growth.flows) {
    EXPECT_EQ(path.end, FlowEnd::reached);
    EXPECT_EQ(path.hops.size(), 7U);
  }
  network.before_packet = [&shorter](FakeNetwork& changing) {
    if (changing.packets == 18) changing.routers = shorter;
  };
  network.packets = 0;
  network.routers = longer;
  const TraceReport after_shrinking = traced(network, options);
  for (const FlowPath& path : after_shrinking.flows) {
    EXPECT_EQ(path.end, FlowEnd::reached);
    EXPECT_EQ(path.hops.size(), 5U);
  }
}

TEST(Trace, NotesNatLabelsAndTheWayBack) {
  FakeNetwork network = row_of(4);
  network.routers[1].extension = label_extension({299824});
  TraceOptions options = to_end_of(network);
  const TraceReport report = traced(network, options);
  ASSERT_EQ(report.flows[0].hops.size(), 4U);
  EXPECT_EQ(report.flows[0].hops[1].labels.entries[0].label, 299824U);
  EXPECT_EQ(report.flows[0].hops[3].return_hops(), 4);
  EXPECT_FALSE(report.flows[0].hops[3].nat);
}

TEST(Trace, CountsForeignPacketsAndTakesNothingFromThem) {
  FakeNetwork network = row_of(4);
  TraceOptions options = to_end_of(network);
  TraceOptions other = options;
  other.secret ^= 0xabcdef0123456789;
  Trace theirs(other, kStart);
  Trace ours(options, kStart);
  const Now now{kStart, UnixNanos{1'000'000'000'000}};
  (void)ours.next_probe(now);
  const auto probe = theirs.next_probe(now);
  ASSERT_TRUE(probe);
  const auto answer = network.pass(probe->packet, kStart);
  ASSERT_TRUE(answer);
  ours.on_packet({.bytes = answer->bytes, .source = answer->source, .received = now.wall}, now);
  const PathBytes garbage(60, 0x45);
  ours.on_packet({.bytes = garbage, .source = answer->source, .received = now.wall}, now);
  const TraceReport report = ours.report();
  EXPECT_EQ(report.counters.not_ours, 1U);
  EXPECT_EQ(report.counters.malformed, 1U);
  EXPECT_EQ(report.counters.answers, 0U);
}

TEST(Trace, CountsADuplicateOnceAndALateAnswerNotAsLost) {
  FakeNetwork network = row_of(1);
  TraceOptions options = to_end_of(network);
  options.attempts = 1;
  options.gap_max = 1;
  options.rounds = 0;
  Trace trace(options, kStart);
  Now now{kStart, UnixNanos{1'000'000'000'000}};
  const auto probe = trace.next_probe(now);
  ASSERT_TRUE(probe);
  const auto answer = network.pass(probe->packet, kStart);
  now = {kStart + seconds(2), now.wall + seconds(2)};
  trace.on_time(now.mono);
  const ReceivedPacket packet{
      .bytes = answer->bytes, .source = answer->source, .received = now.wall};
  trace.on_packet(packet, now);
  trace.on_packet(packet, now);
  const PathHop hop = trace.report().flows[0].hops.at(0);
  EXPECT_EQ(hop.probes, (LossCount{0, 1}));
  EXPECT_EQ(hop.late, 1U);
  EXPECT_EQ(hop.duplicates, 1U);
}

TEST(Trace, DoesNotBelieveStampsThatCannotBe) {
  FakeNetwork network = row_of(1);
  Trace trace(to_end_of(network), kStart);
  Now now{kStart, UnixNanos{1'000'000'000'000}};
  const auto probe = trace.next_probe(now);
  ASSERT_TRUE(probe);
  trace.on_sent(probe->sequence, now.wall + milliseconds(1));
  const auto answer = network.pass(probe->packet, kStart);
  now.mono += milliseconds(5);
  now.wall += seconds(100);  // somebody sets the clock
  trace.on_packet({.bytes = answer->bytes, .source = answer->source, .received = now.wall}, now);
  const TraceReport report = trace.report();
  EXPECT_EQ(report.flows[0].hops.at(0).rtt.last, milliseconds(5));
  EXPECT_EQ(report.counters.clock_doubts, 1U);
}

TEST(Trace, APacketTheKernelRefusedIsNotLoss) {
  FakeNetwork network = row_of(1);
  Trace trace(to_end_of(network), kStart);
  MonoTime now = kStart;
  while (!trace.done()) {
    const auto probe = trace.next_probe({now, UnixNanos{now.ns}});
    if (probe) {
      trace.on_not_sent(probe->sequence, false);
    } else if (const auto next = trace.next_wakeup()) {
      now = std::max(now, *next);
    }
  }
  EXPECT_EQ(trace.report().counters.sent, 0U);
  EXPECT_GT(trace.report().counters.not_sent, 0U);
  EXPECT_TRUE(trace.report().flows[0].hops.empty());
}

TEST(Multipath, StopsWhereTheLiteratureStops) {
  EXPECT_EQ(stopping_point(1, 0.95), 6U);
  EXPECT_EQ(stopping_point(2, 0.95), 11U);
  EXPECT_EQ(stopping_point(3, 0.95), 16U);
  EXPECT_EQ(stopping_point(4, 0.95), 21U);
  EXPECT_EQ(stopping_point(5, 0.95), 27U);
  EXPECT_EQ(stopping_point(6, 0.95), 33U);
  EXPECT_GT(stopping_point(1, 0.99), 6U);
}

TEST(Trace, FindsAllPathsOfADiamondAndKnowsIt) {
  FakeNetwork network = row_of(5);
  network.routers[1].addresses = {router_address(2, 0), router_address(2, 1), router_address(2, 2)};
  TraceOptions options = to_end_of(network);
  options.all_paths = true;
  const TraceReport report = traced(network, options);
  EXPECT_EQ(report.width, 3U);
  EXPECT_TRUE(report.all_paths);
  EXPECT_GE(report.flows.size(), stopping_point(3, 0.95));
  for (const FlowPath& path : report.flows) expect_row(path, network);
}

TEST(Trace, SaysThatThereMayBeMorePathsWhenItMayNotTraceMoreFlows) {
  FakeNetwork network = row_of(3);
  network.routers[1].addresses = {router_address(2, 0), router_address(2, 1)};
  TraceOptions options = to_end_of(network);
  options.all_paths = true;
  options.flows_max = 8;
  const TraceReport report = traced(network, options);
  EXPECT_EQ(report.flows.size(), 8U);
  EXPECT_FALSE(report.all_paths);
}

TEST(TraceOptions, AreBounded) {
  FakeNetwork network = row_of(2);
  const TraceOptions good = to_end_of(network);
  EXPECT_TRUE(check(good));
  const auto refused = [&good](auto change) {
    TraceOptions options = good;
    change(options);
    return !check(options);
  };
  EXPECT_TRUE(refused([](TraceOptions& o) { o.flows = 0; }));
  EXPECT_TRUE(refused([](TraceOptions& o) { o.flows = 257; }));
  EXPECT_TRUE(refused([](TraceOptions& o) { o.hops_max = 65; }));
  EXPECT_TRUE(refused([](TraceOptions& o) { o.packets_per_second = 0; }));
  EXPECT_TRUE(refused([](TraceOptions& o) {
    o.first.source_port = 65535;
    o.flows = 2;
  }));
  EXPECT_TRUE(refused([](TraceOptions& o) { o.first.source = IpAddress::parse("::2").value(); }));
}

// Whatever is lost, wherever: it ends, blames nobody beyond where packets are, and its counts add
// up.
RC_GTEST_PROP(Trace, EndsAndAddsUpUnderAnyLoss, (std::uint64_t seed)) {
  Rng rng(seed);
  FakeNetwork network = row_of(static_cast<unsigned>(1 + rng.below(12)));
  for (FakeRouter& router : network.routers) {
    router.answers = rng.uniform() < 0.8;
    const double loss = rng.uniform() < 0.3 ? rng.uniform() : 0;
    router.drops = [&rng, loss](std::uint64_t) { return rng.uniform() < loss; };
  }
  TraceOptions options = to_end_of(network);
  options.flows = static_cast<std::uint32_t>(1 + rng.below(6));
  options.rounds = static_cast<std::uint32_t>(1 + rng.below(4));
  options.all_paths = rng.below(2) == 0;
  options.flows_max = 16;
  const TraceReport report = traced(network, options);
  std::uint64_t answered = 0;
  for (const FlowPath& path : report.flows) {
    for (const PathHop& hop : path.hops) {
      RC_ASSERT(hop.probes.lost <= hop.probes.sent);
      RC_ASSERT(hop.rtt.count + hop.probes.lost == hop.probes.sent);
      answered += hop.rtt.count;
    }
    // Beyond the last that answered nobody is listed.
    const bool fits =
        path.hops.empty() || path.end == FlowEnd::reached || !path.hops.back().silent();
    RC_ASSERT(fits);
  }
  RC_ASSERT(answered <= report.counters.answers);
}

}  // namespace
}  // namespace linkpilot::prober
