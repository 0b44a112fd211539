#include "tools/lab/wan.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <map>

#include "tests/unit/tools/lab_packets.h"
#include "tools/lab/topology_file.h"

namespace linkpilot::lab {
namespace {

using namespace std::chrono_literals;

constexpr std::int64_t kWallStart = 1'700'000'000'000'000'000;

class Records final : public LedgerSink {
 public:
  void record(const LedgerRecord& record) override { all.push_back(record); }
  [[nodiscard]] std::size_t count(Fate fate) const {
    return static_cast<std::size_t>(std::ranges::count(all, fate, &LedgerRecord::fate));
  }
  std::vector<LedgerRecord> all;
};

// Three nodes and a collector, 10 ms between any two, nothing else.
Topology plain() {
  Topology topology;
  topology.name = "plain";
  topology.regions = {{"east", "", 0, 0}, {"west", "", 0, 0}};
  const std::array<const char*, 4> names = {"a", "b", "c", "collector"};
  for (NodeIndex i = 0; i < names.size(); ++i) {
    topology.nodes.push_back({names[i], i < 2 ? "east" : "west",
                              i == 3 ? LabNodeKind::collector : LabNodeKind::node, node_v4(i),
                              node_v6(i)});
  }
  topology.pairs.assign(16, Impairment{.delay = 10ms});
  return topology;
}

struct Arrival {
  NodeIndex at;
  MonoTime time;
  std::uint16_t source_port;
  Packet bytes;
};

// The core on virtual time: packets go in when told, and leave exactly when due.
class Lab {
 public:
  explicit Lab(Topology topology = plain(), std::uint64_t seed = 1,
               std::uint32_t packets_max = 1'000)
      : wan(topology, {.seed = seed, .packets_max = packets_max}, ledger) {}

  void send(const Packet& packet, NodeIndex from = 0) {
    wan.on_packet(from, packet, {now, UnixNanos{kWallStart + now.ns}});
  }
  void run_until(MonoTime end) {
    for (auto due = wan.next_due(); due && *due <= end; due = wan.next_due()) {
      now = std::max(now, *due);
      while (const auto packet = wan.take_due(now)) {
        const auto fields = parse_packet(packet->bytes);
        arrivals.push_back({packet->to, now, fields ? fields->source_port : std::uint16_t{0},
                            Packet(packet->bytes.begin(), packet->bytes.end())});
        wan.settle(*packet, UnixNanos{kWallStart + now.ns}, Wan::WriteResult::written);
      }
    }
    now = std::max(now, end);
  }
  void run_for(Duration length) { run_until(now + length); }
  Result<Fault> fault(const FaultRequest& request) {
    return wan.set_fault(request, UnixNanos{kWallStart + now.ns});
  }
  Result<std::vector<Fault>> heal(const HealRequest& request = {}) {
    return wan.heal(request, UnixNanos{kWallStart + now.ns});
  }

  Records ledger;
  Wan wan;
  MonoTime now;
  std::vector<Arrival> arrivals;
};

Topology with(const Impairment& pair) {
  Topology topology = plain();
  topology.pairs.assign(16, pair);
  return topology;
}

TEST(LabWan, DeliversAfterExactlyTheDelay) {
  Lab lab;
  lab.send(make_udp());
  lab.run_for(1s);
  ASSERT_EQ(lab.arrivals.size(), 1U);
  EXPECT_EQ(lab.arrivals[0].at, 1);
  EXPECT_EQ(lab.arrivals[0].time.ns, 10'000'000);
  ASSERT_EQ(lab.ledger.all.size(), 1U);
  const LedgerRecord& record = lab.ledger.all[0];
  EXPECT_EQ(record.fate, Fate::delivered);
  EXPECT_EQ(record.delivered_ns - record.arrival_ns, 10'000'000);
  EXPECT_EQ(record.intended_ns, 10'000'000);
  EXPECT_EQ(record.source, 0);
  EXPECT_EQ(record.destination, 1);
  EXPECT_EQ(record.destination_port, 862);
  EXPECT_EQ(record.payload[1], 1);
}

TEST(LabWan, CarriesIpv6Alike) {
  Lab lab;
  lab.send(make_udp_v6({.from = 0, .to = 2}));
  lab.run_for(1s);
  ASSERT_EQ(lab.arrivals.size(), 1U);
  EXPECT_EQ(lab.arrivals[0].at, 2);
  EXPECT_EQ(lab.ledger.all[0].ip_version, 6);
}

TEST(LabWan, KeepsTheOrderOfAFlowUnderJitter) {
  Lab lab(with({.delay = 10ms, .jitter = 5ms}));
  for (std::uint16_t i = 0; i < 500; ++i) {
    lab.send(make_udp({.destination_port = 862, .payload_size = std::size_t{20} + i}));
    lab.run_for(100us);
  }
  lab.run_for(1s);
  ASSERT_EQ(lab.arrivals.size(), 500U);
  EXPECT_TRUE(
      std::ranges::is_sorted(lab.arrivals, {}, [](const Arrival& a) { return a.bytes.size(); }));
}

TEST(LabWan, JitterStaysInItsRange) {
  Lab lab(with({.delay = 10ms, .jitter = 2ms}));
  for (int i = 0; i < 1'000; ++i) {
    lab.send(make_udp());
    lab.run_for(20ms);
  }
  std::int64_t sum = 0;
  for (const LedgerRecord& record : lab.ledger.all) {
    const std::int64_t extra = record.delivered_ns - record.arrival_ns - 10'000'000;
    EXPECT_GE(extra, 0);
    EXPECT_LT(extra, 2'000'000);
    sum += extra;
  }
  EXPECT_NEAR(static_cast<double>(sum) / 1'000, 1e6, 1e5);  // 5.5 standard errors
}

TEST(LabWan, SameSeedSameFates) {
  const auto fates = [](std::uint64_t seed) {
    Lab lab(with({.delay = 10ms, .jitter = 1ms, .loss = 0.3}), seed);
    for (int i = 0; i < 300; ++i) {
      lab.send(make_udp());
      lab.run_for(1ms);
    }
    lab.run_for(1s);
    std::vector<std::pair<Fate, std::int64_t>> result;
    for (const LedgerRecord& record : lab.ledger.all) {
      result.emplace_back(record.fate, record.delivered_ns);
    }
    return result;
  };
  EXPECT_EQ(fates(5), fates(5));
  EXPECT_NE(fates(5), fates(6));
}

TEST(LabWan, OnePairsDrawsDoNotDependOnAnothersTraffic) {
  const auto losses_a_to_b = [](bool noise) {
    Lab lab(with({.delay = 10ms, .loss = 0.5}));
    for (int i = 0; i < 200; ++i) {
      lab.send(make_udp({.from = 0, .to = 1}));
      if (noise) lab.send(make_udp({.from = 2, .to = 1}), 2);
      lab.run_for(1ms);
    }
    lab.run_for(1s);
    std::vector<std::int64_t> lost;
    for (const LedgerRecord& record : lab.ledger.all) {
      if (record.source == 0 && record.fate == Fate::loss) lost.push_back(record.arrival_ns);
    }
    return lost;
  };
  EXPECT_EQ(losses_a_to_b(false), losses_a_to_b(true));
}

TEST(LabWan, ABlackholeDropsAtEntryAndLetsPacketsOnTheirWayArrive) {
  Lab lab;
  lab.send(make_udp());
  lab.run_for(5ms);
  ASSERT_TRUE(lab.fault({.kind = FaultKind::blackhole, .from = "a", .to = "b"}));
  lab.send(make_udp());
  lab.send(make_udp({.from = 1, .to = 0}), 1);
  lab.run_for(1s);
  EXPECT_EQ(lab.arrivals.size(), 2U);  // the one on its way, and the opposite direction
  EXPECT_EQ(lab.ledger.count(Fate::blackhole), 1U);
  ASSERT_TRUE(lab.heal());
  lab.send(make_udp());
  lab.run_for(1s);
  EXPECT_EQ(lab.arrivals.size(), 3U);
}

TEST(LabWan, ABlackholeOfOneFlowLeavesItsSiblings) {
  Lab lab(with({.delay = 10ms, .flows = 4}));
  std::map<std::uint8_t, std::uint16_t> port_of_flow;
  for (std::uint16_t port = 40'000; port_of_flow.size() < 4; ++port) {
    port_of_flow[choose_flow(*parse_packet(make_udp({.source_port = port})), 4)] = port;
  }
  ASSERT_TRUE(
      lab.fault({.kind = FaultKind::blackhole, .from = "a", .to = "b", .flow = std::uint8_t{2}}));
  for (const auto& [flow, port] : port_of_flow) lab.send(make_udp({.source_port = port}));
  lab.run_for(1s);
  EXPECT_EQ(lab.arrivals.size(), 3U);
  for (const Arrival& arrival : lab.arrivals) EXPECT_NE(arrival.source_port, port_of_flow[2]);
}

TEST(LabWan, ADeadNodeNeitherSendsNorReceivesWhatIsOnItsWay) {
  Lab lab;
  lab.send(make_udp({.from = 0, .to = 1}));
  lab.run_for(5ms);
  ASSERT_TRUE(lab.fault({.kind = FaultKind::node_down, .node = "b"}));
  lab.send(make_udp({.from = 1, .to = 0}), 1);
  lab.run_for(1s);
  EXPECT_TRUE(lab.arrivals.empty());
  EXPECT_EQ(lab.ledger.count(Fate::node_down), 2U);
}

TEST(LabWan, ARegionCutTouchesTheCollectorToo) {
  Lab lab;
  ASSERT_TRUE(lab.fault({.kind = FaultKind::region_cut, .region = "west"}));
  lab.send(make_udp({.from = 0, .to = 2}));
  lab.send(make_udp({.from = 0, .to = 3}));
  lab.send(make_udp({.from = 0, .to = 1}));
  lab.send(make_udp({.from = 2, .to = 3}), 2);
  lab.run_for(1s);
  EXPECT_EQ(lab.ledger.count(Fate::region_cut), 2U);
  EXPECT_EQ(lab.arrivals.size(), 2U);
}

TEST(LabWan, FaultsOfEveryLinkLeaveTheCollectorAlone) {
  Lab lab;
  ASSERT_TRUE(lab.fault({.kind = FaultKind::blackhole, .from = "*", .to = "*"}));
  lab.send(make_udp({.from = 0, .to = 1}));
  lab.send(make_udp({.from = 0, .to = 3}));
  lab.run_for(1s);
  ASSERT_EQ(lab.arrivals.size(), 1U);
  EXPECT_EQ(lab.arrivals[0].at, 3);
}

TEST(LabWan, DelayFaultsAddUpAndTheNewestOfOtherKindsHolds) {
  Lab lab;
  ASSERT_TRUE(lab.fault({.kind = FaultKind::delay, .from = "a", .to = "b", .delay = 80ms}));
  ASSERT_TRUE(lab.fault({.kind = FaultKind::delay, .from = "a", .to = "b", .delay = 10ms}));
  lab.send(make_udp());
  lab.run_for(1s);
  ASSERT_EQ(lab.arrivals.size(), 1U);
  EXPECT_EQ(lab.arrivals[0].time.ns, 100'000'000);
}

TEST(LabWan, LosesTheShareItWasTold) {
  Lab lab(with({.delay = 1ms, .loss = 0.03}));
  for (int i = 0; i < 20'000; ++i) {
    lab.send(make_udp());
    lab.run_for(1ms);
  }
  EXPECT_NEAR(static_cast<double>(lab.ledger.count(Fate::loss)), 600, 130);  // 5.4 sigma
}

TEST(LabWan, HoldsReorderedPacketsBackAndSaysSo) {
  Lab lab(with({.delay = 10ms, .reorder = 0.5, .reorder_delay = 5ms}));
  for (int i = 0; i < 100; ++i) {
    lab.send(make_udp());
    lab.run_for(1ms);
  }
  lab.run_for(1s);
  std::size_t held = 0;
  for (const LedgerRecord& record : lab.ledger.all) {
    const bool reordered = (record.flags & kRecordReordered) != 0;
    held += reordered ? 1 : 0;
    EXPECT_EQ(record.intended_ns, reordered ? 15'000'000 : 10'000'000);
  }
  EXPECT_GT(held, 20U);
  EXPECT_LT(held, 80U);
}

TEST(LabWan, DuplicatesShareANumberAndTheSecondIsMarked) {
  Lab lab(with({.delay = 10ms, .duplicate = 1}));
  lab.send(make_udp());
  lab.run_for(1s);
  ASSERT_EQ(lab.ledger.all.size(), 2U);
  EXPECT_EQ(lab.ledger.all[0].number, lab.ledger.all[1].number);
  EXPECT_EQ(lab.ledger.all[0].flags, 0);
  EXPECT_EQ(lab.ledger.all[1].flags, kRecordDuplicate);
}

TEST(LabWan, ALimitedRateSpacesPacketsAndDropsWhatWaitsTooLong) {
  // 72 octets at 57.6 kbit/s: 10 ms a packet; room for packets that wait up to 25 ms.
  Lab lab(with({.delay = 1ms, .rate_bits_per_s = 57'600, .queue = 25ms}));
  for (int i = 0; i < 5; ++i) lab.send(make_udp());
  lab.run_for(1s);
  ASSERT_EQ(lab.arrivals.size(), 3U);
  EXPECT_EQ(lab.arrivals[0].time.ns, 11'000'000);
  EXPECT_EQ(lab.arrivals[1].time.ns, 21'000'000);
  EXPECT_EQ(lab.arrivals[2].time.ns, 31'000'000);
  EXPECT_EQ(lab.ledger.count(Fate::queue), 2U);
}

TEST(LabWan, RoutersTakeFromTheTtlAndAnswerWhenItEnds) {
  Lab lab(with({.delay = 10ms, .hops = 4}));
  lab.send(make_udp({.ttl = 64}));
  lab.send(make_udp({.ttl = 2}));
  lab.run_for(1s);
  ASSERT_EQ(lab.arrivals.size(), 2U);
  EXPECT_EQ(lab.arrivals[0].at, 0);  // the router's answer, two fifths of 20 ms
  EXPECT_EQ(lab.arrivals[0].time.ns, 8'000'000);
  EXPECT_EQ(lab.arrivals[1].bytes[8], 60);
  EXPECT_EQ(lab.ledger.count(Fate::ttl), 1U);
  EXPECT_EQ(lab.wan.counters().read, 2U);
}

TEST(LabWan, TooLargeAPacketIsDroppedAndTheSenderTold) {
  Lab lab(with({.delay = 10ms, .mtu = 1300, .hops = 4}));
  lab.send(make_udp({.payload_size = 1'400}));
  lab.send(make_udp({.payload_size = 1'400, .dont_fragment = false}));
  lab.run_for(1s);
  EXPECT_EQ(lab.ledger.count(Fate::mtu), 2U);
  ASSERT_EQ(lab.arrivals.size(), 1U);
  EXPECT_EQ(lab.arrivals[0].at, 0);
}

TEST(LabWan, NamesWhatIsNotForItsNodes) {
  Lab lab;
  lab.send(make_udp({}, node_v4(0), IpAddress::v4(8, 8, 8, 8)));
  lab.send(make_udp({}, node_v4(0), node_v4(0)));
  lab.send(make_udp({}, node_v6(0), *IpAddress::parse("ff02::2")));
  lab.send({1, 2, 3});
  lab.run_for(1s);
  EXPECT_EQ(lab.ledger.count(Fate::unroutable), 2U);
  EXPECT_EQ(lab.ledger.count(Fate::not_ours), 1U);
  EXPECT_EQ(lab.ledger.count(Fate::malformed), 1U);
}

TEST(LabWan, AFullLabDropsWithAFateOfItsOwn) {
  Lab lab(plain(), 1, 10);
  for (int i = 0; i < 15; ++i) lab.send(make_udp());
  lab.run_for(1s);
  EXPECT_EQ(lab.ledger.count(Fate::overloaded), 5U);
  EXPECT_EQ(lab.arrivals.size(), 10U);
  lab.send(make_udp());
  lab.run_for(1s);
  EXPECT_EQ(lab.arrivals.size(), 11U);  // room is found again
}

TEST(LabWan, EveryPacketHasExactlyOneFate) {
  Lab lab(with({.delay = 10ms, .jitter = 3ms, .loss = 0.1, .burst = {0.1, 4ms}, .hops = 2}));
  for (int i = 0; i < 3'000; ++i) {
    lab.send(make_udp({.ttl = static_cast<std::uint8_t>(1 + i % 7)}));
    lab.run_for(300us);
  }
  lab.run_for(1s);
  std::map<std::uint32_t, int> fates;
  for (const LedgerRecord& record : lab.ledger.all) {
    if ((record.flags & kRecordFromRouter) == 0) ++fates[record.number];
  }
  EXPECT_EQ(fates.size(), 3'000U);
  EXPECT_TRUE(std::ranges::all_of(fates, [](const auto& entry) { return entry.second == 1; }));
  EXPECT_EQ(lab.wan.in_flight(), 0U);
}

TEST(LabFaults, MistakesAreNamedAndChangeNothing) {
  Lab lab;
  const auto typo = lab.fault({.kind = FaultKind::blackhole, .from = "a", .to = "bb"});
  ASSERT_FALSE(typo);
  EXPECT_NE(typo.error().message.find("\"bb\""), std::string::npos);
  EXPECT_NE(typo.error().message.find("a, b, c, collector"), std::string::npos);
  EXPECT_FALSE(lab.fault({.kind = FaultKind::blackhole, .from = "a", .to = "a"}));
  EXPECT_FALSE(lab.fault({.kind = FaultKind::loss, .from = "a", .to = "b", .ratio = 1.5}));
  EXPECT_FALSE(lab.fault({.kind = FaultKind::delay, .from = "a", .to = "b"}));
  EXPECT_FALSE(lab.fault({.kind = FaultKind::node_down, .node = "x"}));
  EXPECT_FALSE(lab.fault({}));
  EXPECT_TRUE(lab.wan.faults().active().empty());
}

TEST(LabFaults, HealLiftsWhatIsNamedAndNothingElse) {
  Lab lab;
  ASSERT_TRUE(lab.fault({.kind = FaultKind::blackhole, .from = "a", .to = "b"}));
  ASSERT_TRUE(lab.fault({.kind = FaultKind::loss, .from = "a", .to = "b", .ratio = 0.1}));
  ASSERT_TRUE(lab.fault({.kind = FaultKind::node_down, .node = "c"}));
  EXPECT_FALSE(lab.heal({.number = 9}));
  EXPECT_FALSE(lab.heal({.from = "b", .to = "a"}));
  ASSERT_TRUE(lab.heal(
      {.from = "b", .to = "a", .direction = Direction::both_ways, .kind = FaultKind::loss}));
  EXPECT_EQ(lab.wan.faults().active().size(), 2U);
  ASSERT_TRUE(lab.heal({.node = "c"}));
  const auto rest = lab.heal({.number = 1});
  ASSERT_TRUE(rest);
  EXPECT_EQ(rest->at(0).request.kind, FaultKind::blackhole);
  EXPECT_EQ(lab.wan.settings().pairs, plain().pairs);
  EXPECT_EQ(lab.ledger.count(Fate::fault_set), 3U);
  EXPECT_EQ(lab.ledger.count(Fate::fault_healed), 3U);
}

}  // namespace
}  // namespace linkpilot::lab
