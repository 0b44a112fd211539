#include "prober/media/dial/target_policy.h"

#include <gtest/gtest.h>

namespace linkpilot::prober {
namespace {

IpAddress ip(std::string_view text) { return IpAddress::parse(text).value(); }

TEST(TargetPolicy, KnowsWhatKindAnAddressIs) {
  struct Case {
    const char* address;
    AddressKind want;
  };
  for (const Case& one :
       {Case{"8.8.8.8", AddressKind::global}, Case{"2606:4700::1111", AddressKind::global},
        Case{"127.0.0.1", AddressKind::loopback}, Case{"127.255.255.255", AddressKind::loopback},
        Case{"::1", AddressKind::loopback}, Case{"::ffff:127.0.0.1", AddressKind::loopback},
        Case{"10.1.2.3", AddressKind::private_use}, Case{"172.16.0.1", AddressKind::private_use},
        Case{"172.31.255.255", AddressKind::private_use}, Case{"172.32.0.1", AddressKind::global},
        Case{"192.168.1.1", AddressKind::private_use}, Case{"100.64.0.1", AddressKind::private_use},
        Case{"100.128.0.1", AddressKind::global}, Case{"fd12::1", AddressKind::private_use},
        Case{"169.254.1.1", AddressKind::link_local}, Case{"fe80::1", AddressKind::link_local},
        Case{"169.254.169.254", AddressKind::metadata},
        Case{"100.100.100.200", AddressKind::metadata},
        Case{"fd00:ec2::254", AddressKind::metadata}, Case{"0.0.0.0", AddressKind::unspecified},
        Case{"::", AddressKind::unspecified}, Case{"0.1.2.3", AddressKind::reserved},
        Case{"224.0.0.1", AddressKind::multicast}, Case{"255.255.255.255", AddressKind::multicast},
        Case{"ff02::1", AddressKind::multicast}, Case{"240.0.0.1", AddressKind::reserved},
        Case{"2001:db8::1", AddressKind::reserved},
        // What IPv6 leads to counts: NAT64, 6to4, IPv4-compatible.
        Case{"64:ff9b::7f00:1", AddressKind::loopback},
        Case{"64:ff9b::a9fe:a9fe", AddressKind::metadata},
        Case{"64:ff9b:1::a00:1", AddressKind::private_use},
        Case{"::ffff:0:10.0.0.1", AddressKind::reserved},
        Case{"2002:7f00:1::", AddressKind::loopback}, Case{"::127.0.0.1", AddressKind::loopback}}) {
    EXPECT_EQ(to_string(kind_of(ip(one.address))), to_string(one.want)) << one.address;
  }
}

TEST(TargetPolicy, RefusesSpecialAddressesUnlessTheirRangeIsAllowed) {
  TargetPolicy policy;
  EXPECT_TRUE(check_address(policy, ip("8.8.8.8"), TargetOrigin::redirect));
  EXPECT_FALSE(check_address(policy, ip("10.0.0.1"), TargetOrigin::given));
  policy.allowed = parse_ranges("10.0.0.0/8").value();
  EXPECT_TRUE(check_address(policy, ip("10.0.0.1"), TargetOrigin::redirect));
  EXPECT_TRUE(check_address(policy, ip("64:ff9b::a00:1"), TargetOrigin::redirect));
  EXPECT_FALSE(check_address(policy, ip("192.168.0.1"), TargetOrigin::redirect));
  policy.allowed = {AddressRange::parse("0.0.0.0/0").value(), AddressRange::parse("::/0").value()};
  EXPECT_FALSE(check_address(policy, ip("224.0.0.1"), TargetOrigin::given)) << "never";
  EXPECT_FALSE(check_address(policy, ip("0.0.0.0"), TargetOrigin::given)) << "never";
}

TEST(TargetPolicy, KeepsMetadataOutOfTheNetworksItLiesIn) {
  TargetPolicy policy;
  policy.allowed = parse_ranges("private").value();
  EXPECT_TRUE(check_address(policy, ip("100.64.0.1"), TargetOrigin::redirect));
  EXPECT_TRUE(check_address(policy, ip("fd12::1"), TargetOrigin::redirect));
  EXPECT_FALSE(check_address(policy, ip("100.100.100.200"), TargetOrigin::redirect));
  EXPECT_FALSE(check_address(policy, ip("fd00:ec2::254"), TargetOrigin::redirect));
  policy.allowed = parse_ranges("100.100.100.200").value();
  EXPECT_TRUE(check_address(policy, ip("100.100.100.200"), TargetOrigin::redirect));
}

TEST(TargetPolicy, TrustsWhatAnOperatorGaveButNoRedirect) {
  const TargetPolicy policy{
      .trust_given_target = true, .allowed = {}, .allowed_hosts = {"a.b"}, .ceilings = {}};
  EXPECT_TRUE(check_address(policy, ip("127.0.0.1"), TargetOrigin::given));
  const Status refused = check_address(policy, ip("127.0.0.1"), TargetOrigin::redirect);
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().code, ErrorCode::permission);
  EXPECT_NE(refused.error().message.find("redirected"), std::string::npos);
  EXPECT_TRUE(check_host(policy, "c.d", TargetOrigin::given));
  EXPECT_FALSE(check_host(policy, "c.d", TargetOrigin::redirect));
}

TEST(TargetPolicy, MatchesHostsWholeOrBelowAStar) {
  const TargetPolicy policy{
      .allowed = {}, .allowed_hosts = {"cdn.example", "*.live.example"}, .ceilings = {}};
  for (const char* host : {"cdn.example", "a.live.example", "a.b.live.example", "CDN.Example",
                           "A.LIVE.example", "cdn.example."}) {
    EXPECT_TRUE(check_host(policy, host, TargetOrigin::given)) << host;
  }
  for (const char* host :
       {"evilcdn.example", "live.example", "evillive.example", "x.cdn.example"}) {
    EXPECT_FALSE(check_host(policy, host, TargetOrigin::given)) << host;
  }
}

TEST(TargetPolicy, MatchesHostsInAnyCaseOfTheList) {
  const TargetPolicy policy{
      .allowed = {}, .allowed_hosts = {"CDN.example", "*.Live.Example"}, .ceilings = {}};
  EXPECT_TRUE(check_host(policy, "cdn.example", TargetOrigin::given));
  EXPECT_TRUE(check_host(policy, "a.live.example", TargetOrigin::redirect));
}

TEST(TargetPolicy, ReadsRangesAndTheirNames) {
  EXPECT_EQ(parse_ranges("loopback").value().size(), 2U);
  EXPECT_TRUE(AddressRange::parse("192.0.2.0/25").value().contains(ip("192.0.2.127")));
  EXPECT_FALSE(AddressRange::parse("192.0.2.0/25").value().contains(ip("192.0.2.128")));
  EXPECT_TRUE(AddressRange::parse("::/0").value().contains(ip("1.2.3.4")));
  for (const char* text :
       {"", "everything", "10.0.0.0/33", "10.0.0.0/", "fd00::/129", "10.0.0/8"}) {
    EXPECT_FALSE(parse_ranges(text)) << text;
  }
}

}  // namespace
}  // namespace linkpilot::prober
