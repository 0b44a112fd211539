#include "prober/stamp/tlv.h"

#include <algorithm>

#include "base/assert.h"
#include "prober/stamp/bytes.h"

namespace linkpilot::prober {
namespace {

constexpr std::uint32_t kLinkMagic = 0x4c504c4b;  // "LPLK"
constexpr std::uint8_t kLinkVersion = 1;
constexpr std::uint8_t kLinkHears = 0x01;
constexpr std::uint8_t kLinkAnswer = 0x02;
constexpr std::uint8_t kModeSoftwareLocal = 2;

void write_header(TlvType type, std::uint8_t flags, std::size_t size, std::span<std::uint8_t> out) {
  LP_ASSERT(out.size() >= kTlvHeaderSize + size);
  out[0] = flags;
  out[1] = static_cast<std::uint8_t>(type);
  store_big(out, 2, static_cast<std::uint16_t>(size));
}

std::uint32_t to_microseconds(Duration duration) {
  return static_cast<std::uint32_t>(
      std::clamp<std::int64_t>(duration.count() / 1000, 0, 0xffffffffLL));
}

Duration from_microseconds(std::uint32_t microseconds) {
  return std::chrono::microseconds(microseconds);
}

void store(const FollowUp& value, std::span<std::uint8_t> out) {
  std::fill_n(out.begin(), kFollowUpValueSize, std::uint8_t{0});
  store_big(out, 0, value.sequence);
  store_big(out, 4, value.timestamp);
  out[12] = value.kernel ? kModeSoftwareLocal : std::uint8_t{0};
}

void store(const LinkTlv& value, std::span<std::uint8_t> out) {
  store_big(out, 0, kLinkMagic);
  out[4] = kLinkVersion;
  out[5] =
      static_cast<std::uint8_t>((value.hears ? kLinkHears : 0) | (value.answer ? kLinkAnswer : 0));
  out[6] = value.flow;
  out[7] = value.port;
  store_big(out, 8, value.epoch);
  store_big(out, 12, to_microseconds(value.silence));
  store_big(out, 16, to_microseconds(value.interval));
  store_big(out, 20, value.highest);
  store_big(out, 24, value.window);
  store_big(out, 32, value.received);
  store_big(out, 36, value.reordered);
}

bool is_link(const Tlv& tlv) {
  return tlv.type == static_cast<std::uint8_t>(TlvType::link) &&
         tlv.value.size() == kLinkValueSize &&
         load_big<std::uint32_t>(tlv.value, 0) == kLinkMagic && tlv.value[4] == kLinkVersion;
}

bool is_follow_up(const Tlv& tlv) {
  return tlv.type == static_cast<std::uint8_t>(TlvType::follow_up_telemetry) &&
         tlv.value.size() == kFollowUpValueSize;
}

LinkTlv load_link(std::span<const std::uint8_t> value) {
  return {.hears = (value[5] & kLinkHears) != 0,
          .answer = (value[5] & kLinkAnswer) != 0,
          .flow = value[6],
          .port = value[7],
          .epoch = load_big<std::uint32_t>(value, 8),
          .silence = from_microseconds(load_big<std::uint32_t>(value, 12)),
          .interval = from_microseconds(load_big<std::uint32_t>(value, 16)),
          .highest = load_big<std::uint32_t>(value, 20),
          .window = load_big<std::uint64_t>(value, 24),
          .received = load_big<std::uint32_t>(value, 32),
          .reordered = load_big<std::uint32_t>(value, 36)};
}

FollowUp load_follow_up(std::span<const std::uint8_t> value) {
  return {.sequence = load_big<std::uint32_t>(value, 0),
          .timestamp = load_big<std::uint64_t>(value, 4),
          .kernel = value[12] == kModeSoftwareLocal};
}

}  // namespace

std::optional<Tlv> TlvWalker::next() {
  if (malformed_at_ || offset_ == bytes_.size()) return std::nullopt;
  const std::span<const std::uint8_t> rest = bytes_.subspan(offset_);
  const bool whole_header = rest.size() >= kTlvHeaderSize;
  const std::size_t length = whole_header ? load_big<std::uint16_t>(rest, 2) : 0;
  if (!whole_header || rest.size() - kTlvHeaderSize < length) {
    malformed_at_ = offset_;
    return std::nullopt;
  }
  const Tlv tlv{.flags = rest[0],
                .type = rest[1],
                .offset = offset_,
                .value = rest.subspan(kTlvHeaderSize, length)};
  offset_ += kTlvHeaderSize + length;
  return tlv;
}

std::size_t write_tlv(const FollowUp& value, std::uint8_t flags, std::span<std::uint8_t> out) {
  write_header(TlvType::follow_up_telemetry, flags, kFollowUpValueSize, out);
  store(value, out.subspan(kTlvHeaderSize));
  return kTlvHeaderSize + kFollowUpValueSize;
}

std::size_t write_tlv(const LinkTlv& value, std::uint8_t flags, std::span<std::uint8_t> out) {
  write_header(TlvType::link, flags, kLinkValueSize, out);
  store(value, out.subspan(kTlvHeaderSize));
  return kTlvHeaderSize + kLinkValueSize;
}

std::size_t write_hmac_tlv(std::uint8_t flags, std::span<std::uint8_t> out) {
  write_header(TlvType::hmac, flags, kHmacValueSize, out);
  std::fill_n(out.begin() + kTlvHeaderSize, kHmacValueSize, std::uint8_t{0});
  return kTlvHeaderSize + kHmacValueSize;
}

KnownTlvs read_tlvs(std::span<const std::uint8_t> bytes) {
  KnownTlvs known;
  TlvWalker walker(bytes);
  while (const std::optional<Tlv> tlv = walker.next()) {
    known.hmac.reset();  // an HMAC TLV that is not the last protects nothing
    if (!known.follow_up && is_follow_up(*tlv)) known.follow_up = load_follow_up(tlv->value);
    if (!known.link && is_link(*tlv)) known.link = load_link(tlv->value);
    if (tlv->type == static_cast<std::uint8_t>(TlvType::hmac) &&
        tlv->value.size() == kHmacValueSize) {
      known.hmac = tlv;
    }
  }
  known.malformed = walker.malformed_at().has_value();
  return known;
}

void reflect_tlvs(std::span<std::uint8_t> bytes, const FollowUp& follow_up, const LinkTlv& link,
                  bool with_key) {
  TlvWalker walker(bytes);
  while (const std::optional<Tlv> tlv = walker.next()) {
    const std::span<std::uint8_t> value =
        bytes.subspan(tlv->offset + kTlvHeaderSize, tlv->value.size());
    if (is_follow_up(*tlv)) {
      store(follow_up, value);
      bytes[tlv->offset] = 0;
    } else if (is_link(*tlv)) {
      store(link, value);
      bytes[tlv->offset] = 0;
    } else if (tlv->type == static_cast<std::uint8_t>(TlvType::extra_padding) ||
               (with_key && tlv->type == static_cast<std::uint8_t>(TlvType::hmac))) {
      bytes[tlv->offset] = 0;
    } else {
      bytes[tlv->offset] = kTlvUnrecognized;
    }
  }
  if (const auto at = walker.malformed_at()) bytes[*at] = kTlvMalformed;
}

void mark_integrity_failure(std::span<std::uint8_t> bytes) {
  TlvWalker walker(bytes);
  while (const std::optional<Tlv> tlv = walker.next()) bytes[tlv->offset] |= kTlvIntegrity;
}

}  // namespace linkpilot::prober
