// CURVE key pairs (Curve25519, as ZeroMQ uses them) and Ed25519 signing keys: making, loading,
// saving. Keys are text files: one line, Z85 for CURVE (40 characters), hex for Ed25519. Secret
// files are created 0600 and refused when others can read them.
#pragma once

#include <array>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"

namespace linkpilot {

struct CurveKeyPair {
  std::string public_key;  // Z85, 40 characters
  std::string secret_key;
};

[[nodiscard]] bool is_valid_curve_key(std::string_view z85);
[[nodiscard]] CurveKeyPair make_curve_key_pair();
// PATH holds the secret key, PATH.pub the public one.
[[nodiscard]] Status save_curve_key_pair(const std::string& path, const CurveKeyPair& keys);
[[nodiscard]] Result<CurveKeyPair> load_curve_key_pair(const std::string& path);
// A public key from a *.pub file, or the key itself if no such file is there.
[[nodiscard]] Result<std::string> load_curve_public_key(const std::string& path_or_key);
// One to `keys_max` different public keys, a line each; empty lines and those that begin with # are
// left out (no Z85 key of a file begins with "# ").
[[nodiscard]] Result<std::vector<std::string>> load_curve_public_keys(const std::string& path,
                                                                      std::size_t keys_max);

using SigningPublicKey = std::array<std::uint8_t, 32>;
using Signature = std::array<std::uint8_t, 64>;

struct SigningKey {
  SigningPublicKey public_key{};
  std::array<std::uint8_t, 64> secret_key{};
};

[[nodiscard]] SigningKey make_signing_key();
[[nodiscard]] Status save_signing_key(const std::string& path, const SigningKey& key);
[[nodiscard]] Result<SigningKey> load_signing_key(const std::string& path);
[[nodiscard]] Result<SigningPublicKey> load_signing_public_key(const std::string& path_or_hex);

[[nodiscard]] Signature sign(const SigningKey& key, std::span<const std::uint8_t> bytes);
[[nodiscard]] bool verify(const SigningPublicKey& key, std::span<const std::uint8_t> bytes,
                          std::span<const std::uint8_t> signature);

// Random octets from the operating system.
[[nodiscard]] std::uint64_t random_u64();
[[nodiscard]] std::vector<std::uint8_t> random_bytes(std::size_t count);

}  // namespace linkpilot
