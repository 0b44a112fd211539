#include "prober/stamp/stamp_packet.h"

#include <gtest/gtest.h>
#include <rapidcheck.h>

#include <vector>

#include "tests/unit/prober/hex.h"

namespace linkpilot::prober {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;

// From scapy's test/contrib/stamp.uts (raw seconds, without the 1900 offset, so words are
// compared).
const char* const kScapySender =
    "00001234 000004D2 915B573E 9234 054D 00000000 00000000 00000000 00000000 00000000 00000000 "
    "00000000";
const char* const kScapyReflector =
    "00001234 000004D2 915B573E 9234 054D 000010E1 E0624DD2 00004321 0000085F A8A0902D 2143 0000 "
    "6F 000000";

SenderPacket scapy_sender() {
  return {.sequence = 0x1234,
          .timestamp = 0x000004D2915B573EULL,
          .error = {.synchronized = true,
                    .format = TimestampFormat::ntp,
                    .scale = 0x12,
                    .multiplier = 0x34},
          .ssid = 1357};
}

TEST(StampPacket, EncodesTheScapySenderVector) {
  std::vector<std::uint8_t> bytes(kUnauthenticatedSize, 0xee);
  encode(scapy_sender(), PacketMode::unauthenticated, bytes);
  EXPECT_EQ(bytes, from_hex(kScapySender));
}

TEST(StampPacket, DecodesTheScapySenderVector) {
  const auto packet =
      decode_sender_packet(from_hex(kScapySender), PacketMode::unauthenticated, Strictness::strict);
  ASSERT_TRUE(packet.has_value());
  EXPECT_EQ(*packet, scapy_sender());
}

TEST(StampPacket, EncodesAndDecodesTheScapyReflectorVector) {
  const SenderPacket head = scapy_sender();
  const ReflectorPacket packet{.sequence = head.sequence,
                               .timestamp = head.timestamp,
                               .error = head.error,
                               .ssid = head.ssid,
                               .receive_timestamp = 0x000010E1E0624DD2ULL,
                               .sender_sequence = 0x4321,
                               .sender_timestamp = 0x0000085FA8A0902DULL,
                               .sender_error = 0x2143,
                               .sender_ttl = 111};
  std::vector<std::uint8_t> bytes(kUnauthenticatedSize, 0xee);
  encode(packet, PacketMode::unauthenticated, bytes);
  EXPECT_EQ(bytes, from_hex(kScapyReflector));
  const auto decoded =
      decode_reflector_packet(bytes, PacketMode::unauthenticated, Strictness::strict);
  ASSERT_TRUE(decoded.has_value());
  EXPECT_EQ(*decoded, packet);
}

// RFC 8762 figure 4: 16-octet blocks, the HMAC in the last.
TEST(StampPacket, PutsAuthenticatedFieldsAtTheOffsetsOfTheRfc) {
  std::vector<std::uint8_t> bytes(kAuthenticatedSize, 0xee);
  encode(scapy_sender(), PacketMode::authenticated, bytes);
  EXPECT_EQ(std::vector(bytes.begin(), bytes.begin() + 28),
            from_hex("00001234 00000000 00000000 00000000 000004D2 915B573E 9234 054D"));
  for (std::size_t i = 28; i < bytes.size(); ++i) EXPECT_EQ(bytes[i], 0) << i;
}

TEST(StampPacket, RoundTripsEveryFieldInBothModes) {
  rc::check([](std::uint32_t sequence, std::uint64_t t1, std::uint64_t t2, std::uint64_t t3,
               std::uint16_t words, std::uint8_t ttl, bool authenticated) {
    const PacketMode mode = authenticated ? PacketMode::authenticated : PacketMode::unauthenticated;
    const ReflectorPacket packet{.sequence = sequence,
                                 .timestamp = t3,
                                 .error = ErrorEstimate::unpack(words),
                                 .ssid = static_cast<std::uint16_t>(words ^ 0x5555),
                                 .receive_timestamp = t2,
                                 .sender_sequence = ~sequence,
                                 .sender_timestamp = t1,
                                 .sender_error = words,
                                 .sender_ttl = ttl};
    std::vector<std::uint8_t> bytes(base_size(mode));
    encode(packet, mode, bytes);
    RC_ASSERT(*decode_reflector_packet(bytes, mode, Strictness::strict) == packet);
    write_transmit_timestamp(t1, mode, bytes);
    RC_ASSERT(decode_reflector_packet(bytes, mode, Strictness::strict)->timestamp == t1);
  });
}

TEST(StampPacket, IgnoresWhatStandsInMustBeZeroFields) {
  std::vector<std::uint8_t> bytes = from_hex(kScapySender);
  for (std::size_t i = 16; i < bytes.size(); ++i) bytes[i] = 0xff;
  EXPECT_EQ(decode_sender_packet(bytes, PacketMode::unauthenticated, Strictness::strict),
            scapy_sender());
}

TEST(StampPacket, AcceptsShortPacketsOnlyInTwampLightMode) {
  struct Case {
    const char* name;
    std::size_t size;
    bool strict;
    bool lenient_request;
    bool lenient_answer;
  };
  const Case cases[] = {{"empty", 0, false, false, false},
                        {"13 octets", 13, false, false, false},
                        {"TWAMP-Light request", 14, false, true, false},
                        {"37 octets", 37, false, true, false},
                        {"twampy's answer", 38, false, true, true},
                        {"43 octets", 43, false, true, true},
                        {"STAMP", 44, true, true, true},
                        {"with TLVs", 60, true, true, true}};
  for (const Case& c : cases) {
    SCOPED_TRACE(c.name);
    const std::vector<std::uint8_t> bytes(c.size, 1);
    const auto open = PacketMode::unauthenticated;
    EXPECT_EQ(decode_sender_packet(bytes, open, Strictness::strict).has_value(), c.strict);
    EXPECT_EQ(decode_reflector_packet(bytes, open, Strictness::strict).has_value(), c.strict);
    EXPECT_EQ(decode_sender_packet(bytes, open, Strictness::twamp_light).has_value(),
              c.lenient_request);
    EXPECT_EQ(decode_reflector_packet(bytes, open, Strictness::twamp_light).has_value(),
              c.lenient_answer);
    EXPECT_FALSE(decode_sender_packet(bytes, PacketMode::authenticated, Strictness::twamp_light));
  }
}

TEST(StampPacket, ReadsMissingOctetsAsZero) {
  const auto packet = decode_sender_packet(from_hex("00001234 000004D2 915B573E 9234"),
                                           PacketMode::unauthenticated, Strictness::twamp_light);
  ASSERT_TRUE(packet.has_value());
  EXPECT_EQ(packet->sequence, 0x1234U);
  EXPECT_EQ(packet->ssid, 0);
}

TEST(StampTimestamp, CountsNtpSecondsFrom1900) {
  // RFC 5905 figure 4: 1970-01-01 is 2,208,988,800.
  EXPECT_EQ(encode_timestamp(UnixNanos{0}, TimestampFormat::ntp), 2'208'988'800ULL << 32);
  EXPECT_EQ(encode_timestamp(UnixNanos{500'000'000}, TimestampFormat::ntp),
            2'208'988'800ULL << 32 | 0x80000000U);
  EXPECT_EQ(encode_timestamp(UnixNanos{1'000'000'007}, TimestampFormat::ptp), 1ULL << 32 | 7U);
}

TEST(StampTimestamp, RoundTripsToTheNanosecondInBothFormats) {
  rc::check([](std::uint64_t draw, bool ptp) {
    const UnixNanos time{static_cast<std::int64_t>(draw % 4'000'000'000'000'000'000ULL)};
    const TimestampFormat format = ptp ? TimestampFormat::ptp : TimestampFormat::ntp;
    const auto shift = static_cast<std::int64_t>(draw % 2'000'000'000'000'000'000ULL) / 2;
    const UnixNanos reference = time + Duration(draw % 2 == 0 ? shift : -shift);
    RC_ASSERT(decode_timestamp(encode_timestamp(time, format), format, reference) == time);
  });
}

TEST(StampTimestamp, CrossesTheNtpEraOf2036) {
  constexpr std::int64_t kEraOne = 2'085'978'496LL * 1'000'000'000;  // 2036-02-07 06:28:16 UTC
  const std::uint64_t before = encode_timestamp(UnixNanos{kEraOne - 1'000}, TimestampFormat::ntp);
  const std::uint64_t after = encode_timestamp(UnixNanos{kEraOne + 1'000}, TimestampFormat::ntp);
  EXPECT_GT(before, after);
  EXPECT_EQ(decode_timestamp(after, TimestampFormat::ntp, UnixNanos{kEraOne - 1'000}) -
                decode_timestamp(before, TimestampFormat::ntp, UnixNanos{kEraOne + 1'000}),
            Duration(2'000));
}

TEST(StampTimestamp, BoundsNonsensePtpNanoseconds) {
  const UnixNanos time =
      decode_timestamp(5ULL << 32 | 0xffffffffU, TimestampFormat::ptp, UnixNanos{0});
  EXPECT_EQ(time.ns, 5'999'999'999);
}

TEST(ErrorEstimate, NeverUnderstatesAndIsWithinAPercent) {
  rc::check([] {
    const Duration error(*rc::gen::inRange<std::int64_t>(1, 86'400'000'000'000));
    const ErrorEstimate estimate = ErrorEstimate::of(error, true);
    RC_ASSERT(estimate.multiplier != 0);
    RC_ASSERT(estimate.error() >= error);
    RC_ASSERT(estimate.error().count() <= error.count() + error.count() / 100 + 2);
    RC_ASSERT(ErrorEstimate::unpack(estimate.pack()) == estimate);
  });
}

TEST(ErrorEstimate, SurvivesEveryWordFromOutside) {
  for (std::uint32_t word = 0; word <= 0xffff; ++word) {
    const ErrorEstimate estimate = ErrorEstimate::unpack(static_cast<std::uint16_t>(word));
    EXPECT_GE(estimate.error(), Duration(0));
    EXPECT_LE(estimate.error(), seconds(86'400));
    EXPECT_EQ(estimate.pack(), word);
  }
}

}  // namespace
}  // namespace linkpilot::prober
