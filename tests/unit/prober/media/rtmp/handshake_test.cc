// The literals were computed by vectors.py, in this folder.
#include "prober/media/rtmp/handshake.h"

#include <gtest/gtest.h>

#include "prober/media/rtmp/digests.h"
#include "tests/support/rtmp_wire.h"

namespace linkpilot::rtmp {
namespace {

HandshakeBlock counting_block(std::size_t step) {
  HandshakeBlock block{};
  for (std::size_t i = 0; i < block.size(); ++i) block[i] = static_cast<std::uint8_t>(i * step + 3);
  return block;
}

std::string hex_at(const HandshakeBlock& block, std::size_t offset) {
  return to_hex(std::span(block).subspan(offset, 32));
}

TEST(Handshake, PutsDigestsWhereAndAsTheVectorsSay) {
  struct Vector {
    std::size_t step;
    HandshakeForm schema;
    DigestKey key;
    std::size_t offset;
    const char* digest;
  };
  const auto schema_0 = HandshakeForm::digest_schema_0;
  const auto schema_1 = HandshakeForm::digest_schema_1;
  const std::vector<Vector> vectors{
      {7, schema_0, DigestKey::client, 290,
       "36d27b365b84e5e55f376e2f24f3a7dd6b8b5e9b002f035f99366c07e43b8d41"},
      {7, schema_0, DigestKey::server, 290,
       "2e691a99791972c8b772eb258df6475daab3454c59f81df497d3012cce3ec8bc"},
      {7, schema_1, DigestKey::client, 942,
       "492c04ebd265e6343c4c12f5580a46399bec2724821f27f321b95ca75b63b318"},
      {7, schema_1, DigestKey::server, 942,
       "01d1722f262d0920a2fd6c2cff614d034585bbacbc28b5c77a88ca2fc0c3b984"},
      {151, schema_0, DigestKey::client, 642,
       "d72ff6c6f6615d7195ba657b94c97963f5ac2e99cdafc3c41326b35fb2fa6ec2"},
      {151, schema_1, DigestKey::server, 1294,
       "6e73ceec54639b0f94bc219bb35e421c8fad5b9917f9d4659ef0fc37a48afe7d"}};
  for (const Vector& vector : vectors) {
    HandshakeBlock block = counting_block(vector.step);
    EXPECT_FALSE(find_digest(block, vector.key));
    put_digest(block, vector.schema, vector.key);
    EXPECT_EQ(digest_offset(block, vector.schema), vector.offset);
    EXPECT_EQ(hex_at(block, vector.offset), vector.digest);
    EXPECT_EQ(find_digest(block, vector.key), vector.schema);
  }
}

TEST(Handshake, PutsProofsAsTheVectorsSay) {
  Bytes digest(32);
  for (std::size_t i = 0; i < digest.size(); ++i) digest[i] = static_cast<std::uint8_t>(i);
  HandshakeBlock block = counting_block(7);
  put_proof(block, digest, DigestKey::client);
  EXPECT_EQ(hex_at(block, 1504),
            "284c96e80458de5bca470ddda3f8a553d89856199073a49d480ad6b6805f425f");
  block = counting_block(7);
  put_proof(block, digest, DigestKey::server);
  EXPECT_EQ(hex_at(block, 1504),
            "7fce027fd61c568e1d886d89070214fd2a2391e2c75bf93581cd361dab63b9fa");
}

struct Exchange {
  explicit Exchange(HandshakeForm form) : handshake(form, Rng(5)) { handshake.write_hello(hello); }

  Handshake::State give(const Bytes& bytes, std::size_t step) {
    for (std::size_t at = 0; at < bytes.size(); at += step) {
      std::span<const std::uint8_t> in(bytes.data() + at, std::min(step, bytes.size() - at));
      handshake.read(in, answer);
      left += in.size();
    }
    return handshake.state();
  }

  Handshake handshake;
  Bytes hello;
  Bytes answer;
  std::size_t left = 0;  // octets not taken
};

Bytes block_bytes(const HandshakeBlock& block) { return {block.begin(), block.end()}; }

TEST(Handshake, SendsASimpleHelloWithFourZeroOctets) {
  const Exchange exchange(HandshakeForm::simple);
  ASSERT_EQ(exchange.hello.size(), 1U + kHandshakeOctets);
  EXPECT_EQ(exchange.hello[0], 3);
  EXPECT_EQ(Bytes(exchange.hello.begin() + 5, exchange.hello.begin() + 9), Bytes(4));
}

TEST(Handshake, EchoesS1AsSoonAsItIsWholeAndKeepsWhatComesAfterS2) {
  const Bytes s1 = block_bytes(counting_block(9));
  for (const std::size_t step : {std::size_t{1}, std::size_t{1000}, std::size_t{5000}}) {
    Exchange exchange(HandshakeForm::simple);
    EXPECT_EQ(exchange.give(joined({{3}, s1}), step), Handshake::State::waiting_s2);
    EXPECT_EQ(exchange.answer, s1);
    const Bytes s2(exchange.hello.begin() + 1, exchange.hello.end());
    EXPECT_EQ(exchange.give(joined({s2, {1, 2, 3}}), 5000), Handshake::State::complete);
    EXPECT_TRUE(exchange.handshake.s2_is_right());
    EXPECT_EQ(exchange.left, 3U);
    EXPECT_EQ(exchange.answer.size(), kHandshakeOctets);
  }
}

TEST(Handshake, AcceptsAnS2OfGarbageAndSaysSo) {
  Exchange exchange(HandshakeForm::simple);
  EXPECT_EQ(exchange.give(joined({{3}, filler(2 * kHandshakeOctets)}), 4000),
            Handshake::State::complete);
  EXPECT_FALSE(exchange.handshake.s2_is_right());
}

TEST(Handshake, ProvesThatItReadTheServersDigest) {
  for (const HandshakeForm form :
       {HandshakeForm::digest_schema_0, HandshakeForm::digest_schema_1}) {
    Exchange exchange(form);
    HandshakeBlock c1{};
    std::copy(exchange.hello.begin() + 1, exchange.hello.end(), c1.begin());
    EXPECT_EQ(find_digest(c1, DigestKey::client), form);
    HandshakeBlock s1 = counting_block(11);
    put_digest(s1, HandshakeForm::digest_schema_1, DigestKey::server);
    HandshakeBlock s2 = counting_block(13);
    put_proof(s2, std::span(c1).subspan(digest_offset(c1, form), 32), DigestKey::server);
    EXPECT_EQ(exchange.give(joined({{3}, block_bytes(s1), block_bytes(s2)}), 777),
              Handshake::State::complete);
    EXPECT_TRUE(exchange.handshake.server_has_digest());
    EXPECT_TRUE(exchange.handshake.s2_is_right());
    HandshakeBlock c2{};
    std::copy(exchange.answer.begin(), exchange.answer.end(), c2.begin());
    HandshakeBlock want = c2;
    put_proof(want, std::span(s1).subspan(digest_offset(s1, HandshakeForm::digest_schema_1), 32),
              DigestKey::client);
    EXPECT_EQ(c2, want);
  }
}

TEST(Handshake, EchoesPlainlyIfTheServerKnowsNoDigests) {
  Exchange exchange(HandshakeForm::digest_schema_0);
  const Bytes s1 = block_bytes(counting_block(9));
  exchange.give(joined({{3}, s1}), 4000);
  EXPECT_FALSE(exchange.handshake.server_has_digest());
  EXPECT_EQ(exchange.answer, s1);
}

TEST(Handshake, NamesWhatAnsweredInsteadOfAnRtmpServer) {
  struct Case {
    Bytes octets;
    const char* words;
  };
  const std::vector<Case> cases{
      {bytes_of("HTTP/1.1 400 Bad Request\r\nServer: x"), "\"HTTP/1.1 400 Bad Request\""},
      {bytes_of("H"), "HTTP server"},
      {bytes_of("<html>"), "HTTP server"},
      {{0x15, 3, 3}, "rtmps://"},
      {{0x16, 3, 3}, "rtmps://"},
      {{6}, "RTMPE"},
      {bytes_of("SSH-2.0-x"), "SSH"},
      {bytes_of("220 mail ready\r\n"), "220 mail ready"},
      {{0}, "0x00"}};
  for (const Case& c : cases) {
    Exchange exchange(HandshakeForm::simple);
    EXPECT_EQ(exchange.give(c.octets, c.octets.size()), Handshake::State::failed);
    EXPECT_NE(exchange.handshake.failure().find(c.words), std::string::npos)
        << exchange.handshake.failure();
  }
}

}  // namespace
}  // namespace linkpilot::rtmp
