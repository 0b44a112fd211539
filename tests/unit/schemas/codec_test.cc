#include "schemas/codec.h"

#include <gtest/gtest.h>
#include <rapidcheck.h>

#include <cstring>

#include "tests/unit/schemas/example_messages.h"

namespace linkpilot::schemas {
namespace {

Result<AgentMessage> decode_agent(std::span<const std::uint8_t> bytes) {
  AlignedOctets aligned(bytes);
  return decode_agent_message(aligned.span());
}
Result<CollectorMessage> decode_collector(std::span<const std::uint8_t> bytes) {
  AlignedOctets aligned(bytes);
  return decode_collector_message(aligned.span());
}

TEST(Codec, RoundTripsOneMessageOfEachKind) {
  for (const auto& [name, message] : example_agent_messages()) {
    SCOPED_TRACE(name);
    const Result<AgentMessage> decoded = decode_agent(encode(message));
    ASSERT_TRUE(decoded) << decoded.error().message;
    EXPECT_EQ(*decoded, message);
  }
  for (const auto& [name, message] : example_collector_messages()) {
    SCOPED_TRACE(name);
    const Result<CollectorMessage> decoded = decode_collector(encode(message));
    ASSERT_TRUE(decoded) << decoded.error().message;
    EXPECT_EQ(*decoded, message);
  }
}

TEST(Codec, RoundTripsWhateverLiesWithinTheLimits) {
  EXPECT_TRUE(rc::check([](std::uint64_t seed) {
    Rng rng(seed);
    const AgentMessage agent = random_agent_message(rng);
    const Result<AgentMessage> agent_back = decode_agent(encode(agent));
    RC_ASSERT(agent_back.has_value());
    RC_ASSERT(*agent_back == agent);
    const CollectorMessage collector = random_collector_message(rng);
    const Result<CollectorMessage> collector_back = decode_collector(encode(collector));
    RC_ASSERT(collector_back.has_value());
    RC_ASSERT(*collector_back == collector);
  }));
}

TEST(Codec, RoundTripsTheLargestReportAndPlan) {
  Report report = std::get<Report>(example_agent_messages()[1].second);
  report.links.assign(kReportLinksMax, report.links[0]);
  report.streams.assign(kReportStreamsMax, report.streams[0]);
  report.events.assign(kReportEventsMax, report.events[0]);
  const Octets bytes = encode(AgentMessage(report));
  EXPECT_LT(bytes.size(), kMessageBytesMax);
  const Result<AgentMessage> decoded = decode_agent(bytes);
  ASSERT_TRUE(decoded) << decoded.error().message;
  EXPECT_TRUE(std::get<Report>(*decoded) == report);

  Plan plan = std::get<Plan>(example_collector_messages()[2].second);
  plan.nodes.assign(kFleetNodesMax, plan.nodes[0]);
  plan.links.assign(kPlanLinksMax, plan.links[0]);
  const Result<CollectorMessage> plan_back = decode_collector(encode(CollectorMessage(plan)));
  ASSERT_TRUE(plan_back) << plan_back.error().message;
  EXPECT_TRUE(std::get<Plan>(*plan_back) == plan);
}

TEST(Codec, CutsTextsThatAreTooLongInsteadOfFailing) {
  const Result<AgentMessage> decoded =
      decode_agent(encode(AgentMessage(PlanAck{1, 2, 3, std::string(5'000, 'x')})));
  ASSERT_TRUE(decoded);
  EXPECT_EQ(std::get<PlanAck>(*decoded).reason, std::string(1'024, 'x'));
}

TEST(Codec, WritesNegativeSpansAsZero) {
  LinkSample sample;
  sample.rtt_min = Duration(-5);
  const Result<AgentMessage> decoded =
      decode_agent(encode(AgentMessage(ProbeResult{1, "", sample})));
  ASSERT_TRUE(decoded);
  EXPECT_EQ(std::get<ProbeResult>(*decoded).sample.rtt_min, Duration(0));
}

TEST(Codec, RefusesEveryTruncation) {
  for (const auto& [name, message] : example_agent_messages()) {
    SCOPED_TRACE(name);
    const Octets whole = encode(message);
    for (std::size_t size = 0; size < whole.size(); ++size) {
      EXPECT_FALSE(decode_agent(std::span(whole).first(size))) << size;
    }
  }
  for (const auto& [name, message] : example_collector_messages()) {
    SCOPED_TRACE(name);
    const Octets whole = encode(message);
    for (std::size_t size = 0; size < whole.size(); ++size) {
      EXPECT_FALSE(decode_collector(std::span(whole).first(size))) << size;
    }
  }
}

TEST(Codec, RefusesWhatFollowsAMessage) {
  Octets bytes = encode(AgentMessage(Ping{1, {2}}));
  bytes.resize(bytes.size() + 8);
  EXPECT_FALSE(decode_agent(bytes));
}

TEST(Codec, RefusesMisalignedOctets) {
  const Octets bytes = encode(AgentMessage(Ping{1, {2}}));
  AlignedOctets room(Octets(bytes.size() + 8));
  for (std::size_t shift = 1; shift < 8; ++shift) {
    std::memcpy(room.data() + shift, bytes.data(), bytes.size());
    const Result<AgentMessage> decoded = decode_agent_message({room.data() + shift, bytes.size()});
    ASSERT_FALSE(decoded);
    EXPECT_EQ(decoded.error().code, ErrorCode::invalid_argument);
  }
}

TEST(Codec, RefusesMessagesOverTheLimit) {
  const Octets bytes(kMessageBytesMax + 8);
  const Result<AgentMessage> decoded = decode_agent(bytes);
  ASSERT_FALSE(decoded);
  EXPECT_EQ(decoded.error().code, ErrorCode::limit_exceeded);
}

TEST(Codec, LivesThroughRandomOctets) {
  EXPECT_TRUE(rc::check([](std::uint64_t seed) {
    Rng rng(seed);
    Octets bytes(rng.below(64) * 8);
    for (std::uint8_t& byte : bytes) byte = static_cast<std::uint8_t>(rng.next());
    if (bytes.size() >= 8) {  // a plausible segment table, so that some reach the root
      const auto words = static_cast<std::uint32_t>(bytes.size() / 8 - 1);
      std::memset(bytes.data(), 0, 4);
      std::memcpy(bytes.data() + 4, &words, 4);
    }
    static_cast<void>(decode_agent(bytes));
    static_cast<void>(decode_collector(bytes));
  }));
}

TEST(Codec, LivesThroughFlippedBits) {
  EXPECT_TRUE(rc::check([](std::uint64_t seed) {
    Rng rng(seed);
    Octets agent = encode(random_agent_message(rng));
    Octets collector = encode(random_collector_message(rng));
    for (Octets* bytes : {&agent, &collector}) {
      for (int flips = 0; flips < 3; ++flips) {
        (*bytes)[rng.below(bytes->size())] ^= static_cast<std::uint8_t>(1U << rng.below(8));
      }
    }
    static_cast<void>(decode_agent(agent));
    static_cast<void>(decode_collector(collector));
  }));
}

// --- messages made by hand, word by word (capnproto.org/encoding.html) ---

class Words {
 public:
  explicit Words(std::size_t count) : words_(count + 1) {
    words_[0] = std::uint64_t{count} << 32;  // one segment of `count` words
  }
  // Word `at` of the segment.
  std::uint64_t& operator[](std::size_t at) { return words_[at + 1]; }
  std::span<const std::uint8_t> span() const {
    return {reinterpret_cast<const std::uint8_t*>(words_.data()), words_.size() * 8};
  }
  static std::uint64_t struct_pointer(std::uint64_t offset, std::uint64_t data,
                                      std::uint64_t pointers) {
    return offset << 2 | data << 32 | pointers << 48;
  }
  static std::uint64_t list_pointer(std::uint64_t offset, std::uint64_t element_size,
                                    std::uint64_t count) {
    return 1 | offset << 2 | element_size << 32 | count << 35;
  }

 private:
  std::vector<std::uint64_t> words_;
};

TEST(Codec, NamesAnUnknownMessageKind) {
  Words message(3);
  message[0] = Words::struct_pointer(0, 1, 1);
  message[1] = 1 | std::uint64_t{999} << 16;  // schemaVersion 1, kind 999
  const Result<AgentMessage> decoded = decode_agent_message(message.span());
  ASSERT_FALSE(decoded);
  EXPECT_EQ(decoded.error().code, ErrorCode::invalid_argument);
  EXPECT_EQ(decoded.error().message, "unknown message kind 999");
  message[1] = 1;  // kind 0: nothing was said
  EXPECT_EQ(decode_collector_message(message.span()).error().message, "unknown message kind 0");
}

TEST(Codec, RefusesAMessageWithoutASchemaVersion) {
  Words message(1);
  const Result<AgentMessage> decoded = decode_agent_message(message.span());
  ASSERT_FALSE(decoded);
  EXPECT_EQ(decoded.error().code, ErrorCode::corrupt);
}

// A list of empty structs takes no room whatever its count says.
TEST(Codec, RefusesAListThatClaimsMoreThanItsLimit) {
  constexpr std::uint64_t kCount = 500'000'000;
  Words message(6);
  message[0] = Words::struct_pointer(0, 1, 1);
  message[1] = 1 | 2 << 16;                     // report
  message[2] = Words::struct_pointer(0, 0, 2);  // Report{}: pointers 0 (id) and 1 (links)
  message[4] = Words::list_pointer(0, 7, 0);    // composite, no words
  message[5] = kCount << 2;                     // its tag: kCount structs of size zero
  const Result<AgentMessage> decoded = decode_agent_message(message.span());
  ASSERT_FALSE(decoded);
  EXPECT_NE(decoded.error().message.find("traversal limit"), std::string::npos)
      << decoded.error().message;
}

TEST(Codec, RefusesAPointerThatLeadsOutOfTheMessage) {
  Words message(3);
  message[0] = Words::struct_pointer(0, 1, 1);
  message[1] = 1 | 6 << 16;                        // ping
  message[2] = Words::struct_pointer(1000, 2, 0);  // far behind the end
  const Result<AgentMessage> decoded = decode_agent_message(message.span());
  ASSERT_FALSE(decoded);
  EXPECT_EQ(decoded.error().code, ErrorCode::corrupt);
}

// A thousand streams whose names are all the same octets: small on the wire, large when read out.
TEST(Codec, RefusesAMessageThatAmplifies) {
  constexpr std::uint64_t kStreams = 1'000;
  constexpr std::uint64_t kStreamWords = 3;     // two of data, one pointer
  constexpr std::uint64_t kStreamsPointer = 6;  // behind those of id, links and load
  constexpr std::uint64_t kTag = kStreamsPointer + 1;
  constexpr std::uint64_t kText = kTag + 1 + kStreams * kStreamWords;
  constexpr std::uint64_t kTextOctets = 1'000;
  Words message(kText + kTextOctets / 8);
  message[0] = Words::struct_pointer(0, 1, 1);
  message[1] = 1 | 2 << 16;                     // report
  message[2] = Words::struct_pointer(0, 0, 4);  // Report{}, its pointers at words 3..6
  message[kStreamsPointer] = Words::list_pointer(0, 7, kStreams * kStreamWords);
  message[kTag] = Words::struct_pointer(kStreams, 2, 1);
  for (std::uint64_t i = 0; i < kStreams; ++i) {
    const std::uint64_t name = kTag + 1 + i * kStreamWords + 2;
    message[name] = Words::list_pointer(kText - name - 1, 2, kTextOctets);
  }
  const Result<AgentMessage> decoded = decode_agent_message(message.span());
  ASSERT_FALSE(decoded);
  EXPECT_NE(decoded.error().message.find("traversal limit"), std::string::npos)
      << decoded.error().message;
}

}  // namespace
}  // namespace linkpilot::schemas
