#include "prober/stamp/tlv.h"

#include <gtest/gtest.h>

#include <vector>

#include "tests/unit/prober/hex.h"

namespace linkpilot::prober {
namespace {

using std::chrono::microseconds;
using std::chrono::milliseconds;

LinkTlv some_link() {
  return {.hears = false,
          .answer = true,
          .flow = 3,
          .port = 1,
          .epoch = 0x01020304,
          .silence = milliseconds(185),
          .interval = milliseconds(50),
          .highest = 77,
          .window = 0x8000000000000001ULL,
          .received = 70,
          .reordered = 2};
}

std::vector<std::uint8_t> own_tlvs(const LinkTlv& link) {
  std::vector<std::uint8_t> bytes(kOwnTlvsSize);
  const std::size_t first = write_tlv(FollowUp{}, kTlvUnrecognized, bytes);
  write_tlv(link, kTlvUnrecognized, std::span(bytes).subspan(first));
  return bytes;
}

TEST(Tlv, RoundTripsOurOwn) {
  const KnownTlvs known = read_tlvs(own_tlvs(some_link()));
  EXPECT_EQ(known.link, some_link());
  EXPECT_EQ(known.follow_up, FollowUp{});
  EXPECT_FALSE(known.malformed);
}

// RFC 8972 s4: flags, type, length in octets of the value; s4.7: sequence, timestamp, mode,
// reserved.
TEST(Tlv, WritesFollowUpTelemetryAsTheRfcDrawsIt) {
  std::vector<std::uint8_t> bytes(kTlvHeaderSize + kFollowUpValueSize, 0xee);
  write_tlv(FollowUp{.sequence = 5, .timestamp = 0x0102030405060708ULL, .kernel = true},
            kTlvUnrecognized, bytes);
  EXPECT_EQ(bytes, from_hex("80 07 0010 00000005 0102030405060708 02 000000"));
}

TEST(Tlv, IgnoresAnExperimentalTlvOfSomeoneElse) {
  std::vector<std::uint8_t> bytes = own_tlvs(some_link());
  bytes[kTlvHeaderSize + kFollowUpValueSize + kTlvHeaderSize] ^= 0xff;  // the magic
  EXPECT_FALSE(read_tlvs(bytes).link.has_value());
}

TEST(Tlv, BoundsDurationsThatDoNotFitTheWire) {
  LinkTlv link = some_link();
  link.silence = std::chrono::hours(10);
  link.interval = Duration(-5);
  const KnownTlvs known = read_tlvs(own_tlvs(link));
  EXPECT_EQ(known.link->silence, microseconds(0xffffffffLL));
  EXPECT_EQ(known.link->interval, Duration(0));
}

TEST(Tlv, ReflectsUnknownOnesWithTheUFlagAndTheirBytes) {
  std::vector<std::uint8_t> bytes = from_hex("00 c8 0003 010203");
  const std::vector<std::uint8_t> own = own_tlvs(LinkTlv{.answer = false});
  bytes.insert(bytes.end(), own.begin(), own.end());
  const std::vector<std::uint8_t> padding = from_hex("80 01 0002 aaaa");
  bytes.insert(bytes.end(), padding.begin(), padding.end());
  const FollowUp follow_up{.sequence = 9, .timestamp = 1, .kernel = true};

  reflect_tlvs(bytes, follow_up, some_link(), false);

  EXPECT_EQ(std::vector(bytes.begin(), bytes.begin() + 7), from_hex("80 c8 0003 010203"));
  EXPECT_EQ(bytes[7], 0);  // understood: U cleared
  EXPECT_EQ(std::vector(bytes.end() - 6, bytes.end()), from_hex("00 01 0002 aaaa"));
  const KnownTlvs known = read_tlvs(bytes);
  EXPECT_EQ(known.link, some_link());
  EXPECT_EQ(known.follow_up, follow_up);
}

TEST(Tlv, MarksWhatIsMalformedAndKeepsTheRest) {
  struct Case {
    const char* name;
    const char* in;
    const char* want;
  };
  const Case cases[] = {
      {"length past the end", "80 c8 0010 0102", "40 c8 0010 0102"},
      {"half a header", "80 01 0000 80 01", "00 01 0000 40 01"},
      {"one octet", "80", "40"},
      {"after a good one", "80 01 0001 aa 80 07 ffff 00", "00 01 0001 aa 40 07 ffff 00"},
      {"wrong length of a known type", "80 07 0001 00", "80 07 0001 00"}};
  for (const Case& c : cases) {
    SCOPED_TRACE(c.name);
    std::vector<std::uint8_t> bytes = from_hex(c.in);
    reflect_tlvs(bytes, {}, {}, false);
    EXPECT_EQ(bytes, from_hex(c.want));
  }
}

TEST(Tlv, TakesAnHmacOnlyAsTheLastOne) {
  const char* const hmac = "80 08 0010 000102030405060708090a0b0c0d0e0f";
  EXPECT_TRUE(read_tlvs(from_hex(std::string("80 01 0000") + hmac)).hmac.has_value());
  EXPECT_FALSE(read_tlvs(from_hex(std::string(hmac) + "80 01 0000")).hmac.has_value());
}

TEST(Tlv, MarksEveryTlvWhenIntegrityFails) {
  std::vector<std::uint8_t> bytes = from_hex("00 01 0001 aa 80 c8 0000");
  mark_integrity_failure(bytes);
  EXPECT_EQ(bytes, from_hex("20 01 0001 aa a0 c8 0000"));
}

}  // namespace
}  // namespace linkpilot::prober
