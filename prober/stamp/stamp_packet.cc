#include "prober/stamp/stamp_packet.h"

#include <algorithm>
#include <array>

#include "base/assert.h"
#include "prober/stamp/bytes.h"

namespace linkpilot::prober {
namespace {

constexpr std::uint64_t kNanosPerSecond = 1'000'000'000;
constexpr std::int64_t kNtpEpochOffsetSeconds = 2'208'988'800;  // 1900 to 1970, RFC 5905 s6
constexpr Duration kErrorMax = std::chrono::hours(24);

struct Seconds {
  std::int64_t whole = 0;
  std::uint64_t nanos = 0;
};

Seconds split(UnixNanos time) {
  constexpr auto kPerSecond = static_cast<std::int64_t>(kNanosPerSecond);
  std::int64_t whole = time.ns / kPerSecond;
  std::int64_t nanos = time.ns % kPerSecond;
  if (nanos < 0) {
    nanos += kPerSecond;
    --whole;
  }
  return {whole, static_cast<std::uint64_t>(nanos)};
}

// Offsets of the fields; RFC 8762 figures 2 (unauthenticated) and 4 (authenticated) and their
// answers.
struct SenderLayout {
  std::size_t timestamp, error, ssid;
};
constexpr SenderLayout kSenderOpen{.timestamp = 4, .error = 12, .ssid = 14};
constexpr SenderLayout kSenderAuthenticated{.timestamp = 16, .error = 24, .ssid = 26};

struct ReflectorLayout {
  std::size_t timestamp, error, ssid, receive, sender_sequence, sender_timestamp, sender_error, ttl;
};
constexpr ReflectorLayout kReflectorOpen{.timestamp = 4,
                                         .error = 12,
                                         .ssid = 14,
                                         .receive = 16,
                                         .sender_sequence = 24,
                                         .sender_timestamp = 28,
                                         .sender_error = 36,
                                         .ttl = 40};
constexpr ReflectorLayout kReflectorAuthenticated{.timestamp = 16,
                                                  .error = 24,
                                                  .ssid = 26,
                                                  .receive = 32,
                                                  .sender_sequence = 48,
                                                  .sender_timestamp = 64,
                                                  .sender_error = 72,
                                                  .ttl = 80};

const SenderLayout& sender_layout(PacketMode mode) {
  return mode == PacketMode::authenticated ? kSenderAuthenticated : kSenderOpen;
}
const ReflectorLayout& reflector_layout(PacketMode mode) {
  return mode == PacketMode::authenticated ? kReflectorAuthenticated : kReflectorOpen;
}

// The fixed part with missing octets as zero; nullopt when shorter than `size_min`.
std::optional<std::array<std::uint8_t, kAuthenticatedSize>> fixed_part(
    std::span<const std::uint8_t> bytes, PacketMode mode, std::size_t size_min) {
  if (bytes.size() < size_min) return std::nullopt;
  std::array<std::uint8_t, kAuthenticatedSize> fixed{};
  std::copy_n(bytes.begin(), std::min(bytes.size(), base_size(mode)), fixed.begin());
  return fixed;
}

}  // namespace

ErrorEstimate ErrorEstimate::of(Duration error, bool synchronized) {
  const Duration bounded = std::clamp(error, Duration(1), kErrorMax);
  // In units of 2^-32 s, rounded up so that the claim never understates; a day needs 49 bits.
  const auto ns = static_cast<std::uint64_t>(bounded.count());
  const std::uint64_t seconds = ns / kNanosPerSecond;
  std::uint64_t units =
      (seconds << 32) + (((ns % kNanosPerSecond) << 32) + kNanosPerSecond - 1) / kNanosPerSecond;
  std::uint8_t scale = 0;
  while (units > 255) {
    units = (units + 1) >> 1;
    ++scale;
  }
  return {.synchronized = synchronized,
          .format = TimestampFormat::ntp,
          .scale = scale,
          .multiplier = static_cast<std::uint8_t>(std::max<std::uint64_t>(units, 1))};
}

Duration ErrorEstimate::error() const {
  if (scale > 41)
    return kErrorMax;  // 2^9 s times the multiplier: beyond a day soon, and no overflow below
  const std::uint64_t units = std::uint64_t{multiplier} << scale;
  const std::uint64_t ns = (units >> 32) * kNanosPerSecond +
                           (((units & 0xffffffffU) * kNanosPerSecond + 0xffffffffU) >> 32);
  return std::min(Duration(static_cast<std::int64_t>(ns)), kErrorMax);
}

std::uint16_t ErrorEstimate::pack() const {
  return static_cast<std::uint16_t>((synchronized ? 0x8000U : 0U) |
                                    (format == TimestampFormat::ptp ? 0x4000U : 0U) |
                                    (scale & 0x3fU) << 8 | multiplier);
}

ErrorEstimate ErrorEstimate::unpack(std::uint16_t word) {
  return {.synchronized = (word & 0x8000U) != 0,
          .format = (word & 0x4000U) != 0 ? TimestampFormat::ptp : TimestampFormat::ntp,
          .scale = static_cast<std::uint8_t>(word >> 8 & 0x3fU),
          .multiplier = static_cast<std::uint8_t>(word & 0xffU)};
}

std::uint64_t encode_timestamp(UnixNanos time, TimestampFormat format) {
  const Seconds parts = split(time);
  if (format == TimestampFormat::ptp) {
    return static_cast<std::uint64_t>(static_cast<std::uint32_t>(parts.whole)) << 32 | parts.nanos;
  }
  const auto seconds = static_cast<std::uint32_t>(parts.whole + kNtpEpochOffsetSeconds);
  const std::uint64_t fraction =
      ((parts.nanos << 32) + kNanosPerSecond / 2) / kNanosPerSecond;  // < 2^32: nanos < 10^9
  return (static_cast<std::uint64_t>(seconds) << 32) + fraction;
}

UnixNanos decode_timestamp(std::uint64_t raw, TimestampFormat format, UnixNanos reference) {
  const auto seconds = static_cast<std::uint32_t>(raw >> 32);
  const std::uint64_t low = raw & 0xffffffffU;
  const bool ptp = format == TimestampFormat::ptp;
  // PTP nanoseconds above a second are nonsense from outside; bounded, not trusted.
  const std::uint64_t nanos =
      ptp ? std::min(low, kNanosPerSecond - 1) : (low * kNanosPerSecond + 0x80000000U) >> 32;
  const std::int64_t reference_seconds =
      split(reference).whole + (ptp ? 0 : kNtpEpochOffsetSeconds);
  // The signed 32-bit distance picks the era in which `raw` is nearest to the reference.
  const auto distance =
      static_cast<std::int32_t>(seconds - static_cast<std::uint32_t>(reference_seconds));
  const std::int64_t whole = reference_seconds + distance - (ptp ? 0 : kNtpEpochOffsetSeconds);
  return {whole * static_cast<std::int64_t>(kNanosPerSecond) + static_cast<std::int64_t>(nanos)};
}

void encode(const SenderPacket& packet, PacketMode mode, std::span<std::uint8_t> out) {
  LP_ASSERT(out.size() >= base_size(mode));
  std::fill_n(out.begin(), base_size(mode), std::uint8_t{0});
  const SenderLayout& at = sender_layout(mode);
  store_big(out, 0, packet.sequence);
  store_big(out, at.timestamp, packet.timestamp);
  store_big(out, at.error, packet.error.pack());
  store_big(out, at.ssid, packet.ssid);
}

void encode(const ReflectorPacket& packet, PacketMode mode, std::span<std::uint8_t> out) {
  LP_ASSERT(out.size() >= base_size(mode));
  std::fill_n(out.begin(), base_size(mode), std::uint8_t{0});
  const ReflectorLayout& at = reflector_layout(mode);
  store_big(out, 0, packet.sequence);
  store_big(out, at.timestamp, packet.timestamp);
  store_big(out, at.error, packet.error.pack());
  store_big(out, at.ssid, packet.ssid);
  store_big(out, at.receive, packet.receive_timestamp);
  store_big(out, at.sender_sequence, packet.sender_sequence);
  store_big(out, at.sender_timestamp, packet.sender_timestamp);
  store_big(out, at.sender_error, packet.sender_error);
  out[at.ttl] = packet.sender_ttl;
}

void write_transmit_timestamp(std::uint64_t timestamp, PacketMode mode,
                              std::span<std::uint8_t> out) {
  store_big(out, reflector_layout(mode).timestamp, timestamp);
}

std::optional<SenderPacket> decode_sender_packet(std::span<const std::uint8_t> bytes,
                                                 PacketMode mode, Strictness strictness) {
  const bool lenient = strictness == Strictness::twamp_light && mode == PacketMode::unauthenticated;
  const auto fixed = fixed_part(bytes, mode, lenient ? kTwampRequestSizeMin : base_size(mode));
  if (!fixed) return std::nullopt;
  const SenderLayout& at = sender_layout(mode);
  return SenderPacket{.sequence = load_big<std::uint32_t>(*fixed, 0),
                      .timestamp = load_big<std::uint64_t>(*fixed, at.timestamp),
                      .error = ErrorEstimate::unpack(load_big<std::uint16_t>(*fixed, at.error)),
                      .ssid = load_big<std::uint16_t>(*fixed, at.ssid)};
}

std::optional<ReflectorPacket> decode_reflector_packet(std::span<const std::uint8_t> bytes,
                                                       PacketMode mode, Strictness strictness) {
  const bool lenient = strictness == Strictness::twamp_light && mode == PacketMode::unauthenticated;
  const auto fixed = fixed_part(bytes, mode, lenient ? kTwampAnswerSizeMin : base_size(mode));
  if (!fixed) return std::nullopt;
  const ReflectorLayout& at = reflector_layout(mode);
  return ReflectorPacket{.sequence = load_big<std::uint32_t>(*fixed, 0),
                         .timestamp = load_big<std::uint64_t>(*fixed, at.timestamp),
                         .error = ErrorEstimate::unpack(load_big<std::uint16_t>(*fixed, at.error)),
                         .ssid = load_big<std::uint16_t>(*fixed, at.ssid),
                         .receive_timestamp = load_big<std::uint64_t>(*fixed, at.receive),
                         .sender_sequence = load_big<std::uint32_t>(*fixed, at.sender_sequence),
                         .sender_timestamp = load_big<std::uint64_t>(*fixed, at.sender_timestamp),
                         .sender_error = load_big<std::uint16_t>(*fixed, at.sender_error),
                         .sender_ttl = (*fixed)[at.ttl]};
}

}  // namespace linkpilot::prober
