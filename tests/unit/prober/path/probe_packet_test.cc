#include "prober/path/probe_packet.h"

#include <gtest/gtest.h>
#include <rapidcheck/gtest.h>

#include "prober/path/checksum.h"
#include "prober/stamp/bytes.h"

namespace linkpilot::prober {
namespace {

PathFlow some_flow(PathProtocol protocol, bool v4) {
  return {.protocol = protocol,
          .source = IpAddress::parse(v4 ? "192.0.2.1" : "2001:db8::1").value(),
          .destination = IpAddress::parse(v4 ? "198.51.100.7" : "2001:db8:1::7").value(),
          .source_port = 20001,
          .destination_port = 33434,
          .dscp = 46};
}

std::uint32_t transport_sum(std::span<const std::uint8_t> packet, bool v4, bool pseudo) {
  const std::size_t header = v4 ? 20 : 40;
  std::uint32_t sum = 0;
  if (pseudo) {
    sum = ones_sum(v4 ? packet.subspan(12, 8) : packet.subspan(8, 32));
    const std::size_t octets = packet.size() - header;
    const std::array<std::uint8_t, 4> rest = {0, packet[v4 ? 9 : 6],
                                              static_cast<std::uint8_t>(octets >> 8),
                                              static_cast<std::uint8_t>(octets)};
    sum = ones_sum(rest, sum);
  }
  return ones_sum(packet.subspan(header), sum);
}

TEST(ProbePacket, HasRightChecksumsInEveryForm) {
  const ProbeIds ids(0x0123456789abcdef);
  std::vector<std::uint8_t> packet;
  for (const bool v4 : {true, false}) {
    for (const PathProtocol protocol : {PathProtocol::udp, PathProtocol::tcp, PathProtocol::icmp}) {
      for (std::uint32_t sequence = 1; sequence < 400; ++sequence) {
        const PathFlow flow = some_flow(protocol, v4);
        build_probe({.flow = flow, .sequence = sequence, .ttl = 7, .size = 0}, ids, packet);
        if (v4) {
          ASSERT_EQ(ones_sum(std::span(packet).first(20)), 0xffffU);
        }
        const bool pseudo = protocol != PathProtocol::icmp || !v4;
        ASSERT_EQ(transport_sum(packet, v4, pseudo), 0xffffU) << to_string(protocol) << v4;
      }
    }
  }
}

TEST(ProbePacket, KeepsAllThatRoutersBalanceByAndChangesTheIdentification) {
  const ProbeIds ids(0xfeedfacecafebeef);
  std::vector<std::uint8_t> one;
  std::vector<std::uint8_t> other;
  for (const PathProtocol protocol : {PathProtocol::udp, PathProtocol::icmp}) {
    const PathFlow flow = some_flow(protocol, true);
    build_probe({.flow = flow, .sequence = 5, .ttl = 1, .size = 0}, ids, one);
    build_probe({.flow = flow, .sequence = 6, .ttl = 9, .size = 0}, ids, other);
    EXPECT_TRUE(std::equal(one.begin() + 20, one.begin() + 28, other.begin() + 20));
    EXPECT_NE(load_big<std::uint16_t>(one, 4), load_big<std::uint16_t>(other, 4));
    EXPECT_EQ(one[1], 46 << 2);
    EXPECT_EQ(load_big<std::uint16_t>(one, 6), 0x4000) << "DF, or a router may renumber it";
  }
  const PathFlow six = some_flow(PathProtocol::udp, false);
  build_probe({.flow = six, .sequence = 5, .ttl = 1, .size = 0}, ids, one);
  build_probe({.flow = six, .sequence = 6, .ttl = 9, .size = 0}, ids, other);
  EXPECT_TRUE(std::equal(one.begin(), one.begin() + 4, other.begin())) << "class and flow label";
  EXPECT_TRUE(std::equal(one.begin() + 40, one.begin() + 44, other.begin() + 40)) << "ports";
  EXPECT_EQ(load_big<std::uint16_t>(one, 46), load_big<std::uint16_t>(other, 46)) << "checksum";
  EXPECT_NE(one.size(), other.size()) << "the payload's length is the identification";
}

TEST(ProbePacket, IsAsLongAsASearchForTheMtuWantsIt) {
  std::vector<std::uint8_t> packet;
  for (const bool v4 : {true, false}) {
    build_probe({.flow = some_flow(PathProtocol::icmp, v4), .sequence = 5, .ttl = 9, .size = 1500},
                ProbeIds(7), packet);
    EXPECT_EQ(packet.size(), 1500U);
    EXPECT_EQ(transport_sum(packet, v4, !v4), 0xffffU);
  }
}

RC_GTEST_PROP(ProbeIds, AreFoundAgain, (std::uint64_t secret, std::uint32_t sequence)) {
  const ProbeIds ids(secret);
  RC_ASSERT(ids.sequence_of_code(ids.code(sequence)) == sequence);
  const std::uint32_t sent = sequence % 1'000'000;
  const auto ahead = *rc::gen::inRange<std::uint32_t>(1, 0x10000);
  RC_ASSERT(ids.sequence_of_ip_id(ids.ip_id(sent), sent + ahead) == sent);
  const auto near = *rc::gen::inRange<std::uint32_t>(1, kPayloadLengths + 1);
  const auto length = static_cast<std::uint16_t>(8 + v6_payload_size(sent));
  RC_ASSERT(sequence_of_v6_length(length, sent + near) == sent);
}

TEST(ProbeIds, OfPacketsThatWereNeverSentAreNone) {
  const ProbeIds ids(1);
  EXPECT_FALSE(ids.sequence_of_ip_id(ids.ip_id(20), 10));
  EXPECT_FALSE(sequence_of_v6_length(static_cast<std::uint16_t>(8 + v6_payload_size(20)), 10));
  EXPECT_FALSE(sequence_of_v6_length(7, 10));
  EXPECT_FALSE(sequence_of_v6_length(65535, 10));
}

}  // namespace
}  // namespace linkpilot::prober
