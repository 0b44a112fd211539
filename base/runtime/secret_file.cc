#include "base/runtime/secret_file.h"

#include <sodium.h>
#include <sys/stat.h>

#include "base/assert.h"
#include "base/runtime/files.h"

namespace linkpilot {

namespace {

constexpr std::size_t kFileBytesMax = 4'096;
constexpr unsigned kSecretMode = 0600;

Secret hmac_sha256(std::span<const std::uint8_t> key, std::span<const std::uint8_t> text,
                   std::span<const std::uint8_t> more) {
  Secret out{};
  crypto_auth_hmacsha256_state state;
  crypto_auth_hmacsha256_init(&state, key.data(), key.size());
  crypto_auth_hmacsha256_update(&state, text.data(), text.size());
  crypto_auth_hmacsha256_update(&state, more.data(), more.size());
  crypto_auth_hmacsha256_final(&state, out.data());
  return out;
}

}  // namespace

Secret make_secret() {
  LP_ASSERT(sodium_init() >= 0);
  Secret secret{};
  randombytes_buf(secret.data(), secret.size());
  return secret;
}

Status save_secret(const std::string& path, const Secret& secret) {
  std::string text(2 * secret.size() + 1, '\0');
  sodium_bin2hex(text.data(), text.size(), secret.data(), secret.size());
  text.back() = '\n';
  return replace_file(path, {reinterpret_cast<const std::uint8_t*>(text.data()), text.size()},
                      kSecretMode);
}

Result<Secret> load_secret(const std::string& path) {
  struct stat info{};
  if (::stat(path.c_str(), &info) == 0 && (info.st_mode & 077) != 0) {
    return fail(ErrorCode::permission,
                "secret " + path + " is open to others; run: chmod 600 " + path);
  }
  const Result<std::vector<std::uint8_t>> bytes = read_file(path, kFileBytesMax);
  if (!bytes) return fail(bytes.error());
  Secret secret{};
  std::size_t length = 0;
  const int result =
      sodium_hex2bin(secret.data(), secret.size(), reinterpret_cast<const char*>(bytes->data()),
                     bytes->size(), " \r\n", &length, nullptr);
  if (result != 0 || length != secret.size()) {
    return fail(ErrorCode::corrupt, path + " does not hold a secret (64 hex digits)");
  }
  return secret;
}

Secret derive_secret(const Secret& master, std::span<const std::uint8_t> info) {
  constexpr Secret kNoSalt{};  // RFC 5869 s2.2: as long as the hash, zeros
  constexpr std::array<std::uint8_t, 1> kFirstBlock = {1};
  const Secret pseudo_random_key = hmac_sha256(kNoSalt, master, {});
  return hmac_sha256(pseudo_random_key, info, kFirstBlock);
}

}  // namespace linkpilot
