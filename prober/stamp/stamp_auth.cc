#include "prober/stamp/stamp_auth.h"

#include <sodium.h>

#include <algorithm>
#include <string_view>

#include "base/assert.h"
#include "prober/stamp/bytes.h"
#include "prober/stamp/tlv.h"

namespace linkpilot::prober {
namespace {

constexpr std::string_view kLabel = "linkpilot stamp";
constexpr std::size_t kSequenceSize = 4;

using Digest = std::array<std::uint8_t, crypto_auth_hmacsha256_BYTES>;

Digest hmac_sha256(std::span<const std::uint8_t> key, std::span<const std::uint8_t> first,
                   std::span<const std::uint8_t> second) {
  crypto_auth_hmacsha256_state state;
  crypto_auth_hmacsha256_init(&state, key.data(), key.size());
  crypto_auth_hmacsha256_update(&state, first.data(), first.size());
  crypto_auth_hmacsha256_update(&state, second.data(), second.size());
  Digest digest{};
  crypto_auth_hmacsha256_final(&state, digest.data());
  return digest;
}

Mac tlv_mac(const SessionKey& key, std::span<const std::uint8_t> packet, std::size_t hmac_offset) {
  return compute_mac(key, packet.first(kSequenceSize),
                     packet.subspan(kAuthenticatedSize, hmac_offset));
}

}  // namespace

SessionKey derive_session_key(std::span<const std::uint8_t> secret, NodeId ssid,
                              std::uint32_t epoch) {
  const std::array<std::uint8_t, crypto_auth_hmacsha256_KEYBYTES> salt{};
  const Digest pseudo_random_key = hmac_sha256(salt, secret, {});
  std::array<std::uint8_t, kLabel.size() + 7> info{};
  std::ranges::copy(kLabel, info.begin());
  store_big<std::uint16_t>(info, kLabel.size(), ssid.value);
  store_big<std::uint32_t>(info, kLabel.size() + 2, epoch);
  info.back() = 1;  // RFC 5869 s2.3: the counter of the first and only block
  return hmac_sha256(pseudo_random_key, info, {});
}

Mac compute_mac(const SessionKey& key, std::span<const std::uint8_t> first,
                std::span<const std::uint8_t> second) {
  const Digest digest = hmac_sha256(key, first, second);
  Mac mac{};
  std::copy_n(digest.begin(), mac.size(), mac.begin());
  return mac;
}

bool mac_matches(const Mac& mac, std::span<const std::uint8_t> received) {
  return received.size() == mac.size() &&
         sodium_memcmp(mac.data(), received.data(), mac.size()) == 0;
}

void seal(const SessionKey& key, std::span<std::uint8_t> packet) {
  LP_ASSERT(packet.size() >= kAuthenticatedSize);
  const Mac base = compute_mac(key, packet.first(kMacOffset));
  std::ranges::copy(base, packet.begin() + kMacOffset);
  const KnownTlvs known = read_tlvs(packet.subspan(kAuthenticatedSize));
  if (!known.hmac) return;
  const Mac mac = tlv_mac(key, packet, known.hmac->offset);
  std::ranges::copy(
      mac, packet.begin() + static_cast<std::ptrdiff_t>(kAuthenticatedSize + known.hmac->offset +
                                                        kTlvHeaderSize));
}

SealState check_seal(const SessionKey& key, std::span<const std::uint8_t> packet) {
  if (packet.size() < kAuthenticatedSize) return SealState::bad_base;
  const Mac base = compute_mac(key, packet.first(kMacOffset));
  if (!mac_matches(base, packet.subspan(kMacOffset, kMacSize))) return SealState::bad_base;
  if (packet.size() == kAuthenticatedSize) return SealState::good;
  const KnownTlvs known = read_tlvs(packet.subspan(kAuthenticatedSize));
  if (!known.hmac) return SealState::bad_tlvs;
  const Mac mac = tlv_mac(key, packet, known.hmac->offset);
  return mac_matches(mac, known.hmac->value) ? SealState::good : SealState::bad_tlvs;
}

}  // namespace linkpilot::prober
