// The TLVs behind the fixed part of a STAMP packet (RFC 8972 s4): a walker over foreign bytes, the
// two LinkPilot puts on every probe, and the reflector's marking of those it does not know.
//
// - Follow-Up Telemetry (RFC 8972 s4.7): when an earlier answer really left, by the kernel's stamp.
// - Link TLV: ours, experimental type with a magic number because that range is shared (RFC 8972
// s5.1).
//   The peer's receive window places each loss in a direction; "I hear you" is the one-way cut's
//   messenger.
// A probe carries both with the answer's fields zero, so that answers are exactly as long as
// probes.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>

#include "base/time.h"

namespace linkpilot::prober {

inline constexpr std::size_t kTlvHeaderSize = 4;
inline constexpr std::uint8_t kTlvUnrecognized = 0x80;  // U
inline constexpr std::uint8_t kTlvMalformed = 0x40;     // M
inline constexpr std::uint8_t kTlvIntegrity = 0x20;     // I: the HMAC TLV did not match

enum class TlvType : std::uint8_t {
  extra_padding = 1,
  follow_up_telemetry = 7,
  hmac = 8,
  link = 246,  // 240..251 are for experiments
};

// One TLV of a packet; `value` borrows from the walked bytes.
struct Tlv {
  std::uint8_t flags = 0;
  std::uint8_t type = 0;
  std::size_t offset = 0;  // of its header in the walked bytes
  std::span<const std::uint8_t> value;
};

// Yields whole TLVs in order; stops at the end or at the first whose length runs past the end.
class TlvWalker {
 public:
  explicit TlvWalker(std::span<const std::uint8_t> bytes) : bytes_(bytes) {}
  [[nodiscard]] std::optional<Tlv> next();
  // Where the first malformed TLV starts, once next() returned nullopt.
  [[nodiscard]] std::optional<std::size_t> malformed_at() const { return malformed_at_; }

 private:
  std::span<const std::uint8_t> bytes_;
  std::size_t offset_ = 0;
  std::optional<std::size_t> malformed_at_;
};

struct FollowUp {
  std::uint32_t sequence = 0;   // the reflector's, of the earlier answer
  std::uint64_t timestamp = 0;  // when it left; zero: unknown
  bool kernel = false;          // timestamp mode 2, software of the local host (RFC 8972 table 11)
  friend bool operator==(const FollowUp&, const FollowUp&) = default;
};
inline constexpr std::size_t kFollowUpValueSize = 16;

struct LinkTlv {
  bool hears = true;    // whether the writer hears the reader on this link, over all flows
  bool answer = false;  // written by a reflector: an answer never passes for a probe
  std::uint8_t flow = 0;
  std::uint8_t port = 0;  // the sender's port index
  // Probe: start of the sender's session in units of 100 ms; answer: start of the reflector's. A
  // new value is a new session: counters begin again.
  std::uint32_t epoch = 0;
  Duration silence{};   // how long the writer has heard nothing, microseconds on the wire
  Duration interval{};  // the writer's own probe interval on this link, microseconds on the wire
  // Answer only. `window` bit i: sequence highest - i has arrived.
  std::uint32_t highest = 0;
  std::uint64_t window = 0;
  std::uint32_t received = 0;   // distinct probes of this session
  std::uint32_t reordered = 0;  // of them, those that came after a later one (RFC 4737 s3.3)
  friend bool operator==(const LinkTlv&, const LinkTlv&) = default;
};
inline constexpr std::size_t kLinkValueSize = 40;
inline constexpr std::size_t kHmacValueSize = 16;
inline constexpr std::size_t kOwnTlvsSize =
    2 * kTlvHeaderSize + kFollowUpValueSize + kLinkValueSize;

// Header and value; `out` holds at least kTlvHeaderSize + the value's size. Returns what was
// written.
std::size_t write_tlv(const FollowUp& value, std::uint8_t flags, std::span<std::uint8_t> out);
std::size_t write_tlv(const LinkTlv& value, std::uint8_t flags, std::span<std::uint8_t> out);

// An HMAC TLV with a zero digest, to be sealed (stamp_auth.h).
std::size_t write_hmac_tlv(std::uint8_t flags, std::span<std::uint8_t> out);

// What a receiver finds among the TLVs; the first of each kind counts.
struct KnownTlvs {
  std::optional<FollowUp> follow_up;
  std::optional<LinkTlv> link;
  std::optional<Tlv> hmac;  // only as the last TLV (RFC 8972 s4.8)
  bool malformed = false;
};
[[nodiscard]] KnownTlvs read_tlvs(std::span<const std::uint8_t> bytes);

// Turns the TLVs of a probe into those of its answer, in place and of the same length: known ones
// filled in, unknown ones kept with U set, the rest from a malformed one on kept with M set on it.
// An HMAC TLV is known only to a reflector `with_key`.
void reflect_tlvs(std::span<std::uint8_t> bytes, const FollowUp& follow_up, const LinkTlv& link,
                  bool with_key);
// Marks every TLV: the HMAC over them did not match.
void mark_integrity_failure(std::span<std::uint8_t> bytes);

}  // namespace linkpilot::prober
