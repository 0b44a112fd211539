#include "prober/stamp/stamp_auth.h"

#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "prober/stamp/tlv.h"
#include "tests/unit/prober/hex.h"

namespace linkpilot::prober {
namespace {

// RFC 4231 test cases 1 to 5, keys of at most 32 octets; HMAC pads a short key with zeros, so a key
// of ours holds them as they are. Digests truncated to 16 octets.
TEST(StampAuth, ComputesTheHmacsOfRfc4231) {
  struct Case {
    const char* name;
    std::vector<std::uint8_t> key;
    std::vector<std::uint8_t> data;
    const char* mac;
  };
  const std::string jefe = "what do ya want for nothing?";
  const std::string truncation = "Test With Truncation";
  const std::string hi = "Hi There";
  const Case cases[] = {
      {"1",
       std::vector<std::uint8_t>(20, 0x0b),
       {hi.begin(), hi.end()},
       "b0344c61d8db38535ca8afceaf0bf12b"},
      {"2", from_hex("4a656665"), {jefe.begin(), jefe.end()}, "5bdcc146bf60754e6a042426089575c7"},
      {"3", std::vector<std::uint8_t>(20, 0xaa), std::vector<std::uint8_t>(50, 0xdd),
       "773ea91e36800e46854db8ebd09181a7"},
      {"4", from_hex("0102030405060708090a0b0c0d0e0f10111213141516171819"),
       std::vector<std::uint8_t>(50, 0xcd), "82558a389a443c0ea4cc819899f2083a"},
      {"5",
       std::vector<std::uint8_t>(20, 0x0c),
       {truncation.begin(), truncation.end()},
       "a3b6167473100ee06e0c796c2955552b"}};
  for (const Case& c : cases) {
    SCOPED_TRACE(c.name);
    SessionKey key{};
    std::ranges::copy(c.key, key.begin());
    const Mac mac = compute_mac(key, c.data);
    EXPECT_EQ(std::vector(mac.begin(), mac.end()), from_hex(c.mac));
    const std::span<const std::uint8_t> data(c.data);
    EXPECT_EQ(compute_mac(key, data.first(5 % c.data.size()), data.subspan(5 % c.data.size())),
              mac);
  }
}

TEST(StampAuth, DerivesTheSessionKeyByHkdf) {
  // Computed with Python's hmac module from the formula in stamp_auth.h.
  std::vector<std::uint8_t> secret(32);
  for (std::size_t i = 0; i < secret.size(); ++i) secret[i] = static_cast<std::uint8_t>(i);
  const SessionKey key = derive_session_key(secret, NodeId(0x1234), 7);
  EXPECT_EQ(std::vector(key.begin(), key.end()),
            from_hex("60fd6757dc5bcbaf6417f835dd2c2a0b83b329451742df57f4c2640a58e2e091"));
}

TEST(StampAuth, GivesEveryNodeEpochAndSecretItsOwnKey) {
  const std::vector<std::uint8_t> one(32, 1);
  const std::vector<std::uint8_t> two(32, 2);
  const SessionKey key = derive_session_key(one, NodeId(1), 1);
  EXPECT_NE(key, derive_session_key(one, NodeId(2), 1));
  EXPECT_NE(key, derive_session_key(one, NodeId(1), 2));
  EXPECT_NE(key, derive_session_key(two, NodeId(1), 1));
}

std::vector<std::uint8_t> sealed_probe(const SessionKey& key) {
  std::vector<std::uint8_t> packet(kAuthenticatedSize + kOwnTlvsSize + kTlvHeaderSize +
                                   kHmacValueSize);
  encode(SenderPacket{.sequence = 5}, PacketMode::authenticated, packet);
  std::span<std::uint8_t> rest = std::span(packet).subspan(kAuthenticatedSize);
  rest = rest.subspan(write_tlv(FollowUp{}, kTlvUnrecognized, rest));
  rest = rest.subspan(write_tlv(LinkTlv{}, kTlvUnrecognized, rest));
  write_hmac_tlv(kTlvUnrecognized, rest);
  seal(key, packet);
  return packet;
}

TEST(StampAuth, FindsEveryFlippedBit) {
  const SessionKey key = derive_session_key(std::vector<std::uint8_t>(32, 9), NodeId(1), 1);
  const std::vector<std::uint8_t> good = sealed_probe(key);
  ASSERT_EQ(check_seal(key, good), SealState::good);
  // RFC 8972 s4.8 leaves out the flags of the HMAC TLV itself.
  const std::size_t uncovered = good.size() - kTlvHeaderSize - kHmacValueSize;
  for (std::size_t bit = 0; bit < good.size() * 8; ++bit) {
    if (bit / 8 == uncovered) continue;
    std::vector<std::uint8_t> bad = good;
    bad[bit / 8] ^= static_cast<std::uint8_t>(1U << bit % 8);
    EXPECT_EQ(check_seal(key, bad),
              bit / 8 < kAuthenticatedSize ? SealState::bad_base : SealState::bad_tlvs)
        << "bit " << bit;
  }
}

TEST(StampAuth, TrustsNoTlvsWithoutAnHmacTlv) {
  const SessionKey key = derive_session_key(std::vector<std::uint8_t>(32, 9), NodeId(1), 1);
  std::vector<std::uint8_t> packet = sealed_probe(key);
  packet.resize(packet.size() - kTlvHeaderSize - kHmacValueSize);
  EXPECT_EQ(check_seal(key, packet), SealState::bad_tlvs);
  packet.resize(kAuthenticatedSize);
  EXPECT_EQ(check_seal(key, packet), SealState::good);
  packet.resize(kAuthenticatedSize - 1);
  EXPECT_EQ(check_seal(key, packet), SealState::bad_base);
}

}  // namespace
}  // namespace linkpilot::prober
