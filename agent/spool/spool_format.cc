#include "agent/spool/spool_format.h"

#include <array>
#include <cstring>

#include "base/assert.h"
#include "base/crc32c.h"

namespace linkpilot::agent {

namespace {

constexpr std::array<std::uint8_t, 8> kMagic{'L', 'P', 'S', 'P', 'O', 'O', 'L', '1'};
constexpr std::size_t kHeaderNumberAt = 8;
constexpr std::size_t kHeaderCrcAt = 28;
constexpr std::size_t kKindAt = 4;
constexpr std::size_t kEpochAt = 8;
constexpr std::size_t kSequenceAt = 16;
constexpr std::size_t kSegmentAt = 24;
constexpr std::size_t kCrcAt = 28;
constexpr std::size_t kMarkPayloadBytes = 8;

constexpr std::size_t padded(std::size_t bytes) { return (bytes + 7) / 8 * 8; }

template <typename T>
void put(std::span<std::uint8_t> out, std::size_t at, T value) {
  for (std::size_t i = 0; i < sizeof(T); ++i) {
    out[at + i] = static_cast<std::uint8_t>(value >> (8 * i));
  }
}

template <typename T>
T get(std::span<const std::uint8_t> in, std::size_t at) {
  T value = 0;
  for (std::size_t i = 0; i < sizeof(T); ++i) {
    value = static_cast<T>(value | static_cast<T>(in[at + i]) << (8 * i));
  }
  return value;
}

std::uint32_t record_crc(std::span<const std::uint8_t> head,
                         std::span<const std::uint8_t> payload) {
  return crc32c(payload, crc32c(head.first(kCrcAt)));
}

void encode_record(std::uint64_t segment, RecordKind kind, ReportId id,
                   std::span<const std::uint8_t> payload, std::vector<std::uint8_t>& out) {
  LP_ASSERT(payload.size() <= kRecordBytesMax);
  std::array<std::uint8_t, kRecordHeadBytes> head{};
  put(head, 0, static_cast<std::uint32_t>(payload.size()));
  put(head, kKindAt, static_cast<std::uint8_t>(kind));
  put(head, kEpochAt, id.epoch);
  put(head, kSequenceAt, id.sequence);
  put(head, kSegmentAt, static_cast<std::uint32_t>(segment));
  put(head, kCrcAt, record_crc(head, payload));
  out.insert(out.end(), head.begin(), head.end());
  out.insert(out.end(), payload.begin(), payload.end());
  out.resize(out.size() + padded(payload.size()) - payload.size());
}

bool is_header(std::uint64_t number, std::span<const std::uint8_t> bytes) {
  if (bytes.size() < kSegmentHeaderBytes) return false;
  const auto header = bytes.first(kSegmentHeaderBytes);
  return std::memcmp(header.data(), kMagic.data(), kMagic.size()) == 0 &&
         get<std::uint64_t>(header, kHeaderNumberAt) == number &&
         get<std::uint32_t>(header, kHeaderCrcAt) == crc32c(header.first(kHeaderCrcAt));
}

// The record at `offset`; nothing if it is not whole.
std::optional<ScannedRecord> record_at(std::uint64_t number, std::span<const std::uint8_t> bytes,
                                       std::size_t offset) {
  if (bytes.size() - offset < kRecordHeadBytes) return std::nullopt;
  const auto head = bytes.subspan(offset, kRecordHeadBytes);
  const std::size_t length = get<std::uint32_t>(head, 0);
  if (length > kRecordBytesMax || record_bytes(length) > bytes.size() - offset) return std::nullopt;
  const auto payload = bytes.subspan(offset + kRecordHeadBytes, length);
  if (get<std::uint32_t>(head, kCrcAt) != record_crc(head, payload)) return std::nullopt;
  if (get<std::uint32_t>(head, kSegmentAt) != static_cast<std::uint32_t>(number)) {
    return std::nullopt;
  }
  const auto kind = static_cast<RecordKind>(head[kKindAt]);
  const bool known =
      kind == RecordKind::report || (kind == RecordKind::mark && length == kMarkPayloadBytes);
  if (!known) return std::nullopt;
  return ScannedRecord{kind,
                       {get<std::uint64_t>(head, kEpochAt), get<std::uint64_t>(head, kSequenceAt)},
                       offset,
                       payload};
}

}  // namespace

std::size_t record_bytes(std::size_t payload_bytes) {
  return kRecordHeadBytes + padded(payload_bytes);
}

std::vector<std::uint8_t> encode_segment_header(std::uint64_t number) {
  std::vector<std::uint8_t> header(kSegmentHeaderBytes);
  std::memcpy(header.data(), kMagic.data(), kMagic.size());
  put(std::span(header), kHeaderNumberAt, number);
  put(std::span(header), kHeaderCrcAt, crc32c(std::span(header).first(kHeaderCrcAt)));
  return header;
}

void encode_report(std::uint64_t segment, ReportId id, std::span<const std::uint8_t> payload,
                   std::vector<std::uint8_t>& out) {
  encode_record(segment, RecordKind::report, id, payload, out);
}

void encode_mark(std::uint64_t segment, const SpoolMark& mark, std::vector<std::uint8_t>& out) {
  std::array<std::uint8_t, kMarkPayloadBytes> payload{};
  put(std::span(payload), 0, mark.dropped);
  encode_record(segment, RecordKind::mark, mark.acked, payload, out);
}

ScannedSegment scan_segment(std::uint64_t number, std::span<const std::uint8_t> bytes) {
  ScannedSegment segment;
  if (!is_header(number, bytes)) return segment;
  segment.is_segment = true;
  segment.whole_bytes = kSegmentHeaderBytes;
  while (auto record = record_at(number, bytes, segment.whole_bytes)) {
    segment.whole_bytes += record_bytes(record->payload.size());
    segment.records.push_back(*record);
  }
  return segment;
}

std::optional<ScannedRecord> read_record(std::uint64_t number,
                                         std::span<const std::uint8_t> bytes) {
  return record_at(number, bytes, 0);
}

SpoolMark mark_of(const ScannedRecord& record) {
  LP_ASSERT(record.kind == RecordKind::mark && record.payload.size() == kMarkPayloadBytes);
  return {record.id, get<std::uint64_t>(record.payload, 0)};
}

}  // namespace linkpilot::agent
