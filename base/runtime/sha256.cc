#include "base/runtime/sha256.h"

#include <sodium.h>

#include <array>
#include <cstring>
#include <string_view>

namespace linkpilot {

namespace {

// The state is copied in and out: its alignment is libsodium's business, ours is octets.
crypto_hash_sha256_state state_of(const std::vector<std::uint8_t>& octets) {
  crypto_hash_sha256_state state;
  std::memcpy(&state, octets.data(), sizeof state);
  return state;
}

}  // namespace

Sha256::Sha256() : state_(sizeof(crypto_hash_sha256_state)) {
  crypto_hash_sha256_state state;
  crypto_hash_sha256_init(&state);
  std::memcpy(state_.data(), &state, sizeof state);
}

void Sha256::add(std::span<const std::uint8_t> octets) {
  crypto_hash_sha256_state state = state_of(state_);
  crypto_hash_sha256_update(&state, octets.data(), octets.size());
  std::memcpy(state_.data(), &state, sizeof state);
}

std::string Sha256::hex() {
  crypto_hash_sha256_state state = state_of(state_);
  std::array<std::uint8_t, crypto_hash_sha256_BYTES> digest{};
  crypto_hash_sha256_final(&state, digest.data());
  constexpr std::string_view kDigits = "0123456789abcdef";
  std::string text;
  for (const std::uint8_t octet : digest) {
    text += kDigits[octet >> 4];
    text += kDigits[octet & 15];
  }
  return text;
}

}  // namespace linkpilot
