#include "prober/stamp/reflector.h"

#include <gtest/gtest.h>

#include <vector>

namespace linkpilot::prober {
namespace {

using std::chrono::milliseconds;
using std::chrono::minutes;
using std::chrono::seconds;

constexpr std::uint16_t kPeerNode = 9;
const IpAddress kPeerAddress = IpAddress::v4(192, 0, 2, 9);

PlannedLink planned(ProbeMode mode = ProbeMode::stamp, std::uint16_t node = kPeerNode) {
  PlannedLink link{.link = {{NodeId(1), PortIndex(0)}, {NodeId(node), PortIndex(2)}},
                   .peer = {kPeerAddress, 862},
                   .interval = milliseconds(50),
                   .mode = mode,
                   .secret = {}};
  if (mode == ProbeMode::stamp_authenticated) link.secret.assign(32, 3);
  return link;
}

struct ProbeOptions {
  std::uint32_t sequence = 0;
  std::uint16_t ssid = kPeerNode;
  std::uint16_t source_port = 40000;
  IpAddress source = kPeerAddress;
  std::uint32_t epoch = 100;
  bool with_tlvs = true;
};

std::vector<std::uint8_t> probe_bytes(const ProbeOptions& options) {
  std::vector<std::uint8_t> bytes(kUnauthenticatedSize + (options.with_tlvs ? kOwnTlvsSize : 0));
  encode(SenderPacket{.sequence = options.sequence,
                      .timestamp = 0x1122334455667788ULL,
                      .error = {},
                      .ssid = options.ssid},
         PacketMode::unauthenticated, bytes);
  if (!options.with_tlvs) return bytes;
  std::span<std::uint8_t> rest = std::span(bytes).subspan(kUnauthenticatedSize);
  rest = rest.subspan(write_tlv(FollowUp{}, kTlvUnrecognized, rest));
  LinkTlv link;
  link.port = 2;
  link.epoch = options.epoch;
  write_tlv(link, kTlvUnrecognized, rest);
  return bytes;
}

class ReflectorTest : public testing::Test {
 protected:
  ReflectorTest() : reflector(ReflectorOptions{}) { plan({planned()}); }

  void plan(const std::vector<PlannedLink>& links) { reflector.set_peers(links); }
  Reflector::Outcome give(std::vector<std::uint8_t>& bytes, const ProbeOptions& options = {}) {
    return reflector.on_probe({.bytes = bytes,
                               .source = {options.source, options.source_port},
                               .port = PortIndex(0),
                               .ttl = 61,
                               .received = UnixNanos{1'790'000'000'000'000'000},
                               .own_error = {}},
                              now);
  }
  Reflector::Outcome give(const ProbeOptions& options) {
    last = probe_bytes(options);
    return give(last, options);
  }
  ReflectorPacket answer() const {
    return *decode_reflector_packet(last, PacketMode::unauthenticated, Strictness::strict);
  }

  Reflector reflector;
  MonoTime now{1'000'000'000};
  std::vector<std::uint8_t> last;
};

TEST_F(ReflectorTest, AnswersAKnownPeerWithItsOwnSequenceAndTheProbeCopied) {
  give({.sequence = 5});
  const Reflector::Outcome outcome = give({.sequence = 7});
  ASSERT_EQ(outcome.verdict, Reflector::Verdict::answered);
  EXPECT_EQ(outcome.link.from, (PortId{NodeId(kPeerNode), PortIndex(2)}));
  Reflector::finish(outcome, UnixNanos{1'790'000'000'000'001'000}, last);
  EXPECT_EQ(answer().sequence, 1U);
  EXPECT_EQ(answer().sender_sequence, 7U);
  EXPECT_EQ(answer().sender_timestamp, 0x1122334455667788ULL);
  EXPECT_EQ(answer().sender_ttl, 61);
  EXPECT_EQ(answer().ssid, kPeerNode);
  EXPECT_GT(answer().timestamp, answer().receive_timestamp);
  const KnownTlvs tlvs = read_tlvs(std::span(last).subspan(kUnauthenticatedSize));
  ASSERT_TRUE(tlvs.link.has_value());
  EXPECT_TRUE(tlvs.link->answer);
  EXPECT_EQ(tlvs.link->highest, 7U);
  EXPECT_EQ(tlvs.link->window, 0b101U);
  EXPECT_EQ(tlvs.link->received, 2U);
  EXPECT_EQ(tlvs.link->interval, milliseconds(50));
}

TEST_F(ReflectorTest, NeverAnswersLongerOrShorterThanItWasAsked) {
  for (std::size_t size = 0; size < 200; ++size) {
    std::vector<std::uint8_t> bytes = probe_bytes({});
    bytes.resize(size, 0x41);
    const Reflector::Outcome outcome = give(bytes);
    EXPECT_EQ(outcome.verdict == Reflector::Verdict::answered, size >= kUnauthenticatedSize)
        << size;
    EXPECT_EQ(bytes.size(), size);
  }
}

TEST_F(ReflectorTest, AnswersShortTwampLightProbesWithAsManyOctets) {
  plan({planned(ProbeMode::twamp_light)});
  for (const std::size_t size : {14, 38, 41, 43, 44, 60}) {
    std::vector<std::uint8_t> bytes = probe_bytes({.ssid = 0, .with_tlvs = false});
    bytes.resize(size, 0);
    const Reflector::Outcome outcome = give(bytes);
    ASSERT_EQ(outcome.verdict, Reflector::Verdict::answered) << size;
    Reflector::finish(outcome, UnixNanos{1}, bytes);
    EXPECT_EQ(bytes.size(), size);
  }
  std::vector<std::uint8_t> bytes(13, 0);
  EXPECT_EQ(give(bytes).verdict, Reflector::Verdict::malformed);
}

TEST_F(ReflectorTest, RefusesStrangers) {
  EXPECT_EQ(give({.source = IpAddress::v4(198, 51, 100, 1)}).verdict,
            Reflector::Verdict::unknown_session);
  EXPECT_EQ(give({.ssid = 10}).verdict, Reflector::Verdict::unknown_session);
  EXPECT_EQ(give({.ssid = 0}).verdict, Reflector::Verdict::unknown_session);
  EXPECT_EQ(reflector.session_count(), 0U);
}

TEST_F(ReflectorTest, RefusesItsOwnAnswersSentBack) {
  ASSERT_EQ(give({}).verdict, Reflector::Verdict::answered);
  std::vector<std::uint8_t> reflected = last;
  EXPECT_EQ(give(reflected).verdict, Reflector::Verdict::malformed);
}

TEST_F(ReflectorTest, AnswersADuplicateInTheWindowAndRefusesAReplayBehindIt) {
  for (std::uint32_t sequence = 0; sequence < 100; ++sequence) give({.sequence = sequence});
  EXPECT_TRUE(give({.sequence = 98}).duplicate);
  const KnownTlvs tlvs = read_tlvs(std::span(last).subspan(kUnauthenticatedSize));
  EXPECT_EQ(tlvs.link->received, 100U);
  EXPECT_EQ(give({.sequence = 35}).verdict, Reflector::Verdict::replayed);
  EXPECT_EQ(give({.sequence = 36}).verdict, Reflector::Verdict::answered);
}

TEST_F(ReflectorTest, KeepsFlowsApart) {
  give({.sequence = 50, .source_port = 1});
  give({.sequence = 10, .source_port = 2});
  EXPECT_EQ(answer().sequence, 0U);
  EXPECT_EQ(reflector.session_count(), 2U);
}

TEST_F(ReflectorTest, LimitsOnePeersRateWithoutHurtingAnother) {
  PlannedLink other = planned(ProbeMode::stamp, 11);
  other.peer.address = IpAddress::v4(192, 0, 2, 11);
  plan({planned(), other});
  int answered = 0;
  int refused = 0;
  for (std::uint32_t sequence = 0; sequence < 5000; ++sequence) {
    const Reflector::Verdict verdict = give({.sequence = sequence}).verdict;
    answered += verdict == Reflector::Verdict::answered ? 1 : 0;
    refused += verdict == Reflector::Verdict::rate ? 1 : 0;
  }
  EXPECT_EQ(answered, 200);  // a tenth of a second of 2000/s
  EXPECT_EQ(refused, 4800);
  EXPECT_EQ(give({.ssid = 11, .source = IpAddress::v4(192, 0, 2, 11)}).verdict,
            Reflector::Verdict::answered);
}

TEST_F(ReflectorTest, BoundsTheSessionsOfOnePeerByClosingTheLongestIdle) {
  for (std::uint16_t port = 1; port <= 100; ++port) {
    now += milliseconds(10);
    EXPECT_EQ(give({.source_port = port}).verdict, Reflector::Verdict::answered);
  }
  EXPECT_EQ(reflector.session_count(), kSessionsPerPeerMax);
}

TEST_F(ReflectorTest, RefusesBeyondItsTableAndCountsAgainAfterExpiry) {
  reflector = Reflector({.sessions_max = 2});
  plan({planned()});
  EXPECT_EQ(give({.source_port = 1}).verdict, Reflector::Verdict::answered);
  EXPECT_EQ(give({.source_port = 2}).verdict, Reflector::Verdict::answered);
  EXPECT_EQ(give({.source_port = 3}).verdict, Reflector::Verdict::table_full);
  now += minutes(6);
  reflector.expire(now);
  EXPECT_EQ(reflector.session_count(), 0U);
  EXPECT_EQ(give({.source_port = 3}).verdict, Reflector::Verdict::answered);
}

TEST_F(ReflectorTest, ForgetsPeersThatLeaveThePlanAndKeepsThoseThatStay) {
  give({.sequence = 1});
  plan({planned(), planned(ProbeMode::stamp, 12)});
  give({.sequence = 2});
  EXPECT_EQ(answer().sequence, 1U);
  plan({});
  EXPECT_EQ(reflector.session_count(), 0U);
  EXPECT_EQ(give({.sequence = 3}).verdict, Reflector::Verdict::unknown_session);
}

TEST_F(ReflectorTest, SaysWhatItHears) {
  reflector.set_hearing(planned().link.reversed(), {.hears = false, .silence = seconds(2)});
  give({});
  const KnownTlvs tlvs = read_tlvs(std::span(last).subspan(kUnauthenticatedSize));
  EXPECT_FALSE(tlvs.link->hears);
  EXPECT_EQ(tlvs.link->silence, seconds(2));
}

TEST_F(ReflectorTest, BringsTheKernelStampOfTheAnswerBefore) {
  const Reflector::Outcome first = give({.sequence = 0});
  const UnixNanos left{1'790'000'000'000'000'777};
  reflector.on_transmit_stamp(first.answer, left);
  give({.sequence = 1});
  const KnownTlvs tlvs = read_tlvs(std::span(last).subspan(kUnauthenticatedSize));
  EXPECT_EQ(tlvs.follow_up, (FollowUp{.sequence = 0,
                                      .timestamp = encode_timestamp(left, TimestampFormat::ntp),
                                      .kernel = true}));
}

TEST_F(ReflectorTest, NumbersAcrossTheWrapOfTheSendersSequence) {
  give({.sequence = 0xfffffffe});
  EXPECT_EQ(give({.sequence = 1}).verdict, Reflector::Verdict::answered);
  EXPECT_EQ(give({.sequence = 0xffffffff}).verdict, Reflector::Verdict::answered);
  const KnownTlvs tlvs = read_tlvs(std::span(last).subspan(kUnauthenticatedSize));
  EXPECT_EQ(tlvs.link->highest, 1U);
  EXPECT_EQ(tlvs.link->window, 0b1101U);
  EXPECT_EQ(tlvs.link->reordered, 1U);
}

class AuthenticatedReflectorTest : public ReflectorTest {
 protected:
  AuthenticatedReflectorTest() { plan({planned(ProbeMode::stamp_authenticated)}); }

  std::vector<std::uint8_t> sealed(std::uint32_t sequence, std::uint32_t epoch,
                                   std::uint8_t secret = 3) const {
    std::vector<std::uint8_t> bytes(kAuthenticatedSize + kOwnTlvsSize + kTlvHeaderSize +
                                    kHmacValueSize);
    encode(SenderPacket{.sequence = sequence, .ssid = kPeerNode}, PacketMode::authenticated, bytes);
    std::span<std::uint8_t> rest = std::span(bytes).subspan(kAuthenticatedSize);
    rest = rest.subspan(write_tlv(FollowUp{}, kTlvUnrecognized, rest));
    LinkTlv link;
    link.port = 2;
    link.epoch = epoch;
    rest = rest.subspan(write_tlv(link, kTlvUnrecognized, rest));
    write_hmac_tlv(kTlvUnrecognized, rest);
    seal(key(secret), bytes);
    return bytes;
  }
  static SessionKey key(std::uint8_t secret) {
    return derive_session_key(std::vector<std::uint8_t>(32, secret), NodeId(kPeerNode), 0);
  }
};

TEST_F(AuthenticatedReflectorTest, AnswersWithAValidSeal) {
  std::vector<std::uint8_t> bytes = sealed(0, 100);
  const Reflector::Outcome outcome = give(bytes);
  ASSERT_EQ(outcome.verdict, Reflector::Verdict::answered);
  Reflector::finish(outcome, UnixNanos{5}, bytes);
  EXPECT_EQ(check_seal(key(3), bytes), SealState::good);
}

TEST_F(AuthenticatedReflectorTest, RefusesAnotherKeyAndAnOpenProbe) {
  std::vector<std::uint8_t> forged = sealed(0, 100, 4);
  EXPECT_EQ(give(forged).verdict, Reflector::Verdict::bad_authentication);
  std::vector<std::uint8_t> open = probe_bytes({});
  EXPECT_NE(give(open).verdict, Reflector::Verdict::answered);
}

TEST_F(AuthenticatedReflectorTest, NamesTheLinkOfAProbeUnderAnotherKey) {
  std::vector<std::uint8_t> forged = sealed(0, 100, 4);
  EXPECT_EQ(give(forged).link, planned().link.reversed());
  std::vector<std::uint8_t> open = probe_bytes({});
  EXPECT_EQ(give(open).verdict, Reflector::Verdict::bad_authentication) << "no seal at all";
}

// The session goes on: its sequence, window and counts do not begin anew.
TEST_F(AuthenticatedReflectorTest, AnswersUnderEitherSecretWhileThePairChangesIt) {
  std::vector<std::uint8_t> before = sealed(0, 100, 3);
  ASSERT_EQ(give(before).verdict, Reflector::Verdict::answered);
  PlannedLink changing = planned(ProbeMode::stamp_authenticated);
  changing.also_mode = ProbeMode::stamp_authenticated;
  changing.also_secret.assign(32, 4);
  plan({changing});
  std::uint32_t sequence = 0;
  for (const std::uint8_t secret : {std::uint8_t{3}, std::uint8_t{4}, std::uint8_t{3}}) {
    std::vector<std::uint8_t> bytes = sealed(++sequence, 100, secret);
    const Reflector::Outcome outcome = give(bytes);
    ASSERT_EQ(outcome.verdict, Reflector::Verdict::answered);
    EXPECT_EQ(outcome.answer.sequence, sequence);
    Reflector::finish(outcome, UnixNanos{5}, bytes);
    EXPECT_EQ(check_seal(key(secret), bytes), SealState::good) << "as it was asked";
  }
  plan({planned(ProbeMode::stamp_authenticated)});
  std::vector<std::uint8_t> retired = sealed(9, 100, 4);
  EXPECT_EQ(give(retired).verdict, Reflector::Verdict::bad_authentication);
}

TEST_F(AuthenticatedReflectorTest, AnswersOpenProbesOnlyWhileAPairBeginsToHaveASecret) {
  PlannedLink beginning = planned(ProbeMode::stamp_authenticated);
  beginning.also_mode = ProbeMode::stamp;
  plan({beginning});
  std::vector<std::uint8_t> open = probe_bytes({.sequence = 1});
  const Reflector::Outcome outcome = give(open);
  ASSERT_EQ(outcome.verdict, Reflector::Verdict::answered);
  EXPECT_EQ(outcome.mode, PacketMode::unauthenticated);
  EXPECT_EQ(outcome.key, nullptr);
  std::vector<std::uint8_t> bytes = sealed(2, 100);
  EXPECT_EQ(give(bytes).verdict, Reflector::Verdict::answered);
}

TEST_F(AuthenticatedReflectorTest, EchoesTlvsOfABrokenHmacTlvWithTheIFlag) {
  std::vector<std::uint8_t> bytes = sealed(0, 100);
  bytes.back() ^= 1;
  const Reflector::Outcome outcome = give(bytes);
  ASSERT_EQ(outcome.verdict, Reflector::Verdict::answered);
  EXPECT_FALSE(outcome.word.has_value());
  TlvWalker walker(std::span<const std::uint8_t>(bytes).subspan(kAuthenticatedSize));
  while (const auto tlv = walker.next()) EXPECT_NE(tlv->flags & kTlvIntegrity, 0);
}

TEST_F(AuthenticatedReflectorTest, RefusesARecordingOfAnEarlierStart) {
  std::vector<std::uint8_t> recorded = sealed(0, 100);
  std::vector<std::uint8_t> first = recorded;
  ASSERT_EQ(give(first).verdict, Reflector::Verdict::answered);
  std::vector<std::uint8_t> restarted = sealed(0, 200);
  ASSERT_EQ(give(restarted).verdict, Reflector::Verdict::answered);
  EXPECT_EQ(give(recorded).verdict, Reflector::Verdict::replayed);
}

}  // namespace
}  // namespace linkpilot::prober
