// The client's side of the RTMP handshake (RTMP 5.2), simple or with digests.
//
// The digest form (not in Adobe's document; described by many implementers, first by the Red5
// project) puts an HMAC-SHA256 into C1 and S1 at a place that four octets at 8 (schema 0) or 772
// (schema 1) name, and a proof of having read the other side's digest into the end of C2 and S2. A
// server that does not know it answers as to the simple form, and then C2 is the plain echo.
//
// S2 is not verified: real servers echo wrongly; what it was is only reported. S0 is verified,
// because what else listens on the port shows itself there, and is named in words.
//
// Bytes in, bytes out; single thread; about 3 kB until complete.
#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "base/rng.h"

namespace linkpilot::rtmp {

constexpr std::size_t kHandshakeOctets = 1536;  // of C1, C2, S1, S2

enum class HandshakeForm : std::uint8_t { simple, digest_schema_0, digest_schema_1 };

using HandshakeBlock = std::array<std::uint8_t, kHandshakeOctets>;

enum class DigestKey : std::uint8_t { client, server };

// Where the digest of a C1 or S1 begins under a schema; at most 1536 - 32.
[[nodiscard]] std::size_t digest_offset(const HandshakeBlock& block, HandshakeForm schema);
// The schema under which `block` carries a right digest made with `key`, schema 1 tried first.
[[nodiscard]] std::optional<HandshakeForm> find_digest(const HandshakeBlock& block, DigestKey key);
void put_digest(HandshakeBlock& block, HandshakeForm schema, DigestKey key);
// The last 32 octets of a C2 (by the client's key) or S2 (by the server's), given the digest of the
// other side's first block.
void put_proof(HandshakeBlock& block, std::span<const std::uint8_t> digest, DigestKey key);

// What answered instead of an RTMP server, from its first octets (at least one).
[[nodiscard]] std::string diagnose_first_octets(std::span<const std::uint8_t> octets);

class Handshake {
 public:
  enum class State : std::uint8_t { waiting_s1, waiting_s2, complete, failed };

  Handshake(HandshakeForm form, Rng rng);

  // C0 and C1.
  void write_hello(std::vector<std::uint8_t>& out) const;
  // Takes what belongs to the handshake from the front of `in`; appends C2 to `out` once S1 is
  // whole.
  State read(std::span<const std::uint8_t>& in, std::vector<std::uint8_t>& out);

  [[nodiscard]] State state() const { return state_; }
  [[nodiscard]] const std::string& failure() const { return failure_; }
  // S1 carried a right digest.
  [[nodiscard]] bool server_has_digest() const { return server_has_digest_; }
  // S2 was our C1 again, or the right proof of it.
  [[nodiscard]] bool s2_is_right() const { return s2_is_right_; }

 private:
  void write_answer(std::vector<std::uint8_t>& out);
  [[nodiscard]] bool check_s2() const;
  // Fills `block_` from `in`; true when it is full.
  bool fill(std::span<const std::uint8_t>& in);

  HandshakeForm form_;
  Rng rng_;
  State state_ = State::waiting_s1;
  bool have_s0_ = false;
  bool server_has_digest_ = false;
  bool s2_is_right_ = false;
  std::size_t filled_ = 0;
  HandshakeBlock c1_{};
  HandshakeBlock block_{};  // S1, then S2
  std::string failure_;
};

}  // namespace linkpilot::rtmp
