#include "base/runtime/curve_keys.h"

#include <sodium.h>
#include <sys/stat.h>
#include <unistd.h>
#include <zmq.h>

#include <algorithm>
#include <cerrno>
#include <cstring>

#include "base/assert.h"
#include "base/runtime/files.h"

namespace linkpilot {
namespace {

constexpr std::size_t kCurveTextLength = 40;  // 32 octets in Z85 (ZeroMQ RFC 32)
constexpr std::size_t kKeyFileBytesMax = 4096;

void ready_sodium() { LP_ASSERT(sodium_init() >= 0); }

std::string trimmed(std::string text) {
  while (!text.empty() && (text.back() == '\n' || text.back() == '\r' || text.back() == ' ')) {
    text.pop_back();
  }
  return text;
}

Result<std::string> load_line(const std::string& path) {
  const Result<std::vector<std::uint8_t>> bytes = read_file(path, kKeyFileBytesMax);
  if (!bytes) return fail(bytes.error());
  return trimmed(std::string(bytes->begin(), bytes->end()));
}

Result<std::string> load_secret_line(const std::string& path) {
  struct stat info{};
  if (::stat(path.c_str(), &info) == 0 && (info.st_mode & 077) != 0) {
    return fail(ErrorCode::permission,
                "secret key " + path + " is open to others; run: chmod 600 " + path);
  }
  return load_line(path);
}

Status save_line(const std::string& path, std::string text, unsigned mode) {
  text += '\n';
  const auto* data = reinterpret_cast<const std::uint8_t*>(text.data());
  return replace_file(path, {data, text.size()}, mode);
}

template <std::size_t N>
std::string to_hex(const std::array<std::uint8_t, N>& bytes) {
  std::string hex(2 * N + 1, '\0');
  sodium_bin2hex(hex.data(), hex.size(), bytes.data(), bytes.size());
  hex.pop_back();
  return hex;
}

template <std::size_t N>
bool from_hex(std::string_view hex, std::array<std::uint8_t, N>& bytes) {
  std::size_t length = 0;
  return hex.size() == 2 * N &&
         sodium_hex2bin(bytes.data(), N, hex.data(), hex.size(), nullptr, &length, nullptr) == 0 &&
         length == N;
}

}  // namespace

bool is_valid_curve_key(std::string_view z85) {
  if (z85.size() != kCurveTextLength) return false;
  std::array<std::uint8_t, 32> bytes{};
  return zmq_z85_decode(bytes.data(), std::string(z85).c_str()) != nullptr;
}

CurveKeyPair make_curve_key_pair() {
  std::array<char, kCurveTextLength + 1> public_key{};
  std::array<char, kCurveTextLength + 1> secret_key{};
  // One key in 85 begins like an option; whoever gives it to a command would be told off for it.
  do {
    LP_ASSERT(zmq_curve_keypair(public_key.data(), secret_key.data()) == 0);
  } while (public_key.front() == '-');
  return {public_key.data(), secret_key.data()};
}

Status save_curve_key_pair(const std::string& path, const CurveKeyPair& keys) {
  if (Status saved = save_line(path, keys.secret_key, 0600); !saved) return saved;
  return save_line(path + ".pub", keys.public_key, 0644);
}

Result<CurveKeyPair> load_curve_key_pair(const std::string& path) {
  Result<std::string> secret = load_secret_line(path);
  if (!secret) return fail(secret.error());
  if (!is_valid_curve_key(*secret)) {
    return fail(ErrorCode::corrupt, path + " does not hold a CURVE key (40 characters of Z85)");
  }
  std::array<char, kCurveTextLength + 1> public_key{};
  if (zmq_curve_public(public_key.data(), secret->c_str()) != 0) {
    return fail(ErrorCode::corrupt, path + ": no public key follows from this secret key");
  }
  CurveKeyPair keys{public_key.data(), std::move(*secret)};
  // PATH.pub is for people and for enrolment; a wrong one would enrol somebody else.
  const Result<std::string> kept = load_line(path + ".pub");
  if (kept && *kept != keys.public_key) {
    return fail(ErrorCode::corrupt, path + ".pub is not the public key of " + path);
  }
  return keys;
}

Result<std::string> load_curve_public_key(const std::string& path_or_key) {
  // The path of a file may have 40 characters, all of Z85: a file that is there is what is meant.
  const bool is_path = ::access(path_or_key.c_str(), F_OK) == 0;
  if (!is_path && is_valid_curve_key(path_or_key)) return path_or_key;
  Result<std::string> key = load_line(path_or_key);
  if (!key) return key;
  if (!is_valid_curve_key(*key)) {
    return fail(ErrorCode::corrupt,
                path_or_key + " does not hold a CURVE key (40 characters of Z85)");
  }
  return key;
}

Result<std::vector<std::string>> load_curve_public_keys(const std::string& path,
                                                        std::size_t keys_max) {
  const Result<std::vector<std::uint8_t>> bytes = read_file(path, kKeyFileBytesMax);
  if (!bytes) return fail(bytes.error());
  std::vector<std::string> keys;
  std::string_view rest(reinterpret_cast<const char*>(bytes->data()), bytes->size());
  while (!rest.empty()) {
    const std::size_t end = std::min(rest.find('\n'), rest.size());
    const std::string line = trimmed(std::string(rest.substr(0, end)));
    rest.remove_prefix(std::min(end + 1, rest.size()));
    if (line.empty() || line.starts_with("# ")) continue;
    if (!is_valid_curve_key(line)) {
      return fail(ErrorCode::corrupt,
                  path + " does not hold CURVE keys (40 characters of Z85 a line)");
    }
    if (std::find(keys.begin(), keys.end(), line) != keys.end()) continue;
    if (keys.size() == keys_max) {
      return fail(ErrorCode::limit_exceeded,
                  path + " holds more than " + std::to_string(keys_max) + " keys");
    }
    keys.push_back(line);
  }
  if (keys.empty()) return fail(ErrorCode::corrupt, path + " holds no key");
  return keys;
}

SigningKey make_signing_key() {
  ready_sodium();
  SigningKey key;
  LP_ASSERT(crypto_sign_keypair(key.public_key.data(), key.secret_key.data()) == 0);
  return key;
}

Status save_signing_key(const std::string& path, const SigningKey& key) {
  if (Status saved = save_line(path, to_hex(key.secret_key), 0600); !saved) return saved;
  return save_line(path + ".pub", to_hex(key.public_key), 0644);
}

Result<SigningKey> load_signing_key(const std::string& path) {
  ready_sodium();
  const Result<std::string> line = load_secret_line(path);
  if (!line) return fail(line.error());
  SigningKey stored;
  if (!from_hex(*line, stored.secret_key)) {
    return fail(ErrorCode::corrupt, path + " does not hold a signing key (128 hex digits)");
  }
  // libsodium's secret key is seed and public key; making it again from the seed finds damage.
  SigningKey key;
  crypto_sign_seed_keypair(key.public_key.data(), key.secret_key.data(), stored.secret_key.data());
  if (key.secret_key != stored.secret_key) {
    return fail(ErrorCode::corrupt,
                path + ": the two halves of the signing key do not belong together");
  }
  return key;
}

Result<SigningPublicKey> load_signing_public_key(const std::string& path_or_hex) {
  ready_sodium();
  SigningPublicKey key{};
  if (from_hex(path_or_hex, key)) return key;
  const Result<std::string> line = load_line(path_or_hex);
  if (!line) return fail(line.error());
  if (!from_hex(*line, key)) {
    return fail(ErrorCode::corrupt,
                path_or_hex + " does not hold a signing public key (64 hex digits)");
  }
  return key;
}

Signature sign(const SigningKey& key, std::span<const std::uint8_t> bytes) {
  ready_sodium();
  Signature signature{};
  crypto_sign_detached(signature.data(), nullptr, bytes.data(), bytes.size(),
                       key.secret_key.data());
  return signature;
}

bool verify(const SigningPublicKey& key, std::span<const std::uint8_t> bytes,
            std::span<const std::uint8_t> signature) {
  ready_sodium();
  return signature.size() == std::tuple_size_v<Signature> &&
         crypto_sign_verify_detached(signature.data(), bytes.data(), bytes.size(), key.data()) == 0;
}

std::uint64_t random_u64() {
  ready_sodium();
  std::uint64_t value = 0;
  randombytes_buf(&value, sizeof value);
  return value;
}

std::vector<std::uint8_t> random_bytes(std::size_t count) {
  ready_sodium();
  std::vector<std::uint8_t> bytes(count);
  randombytes_buf(bytes.data(), bytes.size());
  return bytes;
}

}  // namespace linkpilot
