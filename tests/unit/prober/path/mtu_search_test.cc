#include "prober/path/mtu_search.h"

#include <gtest/gtest.h>
#include <rapidcheck/gtest.h>

#include "base/rng.h"
#include "tests/support/path_network.h"

namespace linkpilot::prober {
namespace {

constexpr MonoTime kSearchStart{5'000'000'000};

FakeNetwork three_routers(bool v4) {
  FakeNetwork network;
  for (unsigned i = 1; i <= 4; ++i) {
    IpAddress address = IpAddress::parse(v4 ? "10.0.0.0" : "2001:db8::").value();
    address.octets[15] = static_cast<std::uint8_t>(i);
    network.routers.push_back({.addresses = {address}, .rtt = std::chrono::milliseconds(20 * i)});
  }
  return network;
}

MtuOptions to_end(const FakeNetwork& network) {
  MtuOptions options;
  const IpAddress& target = network.routers.back().addresses.front();
  options.flow = {
      .protocol = PathProtocol::icmp,
      .source = IpAddress::parse(target.is_v4() ? "192.0.2.1" : "2001:db8:f::1").value(),
      .destination = target,
      .source_port = 20000,
      .destination_port = 2};
  options.secret = 0x5eed5eed12345678;
  return options;
}

MtuResult sought(FakeNetwork& network, const MtuOptions& options) {
  MtuSearch search(options);
  run_on(network, search, kSearchStart);
  return search.result();
}

TEST(MtuSearch, AsksLittleWhereAllPasses) {
  for (const bool v4 : {true, false}) {
    FakeNetwork network = three_routers(v4);
    const MtuResult result = sought(network, to_end(network));
    EXPECT_EQ(result.verdict, MtuVerdict::full);
    EXPECT_EQ(result.octets, 1500U);
    EXPECT_LE(result.probes, 8U);
  }
}

TEST(MtuSearch, TakesAHintAndConfirmsItFromBothSides) {
  for (const bool v4 : {true, false}) {
    FakeNetwork network = three_routers(v4);
    network.routers[1].mtu = 1400;
    const MtuResult result = sought(network, to_end(network));
    EXPECT_EQ(result.verdict, MtuVerdict::announced);
    EXPECT_EQ(result.octets, 1400U);
    EXPECT_EQ(result.said_by, network.routers[1].addresses[0]);
    EXPECT_EQ(result.said_octets, 1400U);
    EXPECT_LE(result.probes, 16U);
  }
}

TEST(MtuSearch, FindsTheTrueSizeThoughAHintLies) {
  for (const std::uint32_t claim : {0U, 68U, 700U, 1420U, 1499U, 9000U}) {
    FakeNetwork network = three_routers(true);
    network.routers[1].mtu = 1400;
    network.routers[1].claimed_mtu = claim == 0 ? 1U : claim;
    const MtuResult result = sought(network, to_end(network));
    EXPECT_EQ(result.octets, 1400U) << claim;
    EXPECT_EQ(result.verdict, MtuVerdict::announced) << claim;
  }
}

TEST(MtuSearch, FollowsHintsFromLinkToLink) {
  FakeNetwork network = three_routers(true);
  network.routers[0].mtu = 1450;
  network.routers[2].mtu = 1300;
  const MtuResult result = sought(network, to_end(network));
  EXPECT_EQ(result.octets, 1300U);
  EXPECT_EQ(result.said_by, network.routers[2].addresses[0]);
}

TEST(MtuSearch, NamesABlackHole) {
  for (const bool v4 : {true, false}) {
    FakeNetwork network = three_routers(v4);
    network.routers[1].mtu = 1400;
    network.routers[1].says_mtu = false;
    const MtuResult result = sought(network, to_end(network));
    EXPECT_EQ(result.verdict, MtuVerdict::black_hole);
    EXPECT_EQ(result.octets, 1400U);
    EXPECT_FALSE(result.said_by);
  }
}

TEST(MtuSearch, DoesNotTakeLossForASize) {
  for (std::uint64_t seed = 1; seed <= 20; ++seed) {
    FakeNetwork network = three_routers(true);
    Rng rng(seed);
    network.routers[2].drops = [&rng](std::uint64_t) { return rng.uniform() < 0.1; };
    network.routers[1].mtu = seed % 2 == 0 ? 1400 : 1500;
    MtuOptions options = to_end(network);
    options.tries = 6;
    const MtuResult result = sought(network, options);
    EXPECT_EQ(result.octets, seed % 2 == 0 ? 1400U : 1500U) << seed;
  }
}

TEST(MtuSearch, SaysWhenItCannotKnow) {
  FakeNetwork network = three_routers(true);
  network.destination_answers = false;
  EXPECT_EQ(sought(network, to_end(network)).verdict, MtuVerdict::no_answer);
  network = three_routers(true);
  network.routers[1].mtu = 1400;
  network.routers[1].says_mtu = false;
  // The first answers, then nothing any more.
  network.routers[2].drops = [](std::uint64_t seen) { return seen > 3; };
  EXPECT_EQ(sought(network, to_end(network)).verdict, MtuVerdict::unsure);
}

TEST(MtuSearch, KnowsItsOwnLink) {
  FakeNetwork network = three_routers(true);
  MtuSearch search(to_end(network));
  Now now{kSearchStart, UnixNanos{1'000'000'000'000}};
  while (!search.done()) {
    const auto probe = search.next_probe(now);
    if (!probe) {
      now.mono = std::max(now.mono, search.next_wakeup().value_or(now.mono));
      continue;
    }
    if (probe->packet.size() > 1420) {
      search.on_not_sent(probe->sequence, true);
    } else if (const auto answer = network.pass(probe->packet, now.mono)) {
      search.on_packet({.bytes = answer->bytes, .source = answer->source, .received = {}}, now);
    }
  }
  EXPECT_EQ(search.result().verdict, MtuVerdict::local);
  EXPECT_EQ(search.result().octets, 1420U);
}

RC_GTEST_PROP(MtuSearch, IsExactForEverySize, (bool v4, bool says)) {
  FakeNetwork network = three_routers(v4);
  const std::size_t mtu = *rc::gen::inRange<std::size_t>(v4 ? 576 : 1280, 1500);
  network.routers[1].mtu = mtu;
  network.routers[1].says_mtu = says;
  const MtuResult result = sought(network, to_end(network));
  RC_ASSERT(result.octets == mtu);
  RC_ASSERT(result.verdict == (says ? MtuVerdict::announced : MtuVerdict::black_hole));
}

}  // namespace
}  // namespace linkpilot::prober
