#include "prober/media/rtmp/handshake.h"

#include <fmt/format.h>

#include <algorithm>
#include <string_view>

#include "prober/media/rtmp/digests.h"
#include "prober/media/rtmp/printable.h"

namespace linkpilot::rtmp {
namespace {

constexpr std::uint8_t kVersion = 3;  // RTMP 5.2.2
constexpr std::size_t kDigestOctets = 32;

// The two published keys are a sentence each, and the same 32 octets after it. The digest of a
// first block uses the sentence alone, a proof all of the key.
constexpr std::string_view kClientSentence = "Genuine Adobe Flash Player 001";
constexpr std::string_view kServerSentence = "Genuine Adobe Flash Media Server 001";
constexpr std::array<std::uint8_t, 32> kKeyTail{
    0xf0, 0xee, 0xc2, 0x4a, 0x80, 0x68, 0xbe, 0xe8, 0x2e, 0x00, 0xd0, 0xd1, 0x02, 0x9e, 0x7e, 0x57,
    0x6e, 0xec, 0x5d, 0x2d, 0x29, 0x80, 0x6f, 0xab, 0x93, 0xb8, 0xe6, 0x36, 0xcf, 0xeb, 0x31, 0xae};

std::vector<std::uint8_t> sentence_of(DigestKey key) {
  const std::string_view text = key == DigestKey::client ? kClientSentence : kServerSentence;
  return {text.begin(), text.end()};
}

std::vector<std::uint8_t> whole_key(DigestKey key) {
  std::vector<std::uint8_t> octets = sentence_of(key);
  octets.insert(octets.end(), kKeyTail.begin(), kKeyTail.end());
  return octets;
}

Sha256 digest_of(const HandshakeBlock& block, std::size_t offset, DigestKey key) {
  std::vector<std::uint8_t> rest(block.begin(), block.end());
  const auto at = rest.begin() + static_cast<std::ptrdiff_t>(offset);
  rest.erase(at, at + kDigestOctets);
  return hmac_sha256(sentence_of(key), rest);
}

Sha256 proof_of(const HandshakeBlock& block, std::span<const std::uint8_t> digest, DigestKey key) {
  const Sha256 proof_key = hmac_sha256(whole_key(key), digest);
  return hmac_sha256(proof_key, std::span(block).first(kHandshakeOctets - kDigestOctets));
}

bool starts_with(std::span<const std::uint8_t> octets, std::string_view text) {
  const std::size_t common = std::min(octets.size(), text.size());
  return std::equal(octets.begin(), octets.begin() + static_cast<std::ptrdiff_t>(common),
                    text.begin());
}

std::string first_line(std::span<const std::uint8_t> octets) {
  const std::string text(octets.begin(), octets.end());
  return printable(std::string_view(text).substr(0, std::min<std::size_t>(text.find('\r'), 60)));
}

}  // namespace

std::size_t digest_offset(const HandshakeBlock& block, HandshakeForm schema) {
  const std::size_t base = schema == HandshakeForm::digest_schema_1 ? 772 : 8;
  const std::size_t sum =
      std::size_t{block[base]} + block[base + 1] + block[base + 2] + block[base + 3];
  return sum % 728 + base + 4;
}

std::optional<HandshakeForm> find_digest(const HandshakeBlock& block, DigestKey key) {
  for (const HandshakeForm schema :
       {HandshakeForm::digest_schema_1, HandshakeForm::digest_schema_0}) {
    const std::size_t offset = digest_offset(block, schema);
    const Sha256 digest = digest_of(block, offset, key);
    if (std::equal(digest.begin(), digest.end(),
                   block.begin() + static_cast<std::ptrdiff_t>(offset))) {
      return schema;
    }
  }
  return std::nullopt;
}

void put_digest(HandshakeBlock& block, HandshakeForm schema, DigestKey key) {
  const std::size_t offset = digest_offset(block, schema);
  const Sha256 digest = digest_of(block, offset, key);
  std::copy(digest.begin(), digest.end(), block.begin() + static_cast<std::ptrdiff_t>(offset));
}

void put_proof(HandshakeBlock& block, std::span<const std::uint8_t> digest, DigestKey key) {
  const Sha256 proof = proof_of(block, digest, key);
  std::copy(proof.begin(), proof.end(), block.end() - kDigestOctets);
}

std::string diagnose_first_octets(std::span<const std::uint8_t> octets) {
  const std::uint8_t first = octets[0];
  if (octets.size() > 1 && (starts_with(octets, "HTTP/") || starts_with(octets, "<"))) {
    return fmt::format(
        "an HTTP server answered (\"{}\"); use the port of its RTMP service, or an http:// URL",
        first_line(octets));
  }
  if (first == 'H' || first == '<') {
    return "an HTTP server seems to have answered; use the port of its RTMP service";
  }
  if (first >= 0x14 && first <= 0x17) {  // RFC 8446 5.1: content types of TLS records
    return "the port speaks TLS; try rtmps://";
  }
  if (first == 6 || first == 8 || first == 9) {
    return fmt::format("the server asks for encrypted RTMPE (version {}), which is not supported",
                       first);
  }
  if (starts_with(octets, "SSH-")) return "an SSH server answered; the port is not RTMP's";
  if (octets.size() > 2 && starts_with(octets, "220")) {
    return fmt::format("a mail or FTP server answered (\"{}\")", first_line(octets));
  }
  return fmt::format("the first octet of the answer is {:#04x}, and RTMP begins with 0x03", first);
}

Handshake::Handshake(HandshakeForm form, Rng rng) : form_(form), rng_(rng) {
  // Time 0; then four zero octets (simple) or a version, which asks for digests.
  for (std::size_t i = 8; i < c1_.size(); ++i) c1_[i] = static_cast<std::uint8_t>(rng_.next());
  if (form_ == HandshakeForm::simple) return;
  c1_[4] = 9;  // Flash Player 9.0.124.2, as other clients say
  c1_[6] = 124;
  c1_[7] = 2;
  put_digest(c1_, form_, DigestKey::client);
}

void Handshake::write_hello(std::vector<std::uint8_t>& out) const {
  out.push_back(kVersion);
  out.insert(out.end(), c1_.begin(), c1_.end());
}

bool Handshake::fill(std::span<const std::uint8_t>& in) {
  const std::size_t octets = std::min(in.size(), block_.size() - filled_);
  std::copy_n(in.begin(), octets, block_.begin() + static_cast<std::ptrdiff_t>(filled_));
  in = in.subspan(octets);
  filled_ += octets;
  if (filled_ < block_.size()) return false;
  filled_ = 0;
  return true;
}

void Handshake::write_answer(std::vector<std::uint8_t>& out) {
  HandshakeBlock c2 = block_;  // the echo of S1, RTMP 5.2.4
  if (form_ != HandshakeForm::simple) {
    if (const auto schema = find_digest(block_, DigestKey::server)) {
      server_has_digest_ = true;
      for (std::uint8_t& octet : c2) octet = static_cast<std::uint8_t>(rng_.next());
      put_proof(c2, std::span(block_).subspan(digest_offset(block_, *schema), kDigestOctets),
                DigestKey::client);
    }
  }
  out.insert(out.end(), c2.begin(), c2.end());
}

// The echo may change the second time field (octets 4 to 7).
bool Handshake::check_s2() const {
  if (server_has_digest_) {
    const auto digest = std::span(c1_).subspan(digest_offset(c1_, form_), kDigestOctets);
    const Sha256 proof = proof_of(block_, digest, DigestKey::server);
    return std::equal(proof.begin(), proof.end(), block_.end() - kDigestOctets);
  }
  return std::equal(c1_.begin() + 8, c1_.end(), block_.begin() + 8);
}

Handshake::State Handshake::read(std::span<const std::uint8_t>& in,
                                 std::vector<std::uint8_t>& out) {
  if (!have_s0_ && !in.empty()) {
    if (in[0] != kVersion) {
      failure_ = diagnose_first_octets(in.first(std::min<std::size_t>(in.size(), 100)));
      state_ = State::failed;
      return state_;
    }
    have_s0_ = true;
    in = in.subspan(1);
  }
  if (state_ == State::waiting_s1 && have_s0_ && fill(in)) {
    write_answer(out);
    state_ = State::waiting_s2;
  }
  if (state_ == State::waiting_s2 && fill(in)) {
    s2_is_right_ = check_s2();
    state_ = State::complete;
  }
  return state_;
}

}  // namespace linkpilot::rtmp
