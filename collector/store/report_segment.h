// The files that reports lie in, as bytes: a directory of segments, each an append-only run of
// records, written once and deleted whole. Little endian. Pure but for the reads at the end.
// Internal to store/.
//
// A segment: a SegmentHead, one record with all dedup marks as they were before its first report,
// then reports; each write begins on a 4 kB boundary, zeros fill the gap before it. A record: a
// RecordHead, the octets, zeros up to a multiple of 8. Reports are numbered through all segments
// (`row`); a report whose row is not below the first row of every later segment was never committed
// (its write failed, and was done again there), and does not count. The first record that is not
// whole ends a segment.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <set>
#include <span>
#include <string>
#include <vector>

#include "base/result.h"
#include "base/time.h"
#include "collector/ingest/report_dedup.h"
#include "collector/store/store.h"

namespace linkpilot::collector {

inline constexpr std::size_t kSegmentBlock = 4096;
inline constexpr std::uint32_t kRecordMagic = 0x3152'504c;  // "LPR1"
inline constexpr std::uint64_t kSegmentMagic = 0x3153'4750'524c'504cULL;
inline constexpr std::uint32_t kSegmentVersion = 1;
inline constexpr std::size_t kMarksOctetsMax = std::size_t{64} << 20;

enum class RecordKind : std::uint8_t { none, report, marks };

struct SegmentHead {
  std::uint64_t magic = kSegmentMagic;
  std::uint32_t crc = 0;  // of what follows
  std::uint32_t version = kSegmentVersion;
  std::uint64_t number = 0;
  std::uint64_t first_row = 0;
  std::int64_t created_ns = 0;
  std::uint64_t zero[3] = {};
};
static_assert(sizeof(SegmentHead) == 64);

struct RecordHead {
  std::uint32_t magic = kRecordMagic;
  std::uint32_t crc = 0;  // of what follows in this head, then of the octets
  std::uint32_t octets = 0;
  RecordKind kind = RecordKind::none;
  std::uint8_t zero = 0;
  std::uint16_t node = 0;
  std::uint64_t row = 0;
  std::uint64_t epoch = 0;
  std::uint64_t sequence = 0;
  std::int64_t received_ns = 0;
  std::uint64_t mark_high = 0;
  std::uint64_t mark_skipped = 0;
};
static_assert(sizeof(RecordHead) == 64);

constexpr std::size_t padded(std::size_t octets, std::size_t to) {
  return (octets + to - 1) / to * to;
}
constexpr std::size_t record_octets(std::size_t octets) {
  return sizeof(RecordHead) + padded(octets, 8);
}

[[nodiscard]] std::uint32_t crc_of(const SegmentHead& head);
[[nodiscard]] std::uint32_t crc_of(const RecordHead& head, std::span<const std::uint8_t> octets);

// What is known of every epoch: its mark, and stored sequences above it. At most
// ReportDedup::kEpochsMax epochs of a node, those used last.
class MarkBook {
 public:
  void note(NodeId node, ReportId id, const EpochMark& mark);
  [[nodiscard]] std::vector<std::uint8_t> encode() const;
  // False for what `encode` did not make.
  [[nodiscard]] bool decode(std::span<const std::uint8_t> octets);
  [[nodiscard]] std::vector<RestoredDedup> restored() const;

 private:
  struct Epoch {
    EpochMark mark;
    std::set<std::uint64_t> ahead;
    std::uint64_t used = 0;
  };
  std::map<NodeId, std::map<std::uint64_t, Epoch>> nodes_;
  std::uint64_t uses_ = 0;
};

struct SegmentFile {
  std::uint64_t number = 0;
  std::string path;
  std::uint64_t octets = 0;  // of the disk, what is set aside included
  SegmentHead head;
  bool whole_head = false;     // else one of the next two, or it is damaged
  bool unused = false;         // set aside, never written to
  bool newer = false;          // of a program that writes another version
  std::uint64_t rows_end = 0;  // rows from here on do not count
};

// Oldest first; `rows_end` is set. A missing directory holds none.
[[nodiscard]] std::vector<SegmentFile> list_segments(const std::string& directory);
[[nodiscard]] std::string segment_path(const std::string& directory, std::uint64_t number);
// Where the reports of a store lie.
[[nodiscard]] std::string report_directory(const std::string& store_path);

// One record of a segment; `payload` is 8-byte aligned and valid during the visit.
struct SegmentRecord {
  RecordHead head;
  std::span<const std::uint8_t> payload;
};
struct SegmentScan {
  std::uint64_t end = 0;  // octets of whole records from the start
};
// Calls `visit` until it says false. Whether the payload is read and its CRC checked is up to
// `wanted`, asked first with the head alone. Reads at most a record at a time.
[[nodiscard]] Result<SegmentScan> scan_segment(
    const SegmentFile& segment, const std::function<bool(const RecordHead&)>& wanted,
    const std::function<bool(const SegmentRecord&)>& visit);

}  // namespace linkpilot::collector
