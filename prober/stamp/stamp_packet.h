// The fixed part of STAMP packets, unauthenticated (44 octets) and authenticated (112), as values.
// Sources: RFC 8762 s4.2 and s4.3 (layouts), RFC 8972 s3 (SSID), RFC 4656 s4.1.2 (timestamp and
// error estimate), RFC 8186 s2 (Z flag). MBZ fields are zero when written and ignored when read.
//
// What follows the fixed part is in tlv.h; keys and digests are in stamp_auth.h.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>

#include "base/time.h"

namespace linkpilot::prober {

enum class PacketMode : std::uint8_t { unauthenticated, authenticated };
enum class TimestampFormat : std::uint8_t { ntp, ptp };

inline constexpr std::size_t kUnauthenticatedSize = 44;
inline constexpr std::size_t kAuthenticatedSize = 112;
inline constexpr std::size_t kTwampRequestSizeMin =
    14;  // RFC 5357 s4.1.2: what TWAMP-Light may send
inline constexpr std::size_t kTwampAnswerSizeMin = 38;  // without the MBZ and TTL octets
inline constexpr std::size_t kMacOffset = 96;  // RFC 8762 s4.2.2: the HMAC covers what is before
inline constexpr std::size_t kMacSize = 16;

[[nodiscard]] constexpr std::size_t base_size(PacketMode mode) {
  return mode == PacketMode::authenticated ? kAuthenticatedSize : kUnauthenticatedSize;
}

// Error = multiplier * 2^(scale - 32) s. A zero multiplier is invalid (RFC 4656 s4.1.2).
struct ErrorEstimate {
  bool synchronized = false;                      // S: to UTC, by an external source
  TimestampFormat format = TimestampFormat::ntp;  // Z, of the timestamp beside it
  std::uint8_t scale = 0;                         // 6 bits
  std::uint8_t multiplier = 1;

  [[nodiscard]] static ErrorEstimate of(Duration error, bool synchronized);
  // Rounded up, and at most a day.
  [[nodiscard]] Duration error() const;
  [[nodiscard]] std::uint16_t pack() const;
  [[nodiscard]] static ErrorEstimate unpack(std::uint16_t word);
  friend bool operator==(const ErrorEstimate&, const ErrorEstimate&) = default;
};

// NTP: seconds since 1900 and 2^-32 fractions, modulo 2^64 (era 1 begins 2036-02-07). PTP: seconds
// since 1970 and nanoseconds, 32 bits each. Encoding then decoding gives the same nanosecond.
[[nodiscard]] std::uint64_t encode_timestamp(UnixNanos time, TimestampFormat format);
// Of all the times that encode to `raw`, the one nearest to `reference`.
[[nodiscard]] UnixNanos decode_timestamp(std::uint64_t raw, TimestampFormat format,
                                         UnixNanos reference);

struct SenderPacket {
  std::uint32_t sequence = 0;
  std::uint64_t timestamp = 0;
  ErrorEstimate error = {};
  std::uint16_t ssid = 0;
  friend bool operator==(const SenderPacket&, const SenderPacket&) = default;
};

struct ReflectorPacket {
  std::uint32_t sequence = 0;   // the reflector's own
  std::uint64_t timestamp = 0;  // T3
  ErrorEstimate error = {};
  std::uint16_t ssid = 0;
  std::uint64_t receive_timestamp = 0;  // T2
  std::uint32_t sender_sequence = 0;
  std::uint64_t sender_timestamp = 0;  // T1, as it came
  std::uint16_t sender_error = 0;      // as it came
  std::uint8_t sender_ttl = 0;
  friend bool operator==(const ReflectorPacket&, const ReflectorPacket&) = default;
};

// Writes the fixed part, MBZ and HMAC field zero, into the first base_size(mode) octets, which must
// exist.
void encode(const SenderPacket& packet, PacketMode mode, std::span<std::uint8_t> out);
void encode(const ReflectorPacket& packet, PacketMode mode, std::span<std::uint8_t> out);
// Replaces T3 in an encoded answer: it is taken last, right before the packet leaves.
void write_transmit_timestamp(std::uint64_t timestamp, PacketMode mode,
                              std::span<std::uint8_t> out);

enum class Strictness : std::uint8_t {
  strict,
  twamp_light,  // shorter packets accepted, missing octets read as zero (RFC 8762 s4.6)
};
// nullopt: too short.
[[nodiscard]] std::optional<SenderPacket> decode_sender_packet(std::span<const std::uint8_t> bytes,
                                                               PacketMode mode,
                                                               Strictness strictness);
[[nodiscard]] std::optional<ReflectorPacket> decode_reflector_packet(
    std::span<const std::uint8_t> bytes, PacketMode mode, Strictness strictness);

}  // namespace linkpilot::prober
