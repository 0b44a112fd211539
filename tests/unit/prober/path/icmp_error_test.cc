#include "prober/path/icmp_error.h"

#include <gtest/gtest.h>

#include <deque>

#include "prober/path/probe_match.h"
#include "tests/support/path_network.h"

namespace linkpilot::prober {
namespace {

const ProbeIds kIds(0x1122334455667788);
const IpAddress kRouter = IpAddress::v4(10, 9, 9, 9);

PathFlow flow4(PathProtocol protocol = PathProtocol::udp) {
  return {.protocol = protocol,
          .source = IpAddress::v4(192, 0, 2, 1),
          .destination = IpAddress::v4(198, 51, 100, 7),
          .source_port = 20001,
          .destination_port = 33434};
}
PathFlow flow6(PathProtocol protocol = PathProtocol::udp) {
  PathFlow flow = flow4(protocol);
  flow.source = IpAddress::parse("2001:db8::1").value();
  flow.destination = IpAddress::parse("2001:db8:1::7").value();
  return flow;
}

PathBytes probe(const PathFlow& flow, std::uint32_t sequence) {
  PathBytes packet;
  build_probe({.flow = flow, .sequence = sequence, .ttl = 3, .size = 0}, kIds, packet);
  return packet;
}

// Octets live as long as the test: what is read of them points there.
const PathBytes& keep(PathBytes bytes) {
  static std::deque<PathBytes> kept;
  return kept.emplace_back(std::move(bytes));
}

const PathBytes& keep_error(const IcmpErrorSpec& spec, const PathBytes& packet) {
  return keep(icmp_error(spec, packet));
}

PathAnswer answer_with(const IcmpError& error) {
  return {.source = kRouter, .ttl = 60, .error = error};
}

TEST(IcmpError, ReadsWhatARouterSaysAndWhichProbeItIsAbout) {
  for (const PathProtocol protocol : {PathProtocol::udp, PathProtocol::tcp, PathProtocol::icmp}) {
    for (const PathFlow& flow : {flow4(protocol), flow6(protocol)}) {
      const bool v4 = flow.destination.is_v4();
      const PathBytes packet = probe(flow, 77);
      // IPv4 routers may quote as little as eight octets of what follows the IP header.
      for (const std::size_t quoted : {v4 ? 28UL : 48UL, 1200UL}) {
        const PathBytes icmp = icmp_error(
            {.type = static_cast<std::uint8_t>(v4 ? 11 : 3), .quote_octets = quoted}, packet);
        const auto error = v4 ? read_icmp4_error(icmp) : read_icmp6_error(icmp);
        ASSERT_TRUE(error) << to_string(protocol) << quoted;
        EXPECT_EQ(error->kind, IcmpErrorKind::time_exceeded);
        EXPECT_EQ(claimed_sequence(answer_with(*error), kIds, 100), 77U);
        const Fit fit = fits(answer_with(*error), flow, 77, packet.size(), kIds);
        EXPECT_TRUE(fit.ours);
        EXPECT_FALSE(fit.nat);
      }
    }
  }
}

TEST(IcmpError, ReadsMplsLabelsOfNewAndOldRouters) {
  const PathBytes packet = probe(flow4(), 5);
  for (const bool states_length : {true, false}) {
    const auto error = read_icmp4_error(keep_error(
        {.states_length = states_length, .extension = label_extension({299824, 16})}, packet));
    ASSERT_TRUE(error);
    ASSERT_EQ(error->labels.size, 2);
    EXPECT_EQ(error->labels.entries[0].label, 299824U);
    EXPECT_EQ(error->labels.entries[1], (MplsLabel{.label = 16, .traffic_class = 0, .ttl = 1}));
    EXPECT_TRUE(fits(answer_with(*error), flow4(), 5, packet.size(), kIds).ours);
  }
}

TEST(IcmpError, LeavesAnExtensionOfAWrongChecksumOrLengthAlone) {
  PathBytes extension = label_extension({16});
  extension[9] ^= 1;
  auto error = read_icmp4_error(keep_error({.extension = extension}, probe(flow4(), 5)));
  ASSERT_TRUE(error);
  EXPECT_EQ(error->labels.size, 0);
  extension = label_extension({16});
  extension[5] = 200;  // an object longer than the packet
  store_big(std::span(extension), 2, std::uint16_t{0});
  error = read_icmp4_error(keep_error({.extension = extension}, probe(flow4(), 5)));
  ASSERT_TRUE(error);
  EXPECT_EQ(error->labels.size, 0);
}

TEST(IcmpError, TellsTheMtu) {
  auto error =
      read_icmp4_error(keep_error({.type = 3, .code = 4, .rest = 1400}, probe(flow4(), 5)));
  ASSERT_TRUE(error);
  EXPECT_EQ(error->kind, IcmpErrorKind::too_big);
  EXPECT_EQ(error->mtu, 1400U);
  error = read_icmp6_error(keep_error({.type = 2, .rest = 1380}, probe(flow6(), 5)));
  ASSERT_TRUE(error);
  EXPECT_EQ(error->mtu, 1380U);
}

TEST(IcmpError, RefusesWhatIsCutAnywhereWithoutReadingBeyond) {
  for (const PathFlow& flow : {flow4(), flow6()}) {
    const bool v4 = flow.destination.is_v4();
    const PathBytes icmp =
        icmp_error({.type = static_cast<std::uint8_t>(v4 ? 11 : 3)}, probe(flow, 5));
    for (std::size_t size = 0; size < icmp.size(); ++size) {
      PathBytes cut(icmp.begin(), icmp.begin() + static_cast<std::ptrdiff_t>(size));
      if (v4 && size >= 8) {
        store_big(std::span(cut), 2, std::uint16_t{0});
        store_big(std::span(cut), 2, internet_checksum(cut));
      }
      const auto error = v4 ? read_icmp4_error(cut) : read_icmp6_error(cut);
      EXPECT_EQ(error.has_value(), size >= std::size_t{8} + (v4 ? 28 : 48)) << size;
    }
  }
}

TEST(IcmpError, RefusesAWrongChecksumLaterFragmentsAndOtherKinds) {
  PathBytes icmp = icmp_error({}, probe(flow4(), 5));
  icmp.back() ^= 1;
  EXPECT_FALSE(read_icmp4_error(icmp));
  PathBytes packet = probe(flow4(), 5);
  store_big(std::span(packet), 6, std::uint16_t{0x0010});  // offset 128
  EXPECT_FALSE(read_icmp4_error(keep_error({}, packet)));
  EXPECT_FALSE(read_icmp4_error(keep_error({.code = 1}, probe(flow4(), 5)))) << "of reassembly";
  EXPECT_FALSE(read_icmp4_error(keep_error({.type = 5}, probe(flow4(), 5)))) << "a redirect";
}

// What stands between the IPv6 header and UDP in a quote.
PathBytes with_extension_headers(PathBytes packet, std::uint8_t first, const PathBytes& headers) {
  packet[6] = first;
  const auto length = load_big<std::uint16_t>(packet, 4);
  store_big(std::span(packet), 4, static_cast<std::uint16_t>(length + headers.size()));
  packet.insert(packet.begin() + 40, headers.begin(), headers.end());
  return packet;
}

TEST(IcmpError, FindsTheTransportHeaderBehindExtensionHeaders) {
  PathBytes headers = {60, 0, 1, 4, 0, 0, 0, 0};                                 // hop-by-hop
  append(headers, PathBytes{44, 1, 1, 12, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0});  // options
  append(headers, PathBytes{17, 0, 0, 1, 0, 0, 0, 9});                           // a first fragment
  const PathBytes packet = with_extension_headers(probe(flow6(), 5), 0, headers);
  const auto error = read_icmp6_error(keep_error({.type = 3, .quote_octets = 1232}, packet));
  ASSERT_TRUE(error);
  EXPECT_EQ(error->quote.protocol, kIpProtocolUdp);
  EXPECT_EQ(load_big<std::uint16_t>(error->quote.transport, 0), 20001);
}

TEST(IcmpError, RefusesLaterFragmentsAndEndlessExtensionHeaders) {
  const PathBytes later = {17, 0, 0, 8, 0, 0, 0, 9};
  EXPECT_FALSE(read_icmp6_error(
      icmp_error({.type = 3}, with_extension_headers(probe(flow6(), 5), 44, later))));
  PathBytes endless;
  for (int i = 0; i < 9; ++i) append(endless, PathBytes{60, 0, 1, 4, 0, 0, 0, 0});
  EXPECT_FALSE(read_icmp6_error(keep_error(
      {.type = 3, .quote_octets = 1232}, with_extension_headers(probe(flow6(), 5), 60, endless))));
}

TEST(ProbeMatch, RefusesQuotesOfOtherPeoplesPackets) {
  const PathBytes packet = probe(flow4(), 5);
  const auto bent = [&packet](std::size_t at, std::uint8_t with, std::size_t quoted) {
    PathBytes other = packet;
    other[at] ^= with;
    const auto error = read_icmp4_error(keep_error({.quote_octets = quoted}, other));
    return error && fits(answer_with(*error), flow4(), 5, packet.size(), kIds).ours;
  };
  for (const std::size_t quoted : {std::size_t{28}, packet.size()}) {
    EXPECT_FALSE(bent(9, 1, quoted)) << "protocol";
    EXPECT_FALSE(bent(25, 1, quoted)) << "length";
  }
  EXPECT_FALSE(bent(19, 1, 28)) << "destination, without the token";
  EXPECT_FALSE(bent(23, 1, 28)) << "port, without the token";
  EXPECT_FALSE(bent(30, 1, packet.size())) << "token";
  EXPECT_FALSE(bent(35, 1, packet.size())) << "token";
}

TEST(ProbeMatch, KnowsAProbeAgainBehindANatAndSaysSo) {
  const PathBytes packet = probe(flow4(), 5);
  const auto behind = [&packet](std::size_t at, std::size_t quoted) {
    PathBytes other = packet;
    other[at] ^= 5;
    const auto error = read_icmp4_error(keep_error({.quote_octets = quoted}, other));
    return fits(answer_with(error.value()), flow4(), 5, packet.size(), kIds);
  };
  for (const std::size_t at : {15UL, 21UL, 27UL}) {  // source, source port, checksum
    EXPECT_TRUE(behind(at, 28).ours) << at;
    EXPECT_TRUE(behind(at, 28).nat) << at;
  }
  EXPECT_TRUE(behind(19, packet.size()).ours) << "another destination, but our token";
  EXPECT_TRUE(behind(19, packet.size()).nat);
}

TEST(ProbeMatch, TakesAShortQuoteThatWasFilledWithZeros) {
  PathBytes packet = probe(flow4(), 5);
  const std::size_t octets = packet.size();
  std::fill(packet.begin() + 28, packet.end(), std::uint8_t{0});
  const auto error = read_icmp4_error(keep_error({.extension = label_extension({16})}, packet));
  EXPECT_TRUE(fits(answer_with(error.value()), flow4(), 5, octets, kIds).ours);
}

TEST(ProbeMatch, TakesRepliesOfTheDestinationOnly) {
  const PathFlow flow = flow4(PathProtocol::icmp);
  PathBytes echo = probe(flow, 9);
  echo.erase(echo.begin(), echo.begin() + 20);
  echo[0] = 0;
  store_big(std::span(echo), 2, std::uint16_t{0});
  store_big(std::span(echo), 2, internet_checksum(echo));
  const auto reply_from = [&echo](const IpAddress& host) {
    return read_answer(
               {.bytes = keep(in_ipv4(host, echo)), .protocol = PathProtocol::icmp, .is_v4 = true})
        .value();
  };
  const PathAnswer right = reply_from(flow.destination);
  EXPECT_EQ(claimed_sequence(right, kIds, 100), 9U);
  EXPECT_TRUE(fits(right, flow, 9, 44, kIds).ours);
  EXPECT_FALSE(fits(right, flow, 8, 44, kIds).ours);
  EXPECT_FALSE(fits(reply_from(kRouter), flow, 9, 44, kIds).ours);
}

TEST(ProbeMatch, KnowsASynByTheNumberThatIsAcknowledged) {
  const PathFlow flow = flow4(PathProtocol::tcp);
  PathBytes reply(20);
  store_big(std::span(reply), 0, flow.destination_port);
  store_big(std::span(reply), 2, flow.source_port);
  store_big(std::span(reply), 8, kIds.code(9) + 1);
  reply[12] = 5 << 4;
  reply[13] = 0x12;
  const PathBytes packet = in_ipv4(flow.destination, reply, kIpProtocolTcp);
  const auto answer = read_answer({.bytes = packet, .protocol = PathProtocol::tcp, .is_v4 = true});
  ASSERT_TRUE(answer);
  EXPECT_EQ(claimed_sequence(*answer, kIds, 100), 9U);
  EXPECT_TRUE(fits(*answer, flow, 9, 44, kIds).ours);
}

}  // namespace
}  // namespace linkpilot::prober
