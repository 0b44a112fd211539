#include "collector/store/report_segment.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <bit>
#include <charconv>
#include <cstddef>
#include <cstring>
#include <filesystem>
#include <limits>

#include "base/crc32c.h"
#include "base/message.h"
#include "base/runtime/files.h"

namespace linkpilot::collector {

namespace {

static_assert(std::endian::native == std::endian::little, "segments are little endian");

constexpr std::string_view kSuffix = ".seg";

// `Head` from its field after `crc` on.
template <typename Head>
std::span<const std::uint8_t> after_crc(const Head& head) {
  constexpr std::size_t kFrom = offsetof(Head, crc) + sizeof head.crc;
  return {reinterpret_cast<const std::uint8_t*>(&head) + kFrom, sizeof head - kFrom};
}

// False: the end of the file, or an error.
bool read_at(int fd, std::uint64_t offset, void* into, std::size_t size) {
  auto* at = static_cast<std::uint8_t*>(into);
  while (size > 0) {
    const ssize_t got = ::pread(fd, at, size, static_cast<off_t>(offset));
    if (got < 0 && errno == EINTR) continue;
    if (got <= 0) return false;
    at += got;
    offset += static_cast<std::uint64_t>(got);
    size -= static_cast<std::size_t>(got);
  }
  return true;
}

void append_word(std::vector<std::uint8_t>& out, std::uint64_t word) {
  const auto* octets = reinterpret_cast<const std::uint8_t*>(&word);
  out.insert(out.end(), octets, octets + sizeof word);
}

}  // namespace

std::uint32_t crc_of(const SegmentHead& head) { return crc32c(after_crc(head)); }

std::uint32_t crc_of(const RecordHead& head, std::span<const std::uint8_t> octets) {
  return crc32c(octets, crc32c(after_crc(head)));
}

void MarkBook::note(NodeId node, ReportId id, const EpochMark& mark) {
  auto& epochs = nodes_[node];
  Epoch& epoch = epochs[id.epoch];
  epoch.mark = mark;
  epoch.used = ++uses_;
  if (id.sequence > mark.high && epoch.ahead.size() < ReportDedup::kAheadMax) {
    epoch.ahead.insert(id.sequence);
  }
  epoch.ahead.erase(epoch.ahead.begin(), epoch.ahead.upper_bound(mark.high));
  if (epochs.size() <= ReportDedup::kEpochsMax) return;
  epochs.erase(std::min_element(epochs.begin(), epochs.end(), [](const auto& a, const auto& b) {
    return a.second.used < b.second.used;
  }));
}

std::vector<std::uint8_t> MarkBook::encode() const {
  std::vector<std::uint8_t> out;
  for (const auto& [node, epochs] : nodes_) {
    for (const auto& [number, epoch] : epochs) {
      append_word(out, node.value);
      append_word(out, number);
      append_word(out, epoch.mark.high);
      append_word(out, epoch.mark.skipped);
      append_word(out, epoch.ahead.size());
      for (const std::uint64_t sequence : epoch.ahead) append_word(out, sequence);
    }
  }
  return out;
}

bool MarkBook::decode(std::span<const std::uint8_t> octets) {
  const auto take = [&octets](std::uint64_t& word) {
    if (octets.size() < sizeof word) return false;
    std::memcpy(&word, octets.data(), sizeof word);
    octets = octets.subspan(sizeof word);
    return true;
  };
  nodes_.clear();
  while (!octets.empty()) {
    std::uint64_t node = 0;
    std::uint64_t ahead = 0;
    EpochMark mark;
    if (!take(node) || !take(mark.epoch) || !take(mark.high) || !take(mark.skipped) ||
        !take(ahead) || node > 0xffff || ahead > ReportDedup::kAheadMax) {
      return false;
    }
    const NodeId id{static_cast<std::uint16_t>(node)};
    note(id, {mark.epoch, mark.high}, mark);
    for (std::uint64_t i = 0; i < ahead; ++i) {
      std::uint64_t sequence = 0;
      if (!take(sequence)) return false;
      note(id, {mark.epoch, sequence}, mark);
    }
  }
  return true;
}

std::vector<RestoredDedup> MarkBook::restored() const {
  std::vector<RestoredDedup> out;
  for (const auto& [node, epochs] : nodes_) {
    for (const auto& [number, epoch] : epochs) {
      out.push_back({node, epoch.mark, {epoch.ahead.begin(), epoch.ahead.end()}});
    }
  }
  return out;
}

std::string report_directory(const std::string& store_path) { return store_path + "-reports"; }

std::string segment_path(const std::string& directory, std::uint64_t number) {
  return fmt::format("{}/{:016x}{}", directory, number, kSuffix);
}

std::vector<SegmentFile> list_segments(const std::string& directory) {
  std::vector<SegmentFile> segments;
  std::error_code error;
  for (std::filesystem::directory_iterator at(directory, error), end; !error && at != end;
       at.increment(error)) {
    const std::string name = at->path().filename().string();
    SegmentFile segment;
    const char* const last = name.data() + std::min<std::size_t>(name.size(), 16);
    const auto parsed = std::from_chars(name.data(), last, segment.number, 16);
    if (parsed.ec != std::errc() || parsed.ptr != last || !name.ends_with(kSuffix) ||
        name.size() != 16 + kSuffix.size()) {
      continue;
    }
    segment.path = at->path().string();
    const UniqueFd file(::open(segment.path.c_str(), O_RDONLY | O_CLOEXEC));
    struct stat status{};
    if (!file || ::fstat(file.get(), &status) != 0) continue;  // expired in the meantime
    segment.octets = std::max(static_cast<std::uint64_t>(status.st_blocks) * 512,
                              static_cast<std::uint64_t>(status.st_size));
    std::uint8_t octets[sizeof(SegmentHead)] = {};
    constexpr std::uint8_t kZeros[sizeof octets] = {};
    const bool is_long = read_at(file.get(), 0, octets, sizeof octets);
    std::memcpy(&segment.head, octets, sizeof octets);
    segment.unused = std::memcmp(octets, kZeros, sizeof octets) == 0;
    const bool whole = is_long && segment.head.magic == kSegmentMagic &&
                       segment.head.crc == crc_of(segment.head) &&
                       segment.head.number == segment.number;
    segment.newer = whole && segment.head.version != kSegmentVersion;
    segment.whole_head = whole && !segment.newer;
    segments.push_back(std::move(segment));
  }
  std::ranges::sort(segments, {}, &SegmentFile::number);
  std::uint64_t rows_end = std::numeric_limits<std::uint64_t>::max();
  for (auto segment = segments.rbegin(); segment != segments.rend(); ++segment) {
    segment->rows_end = rows_end;
    if (segment->whole_head) rows_end = std::min(rows_end, segment->head.first_row);
  }
  return segments;
}

Result<SegmentScan> scan_segment(const SegmentFile& segment,
                                 const std::function<bool(const RecordHead&)>& wanted,
                                 const std::function<bool(const SegmentRecord&)>& visit) {
  const UniqueFd file(::open(segment.path.c_str(), O_RDONLY | O_CLOEXEC));
  if (!file) return fail(ErrorCode::not_found, fmt::format("open {}", segment.path));
  SegmentScan scan;
  scan.end = sizeof(SegmentHead);
  std::uint64_t at = scan.end;
  std::vector<std::uint64_t> words;
  for (;;) {
    SegmentRecord record;
    if (!read_at(file.get(), at, &record.head, sizeof record.head)) return scan;
    const RecordHead& head = record.head;
    if (head.magic != kRecordMagic) {
      // The next write begins on the next boundary.
      const std::uint64_t next = padded(at, kSegmentBlock);
      if (next == at || head.magic != 0) return scan;
      at = next;
      continue;
    }
    const bool is_report = head.kind == RecordKind::report;
    if (head.octets > (is_report ? kMessageBytesMax : kMarksOctetsMax)) return scan;
    if (wanted(head)) {
      words.resize((head.octets + 7) / 8);
      if (!read_at(file.get(), at + sizeof head, words.data(), head.octets)) return scan;
      record.payload = {reinterpret_cast<const std::uint8_t*>(words.data()), head.octets};
      if (crc_of(head, record.payload) != head.crc) return scan;
      if (!visit(record)) return scan;
    }
    at += record_octets(head.octets);
    scan.end = at;
  }
}

}  // namespace linkpilot::collector
