#include "schemas/packed_samples.h"

#include <gtest/gtest.h>
#include <rapidcheck.h>

#include <limits>

#include "base/rng.h"
#include "schemas/codec.h"
#include "schemas/wire_values.h"
#include "tests/unit/schemas/example_messages.h"

namespace linkpilot::schemas {
namespace {

constexpr UnixNanos kPackedAt{1'800'000'000'000'000'000};

std::vector<std::uint8_t> packed(std::span<const LinkSample> samples) {
  std::vector<std::uint8_t> out;
  pack_samples(samples, kPackedAt, out);
  return out;
}

// The reason of the refusal, or nothing.
std::string refusal_of(std::span<const std::uint8_t> octets) {
  std::vector<LinkSample> samples;
  try {
    unpack_samples(octets, kPackedAt, samples);
  } catch (const MessageError& error) {
    return error.error.message;
  }
  return "";
}

LinkSample ordinary_sample() {
  return std::get<Report>(example_agent_messages()[1].second).links.at(0);
}

TEST(PackedSamples, ComeBackAsTheyWereWhateverTheirValues) {
  EXPECT_TRUE(rc::check([](std::uint64_t seed) {
    Rng rng(seed);
    AgentMessage message = random_agent_message(rng);
    while (!std::holds_alternative<Report>(message)) message = random_agent_message(rng);
    const std::vector<LinkSample>& samples = std::get<Report>(message).links;
    std::vector<LinkSample> back(3, ordinary_sample());  // memory that is used again
    unpack_samples(packed(samples), kPackedAt, back);
    RC_ASSERT(back == samples);
  }));
}

TEST(PackedSamples, ExtremesOfEveryNumberComeBack) {
  LinkSample low = ordinary_sample();
  LinkSample high = low;
  high.link = {{NodeId{0xffff}, PortIndex{7}}, {NodeId{0}, PortIndex{0}}};
  high.start = UnixNanos{std::numeric_limits<std::int64_t>::max()};
  low.start = UnixNanos{std::numeric_limits<std::int64_t>::min()};
  high.sent = 0;
  high.answered = std::numeric_limits<std::uint32_t>::max();
  high.rtt_min = high.rtt_max = high.rtt_sum = Duration::max();
  low.rtt_min = Duration::max();
  low.rtt_max = low.rtt_sum = Duration{};
  high.forward_delay = {1, Duration::min(), Duration::max(), Duration::max()};
  high.backward_delay = {std::numeric_limits<std::uint32_t>::max(), Duration::max(),
                         Duration::min(), Duration{}};
  high.late = std::numeric_limits<std::uint32_t>::max();
  const std::vector<LinkSample> samples = {low, high, low, high};
  std::vector<LinkSample> back;
  unpack_samples(packed(samples), kPackedAt, back);
  EXPECT_EQ(back, samples);
}

TEST(PackedSamples, AQuietLinkTakesAThirdOfItsStruct) {
  const std::vector<LinkSample> samples(100, ordinary_sample());
  EXPECT_LT(packed(samples).size(), 100u * 100u);
}

TEST(PackedSamples, EveryCutIsRefused) {
  const std::vector<LinkSample> samples(2, ordinary_sample());
  const std::vector<std::uint8_t> whole = packed(samples);
  for (std::size_t size = 1; size < whole.size(); ++size) {
    EXPECT_NE(refusal_of(std::span(whole).first(size)), "") << size;
  }
  std::vector<std::uint8_t> longer = whole;
  longer.push_back(0);
  EXPECT_EQ(refusal_of(longer), "packed samples are followed by other octets");
  EXPECT_EQ(refusal_of({}), "");
}

TEST(PackedSamples, ACountThatTheOctetsCannotHoldIsRefusedBeforeItsMemoryIsTaken) {
  std::vector<std::uint8_t> octets = {0xff, 0xff, 0x03};  // 65535
  octets.resize(100, 0);
  EXPECT_NE(refusal_of(octets), "");
  EXPECT_EQ(refusal_of(std::vector<std::uint8_t>{5, 0, 0}),
            "packed samples are fewer than they say");
}

TEST(PackedSamples, FlagsOfANewerProgramAreRefused) {
  std::vector<std::uint8_t> octets = packed(std::vector{ordinary_sample()});
  octets[1] = 0x80;  // the flags become a number of two octets
  octets.insert(octets.begin() + 2, 1);
  EXPECT_EQ(refusal_of(octets), "a packed sample has flags of a newer program");
}

TEST(PackedSamples, NumbersBeyondTheirWidthAreRefused) {
  std::vector<std::uint8_t> octets = {1};
  octets.resize(10, 0xff);
  octets.push_back(0x02);  // a 65th bit
  octets.resize(40, 0);
  EXPECT_EQ(refusal_of(octets), "a packed number is over 64 bits");
}

TEST(PackedSamples, AReportUsesTheMemoryOfTheOneBefore) {
  Report report = std::get<Report>(example_agent_messages()[1].second);
  AgentMessage into = PlanAck{};
  for (const std::size_t links : {3u, 1u, 0u, 2u}) {
    report.links.assign(links, ordinary_sample());
    AlignedOctets octets(encode(AgentMessage(report)));
    ASSERT_TRUE(decode_agent_message_into(octets.span(), into));
    EXPECT_EQ(into, AgentMessage(report));
  }
  AlignedOctets ping(encode(AgentMessage(Ping{})));
  ASSERT_TRUE(decode_agent_message_into(ping.span(), into));
  EXPECT_TRUE(std::holds_alternative<Ping>(into));
}

}  // namespace
}  // namespace linkpilot::schemas
