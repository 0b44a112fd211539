// The bytes of a spool segment, and how they are read back after anything has happened to the file.
// Pure. All integers are little-endian.
//
//   segment = header record*        header (32): "LPSPOOL1", number u64, zero u64, zero u32, crc
//   u32 record  = head payload padding  head (32):   length u32, kind u8, zero 3, epoch u64,
//                                                sequence u64, segment's number (low) u32, crc u32
//
// A record's crc (CRC-32C) covers the rest of its head and its payload; padding brings the next
// record to an 8-octet boundary. A segment is only appended to, so whatever kills the writer leaves
// whole records and at most one that is cut short; what the disk lost after a power cut is found by
// the crc. The number in each head keeps a record of another file, that a file system might show in
// a hole, from being taken for ours.
//
// Kinds: a report (payload: the encoded message), and a mark (payload: dropped u64): all reports of
// the epoch up to and including the sequence are acknowledged, and `dropped` reports were dropped
// so far, of all epochs. The last mark of an epoch holds.
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <vector>

#include "base/message.h"
#include "base/report.h"

namespace linkpilot::agent {

inline constexpr std::size_t kSegmentHeaderBytes = 32;
inline constexpr std::size_t kRecordHeadBytes = 32;
inline constexpr std::size_t kRecordBytesMax = kMessageBytesMax;  // of a payload

enum class RecordKind : std::uint8_t { report = 1, mark = 2 };

// One record of a segment; `payload` lies in the octets that were scanned.
struct ScannedRecord {
  RecordKind kind = RecordKind::report;
  ReportId id;
  std::size_t offset = 0;  // of its head, in the segment
  std::span<const std::uint8_t> payload;
};

struct ScannedSegment {
  bool is_segment = false;  // the header is whole and names `number`
  std::vector<ScannedRecord> records;
  std::size_t whole_bytes = 0;  // all records end here; what follows is torn or damaged
};

struct SpoolMark {
  ReportId acked;
  std::uint64_t dropped = 0;
};

[[nodiscard]] std::size_t record_bytes(std::size_t payload_bytes);
[[nodiscard]] std::vector<std::uint8_t> encode_segment_header(std::uint64_t number);
// Appends the record to `out`. The payload has at most kRecordBytesMax.
void encode_report(std::uint64_t segment, ReportId id, std::span<const std::uint8_t> payload,
                   std::vector<std::uint8_t>& out);
void encode_mark(std::uint64_t segment, const SpoolMark& mark, std::vector<std::uint8_t>& out);

// Reads records up to the first that is not whole. Never fails: a file of garbage is no segment.
[[nodiscard]] ScannedSegment scan_segment(std::uint64_t number,
                                          std::span<const std::uint8_t> bytes);
// The one record that `bytes` begins with; nothing if it is not whole.
[[nodiscard]] std::optional<ScannedRecord> read_record(std::uint64_t number,
                                                       std::span<const std::uint8_t> bytes);
// The mark of a record whose kind is `mark`.
[[nodiscard]] SpoolMark mark_of(const ScannedRecord& record);

}  // namespace linkpilot::agent
