// StampSocket over loopback: which packets are stamped, and what is told of a received one.
#include "prober/stamp/stamp_socket.h"

#include <gtest/gtest.h>

#include <array>
#include <memory>
#include <string_view>
#include <vector>

namespace linkpilot::prober {
namespace {

std::unique_ptr<StampSocket> open_socket(std::string_view address, bool with_ttl = false) {
  auto socket = StampSocket::open({.listen = *IpAddress::parse(address), .with_ttl = with_ttl});
  if (!socket) ADD_FAILURE() << socket.error().message;
  return socket ? std::move(*socket) : nullptr;
}

std::vector<std::uint32_t> drain_tokens(StampSocket& socket, DatagramBatch& batch) {
  std::vector<std::uint32_t> tokens;
  for (auto stamps = socket.drain_stamps(batch); !stamps.empty();
       stamps = socket.drain_stamps(batch)) {
    for (const TransmitStamp& stamp : stamps) {
      if (stamp.time.ns != 0) tokens.push_back(stamp.token.sequence);
    }
  }
  return tokens;
}

class StampSocketOverLoopback : public testing::TestWithParam<const char*> {};

TEST_P(StampSocketOverLoopback, StampsThosePacketsThatWantItAndTellsThemApart) {
  const auto sender = open_socket(GetParam());
  const auto receiver = open_socket(GetParam());
  DatagramBatch batch;
  const std::array<std::uint8_t, 64> bytes{};
  std::vector<std::uint32_t> wanted;
  std::size_t received = 0;
  for (std::uint32_t round = 0; round < 30; ++round) {
    std::array<OutgoingDatagram, 10> outgoing;
    for (std::uint32_t i = 0; i < outgoing.size(); ++i) {
      const std::uint32_t sequence = round * 10 + i;
      outgoing[i] = {.bytes = bytes,
                     .destination = {*IpAddress::parse(GetParam()), receiver->local_port()},
                     .token = {.sequence = sequence},
                     .stamped = (sequence * sequence) % 3 == 1};
      if (outgoing[i].stamped) wanted.push_back(sequence);
    }
    ASSERT_EQ(sender->send(outgoing, batch), 0U);
    received += receiver->receive(batch).size();
  }
  EXPECT_EQ(drain_tokens(*sender, batch), wanted);
  EXPECT_EQ(received, 300U);
}

TEST_P(StampSocketOverLoopback, StampsGoOnAfterASendThatFailed) {
  const auto sender = open_socket(GetParam());
  const auto receiver = open_socket(GetParam());
  DatagramBatch batch;
  const std::vector<std::uint8_t> fits(64);
  const std::vector<std::uint8_t> too_long(70'000);
  const Endpoint destination{*IpAddress::parse(GetParam()), receiver->local_port()};
  for (const bool stamped : {false, true}) {
    std::array<OutgoingDatagram, 3> outgoing;
    for (std::uint32_t i = 0; i < 3; ++i) {
      outgoing[i] = {
          .bytes = fits, .destination = destination, .token = {.sequence = i}, .stamped = true};
    }
    outgoing[1].bytes = too_long;
    outgoing[1].stamped = stamped;
    EXPECT_EQ(sender->send(outgoing, batch), 1U);
    EXPECT_TRUE(outgoing[1].failed);
    // Where the failed one was to be stamped, the kernel's counter is in doubt from there on.
    const std::vector<std::uint32_t> known =
        stamped ? std::vector<std::uint32_t>{0} : std::vector<std::uint32_t>{0, 2};
    EXPECT_EQ(drain_tokens(*sender, batch), known);
  }
  std::array<OutgoingDatagram, 1> next{
      {{.bytes = fits, .destination = destination, .token = {.sequence = 7}}}};
  EXPECT_EQ(sender->send(next, batch), 0U);
  EXPECT_EQ(drain_tokens(*sender, batch), std::vector<std::uint32_t>{7});
}

TEST_P(StampSocketOverLoopback, TellsTheTtlWhereItIsAskedFor) {
  const auto sender = open_socket(GetParam());
  DatagramBatch batch;
  const std::array<std::uint8_t, 64> bytes{};
  for (const bool with_ttl : {false, true}) {
    const auto receiver = open_socket(GetParam(), with_ttl);
    std::array<OutgoingDatagram, 1> outgoing{
        {{.bytes = bytes, .destination = {*IpAddress::parse(GetParam()), receiver->local_port()}}}};
    ASSERT_EQ(sender->send(outgoing, batch), 0U);
    const auto received = receiver->receive(batch);
    ASSERT_EQ(received.size(), 1U);
    EXPECT_EQ(received[0].ttl, with_ttl ? 64 : 0);
    EXPECT_NE(received[0].received.ns, 0);
    EXPECT_EQ(received[0].source.port, sender->local_port());
  }
}

TEST(StampSocket, AnswersFromTheAddressThatWasAskedWhenBoundToNone) {
  const auto asker = open_socket("127.0.0.1");
  const auto answerer = open_socket("0.0.0.0");
  DatagramBatch batch;
  const std::array<std::uint8_t, 64> bytes{};
  std::array<OutgoingDatagram, 1> outgoing{
      {{.bytes = bytes, .destination = {*IpAddress::parse("127.7.7.7"), answerer->local_port()}}}};
  ASSERT_EQ(asker->send(outgoing, batch), 0U);
  const auto asked = answerer->receive(batch);
  ASSERT_EQ(asked.size(), 1U);
  EXPECT_EQ(asked[0].local, *IpAddress::parse("127.7.7.7"));
  for (const bool stamped : {false, true}) {
    outgoing[0] = {.bytes = bytes,
                   .destination = {*IpAddress::parse("127.0.0.1"), asker->local_port()},
                   .local = *IpAddress::parse("127.7.7.7"),
                   .stamped = stamped};
    ASSERT_EQ(answerer->send(outgoing, batch), 0U);
    const auto answer = asker->receive(batch);
    ASSERT_EQ(answer.size(), 1U);
    EXPECT_EQ(answer[0].source.address, *IpAddress::parse("127.7.7.7"));
  }
}

INSTANTIATE_TEST_SUITE_P(BothFamilies, StampSocketOverLoopback,
                         testing::Values("127.0.0.1", "::1"));

}  // namespace
}  // namespace linkpilot::prober
