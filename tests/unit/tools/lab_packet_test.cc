#include "tools/lab/packet.h"

#include <gtest/gtest.h>

#include <set>

#include "tests/unit/tools/lab_packets.h"

namespace linkpilot::lab {
namespace {

TEST(LabPacket, ReadsTheFieldsOfAnIpv4UdpPacket) {
  const auto fields = parse_packet(make_udp({.from = 0, .to = 2, .ttl = 9}));
  ASSERT_TRUE(fields);
  EXPECT_EQ(fields->version, 4);
  EXPECT_EQ(fields->protocol, kProtocolUdp);
  EXPECT_EQ(fields->ttl, 9);
  EXPECT_TRUE(fields->dont_fragment);
  EXPECT_EQ(fields->source.to_string(), "10.77.1.1");
  EXPECT_EQ(fields->destination.to_string(), "10.77.3.1");
  EXPECT_EQ(fields->source_port, 40'000);
  EXPECT_EQ(fields->destination_port, 862);
  EXPECT_EQ(fields->length, 72);
  EXPECT_EQ(fields->payload[0], 0);
  EXPECT_EQ(fields->payload[15], 15);
}

TEST(LabPacket, ReadsTheFieldsOfAnIpv6UdpPacket) {
  const auto fields = parse_packet(make_udp_v6({.from = 1, .to = 0}));
  ASSERT_TRUE(fields);
  EXPECT_EQ(fields->version, 6);
  EXPECT_EQ(fields->source.to_string(), "fd00:77::2");
  EXPECT_EQ(fields->destination.to_string(), "fd00:77::1");
  EXPECT_EQ(fields->destination_port, 862);
  EXPECT_EQ(fields->payload[3], 3);
}

TEST(LabPacket, FindsUdpBehindIpv6ExtensionHeaders) {
  Packet packet = make_udp_v6();
  // A destination options header of 8 octets (RFC 8200 s4.6) before UDP.
  const Packet options = {kProtocolUdp, 0, 1, 4, 0, 0, 0, 0};
  packet.insert(packet.begin() + 40, options.begin(), options.end());
  packet[6] = 60;
  put_u16(packet, 4, static_cast<std::uint32_t>(packet.size() - 40));
  const auto fields = parse_packet(packet);
  ASSERT_TRUE(fields);
  EXPECT_EQ(fields->protocol, kProtocolUdp);
  EXPECT_EQ(fields->destination_port, 862);
}

TEST(LabPacket, LaterFragmentsHaveNoPorts) {
  Packet packet = make_udp();
  put_u16(packet, 6, 185);  // fragment offset, not zero
  const auto fields = parse_packet(packet);
  ASSERT_TRUE(fields);
  EXPECT_EQ(fields->source_port, 0);
  EXPECT_EQ(fields->destination_port, 0);
}

TEST(LabPacket, RefusesEveryTruncation) {
  for (const Packet& whole : {make_udp(), make_udp_v6()}) {
    for (std::size_t size = 0; size < whole.size(); ++size) {
      EXPECT_FALSE(parse_packet(std::span(whole).first(size))) << size;
    }
    EXPECT_TRUE(parse_packet(whole));
  }
}

TEST(LabPacket, RefusesAHeaderLengthThatCannotBe) {
  Packet packet = make_udp();
  packet[0] = 0x44;  // four words, less than the fixed header
  EXPECT_FALSE(parse_packet(packet));
  packet[0] = 0x75;  // version 7
  EXPECT_FALSE(parse_packet(packet));
}

TEST(LabPacket, KeepsOneFlowForOneFiveTupleAndSpreadsPortsOverAll) {
  const auto flow_of = [](std::uint16_t port) {
    return choose_flow(*parse_packet(make_udp({.source_port = port})), 4);
  };
  EXPECT_EQ(flow_of(40'000), flow_of(40'000));
  std::array<int, 4> seen{};
  for (std::uint16_t port = 40'000; port < 41'000; ++port) ++seen[flow_of(port)];
  for (const int count : seen) EXPECT_NEAR(count, 250, 75);  // 5.5 standard deviations
}

TEST(LabPacket, LowersTheTtlAndKeepsTheIpv4ChecksumRight) {
  Packet packet = make_udp({.ttl = 64});
  lower_ttl(packet, 6);
  EXPECT_EQ(packet[8], 58);
  EXPECT_EQ(ones_sum(packet.data(), 20), 0xffffU);
}

TEST(LabPacket, AnswersTimeExceededWithTheQuotedPacket) {
  const Packet packet = make_udp({.from = 1, .to = 2, .ttl = 3});
  const auto router = hop_address(false, 1, 2, 3, 6);
  const auto answer =
      make_icmp_error(IcmpError::time_exceeded, router, packet, *parse_packet(packet), 1500);
  ASSERT_TRUE(answer);
  const auto fields = parse_packet(*answer);
  ASSERT_TRUE(fields);
  EXPECT_EQ(fields->source.to_string(), "198.18.2.3");
  EXPECT_EQ(fields->destination, node_v4(1));
  EXPECT_EQ(fields->icmp_type, 11);
  EXPECT_EQ(ones_sum(answer->data(), 20), 0xffffU);
  EXPECT_EQ(ones_sum(answer->data() + 20, answer->size() - 20), 0xffffU);
  EXPECT_EQ(Packet(answer->begin() + 28, answer->end()), packet);
}

TEST(LabPacket, TellsTheMtuInPacketTooBig) {
  const Packet v4 = make_udp({.payload_size = 1400});
  const auto answer = make_icmp_error(IcmpError::packet_too_big, hop_address(false, 0, 1, 1, 2), v4,
                                      *parse_packet(v4), 1300);
  ASSERT_TRUE(answer);
  EXPECT_EQ((*answer)[20], 3);
  EXPECT_EQ((*answer)[21], 4);
  EXPECT_EQ((*answer)[26] << 8 | (*answer)[27], 1300);  // RFC 1191 s4
  const Packet v6 = make_udp_v6({.payload_size = 1400});
  const auto answer6 = make_icmp_error(IcmpError::packet_too_big, hop_address(true, 0, 1, 1, 2), v6,
                                       *parse_packet(v6), 1300);
  ASSERT_TRUE(answer6);
  EXPECT_EQ((*answer6)[40], 2);
  EXPECT_EQ((*answer6)[46] << 8 | (*answer6)[47], 1300);  // RFC 4443 s3.2
  EXPECT_LE(answer6->size(), 1280U);
}

TEST(LabPacket, NeverAnswersAnIcmpError) {
  const Packet packet = make_udp();
  const auto error = make_icmp_error(IcmpError::time_exceeded, hop_address(false, 0, 1, 1, 2),
                                     packet, *parse_packet(packet), 1500);
  ASSERT_TRUE(error);
  EXPECT_FALSE(make_icmp_error(IcmpError::time_exceeded, hop_address(false, 0, 1, 1, 2), *error,
                               *parse_packet(*error), 1500));
}

TEST(LabPacket, RoutersNextToANodeKeepTheirAddressOnEveryPair) {
  EXPECT_EQ(hop_address(false, 0, 1, 1, 6), hop_address(false, 0, 2, 1, 6));
  EXPECT_EQ(hop_address(false, 0, 2, 6, 6), hop_address(false, 1, 2, 6, 6));
  std::set<std::string> distinct;
  for (std::uint8_t hop = 1; hop <= 6; ++hop) {
    distinct.insert(hop_address(false, 0, 1, hop, 6).to_string());
  }
  EXPECT_EQ(distinct.size(), 6U);
}

}  // namespace
}  // namespace linkpilot::lab
