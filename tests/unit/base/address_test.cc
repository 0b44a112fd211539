#include "base/address.h"

#include <gtest/gtest.h>

#include "base/ids.h"

namespace linkpilot {
namespace {

TEST(Endpoint, RoundTripsThroughText) {
  for (const char* text : {"192.0.2.1:862", "[2001:db8::1]:862", "0.0.0.0:0", "[::]:65535"}) {
    SCOPED_TRACE(text);
    const Result<Endpoint> endpoint = Endpoint::parse(text);
    ASSERT_TRUE(endpoint.has_value());
    EXPECT_EQ(endpoint->to_string(), text);
  }
}

TEST(Endpoint, RefusesWhatIsNotOne) {
  for (const char* text : {"", ":", "192.0.2.1", "192.0.2.1:", "192.0.2.1:65536", "192.0.2.1:8x",
                           "2001:db8::1:862", "[2001:db8::1]", "host:80", "1.2.3:80"}) {
    SCOPED_TRACE(text);
    EXPECT_FALSE(Endpoint::parse(text).has_value());
  }
}

TEST(IpAddress, KnowsItsKind) {
  EXPECT_TRUE(IpAddress::parse("127.0.0.3")->is_loopback());
  EXPECT_TRUE(IpAddress::parse("::1")->is_loopback());
  EXPECT_TRUE(IpAddress::parse("0.0.0.0")->is_unspecified());
  EXPECT_TRUE(IpAddress::parse("::")->is_unspecified());
  EXPECT_FALSE(IpAddress::parse("2001:db8::1")->is_v4());
  EXPECT_EQ(*IpAddress::parse("::ffff:192.0.2.9"), IpAddress::v4(192, 0, 2, 9));
}

TEST(NodeName, IsSafeEverywhereItIsWritten) {
  EXPECT_TRUE(is_valid_node_name("fra-1"));
  EXPECT_TRUE(is_valid_node_name(std::string(63, 'a')));
  for (const char* name : {"", "-a", "a-", "Fra", "a.b", "a/b", "a\r\nBcc: x", "..", "a b"}) {
    EXPECT_FALSE(is_valid_node_name(name)) << name;
  }
  EXPECT_FALSE(is_valid_node_name(std::string(64, 'a')));
}

}  // namespace
}  // namespace linkpilot
