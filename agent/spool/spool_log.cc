#include "agent/spool/spool_log.h"

#include <algorithm>
#include <array>
#include <utility>

#include "base/assert.h"

namespace linkpilot::agent {

namespace {

constexpr std::uint64_t kSegmentBytesMin = std::uint64_t{64} << 10;
constexpr std::uint64_t kSegmentBytesMax = std::uint64_t{1} << 20;
constexpr std::uint64_t kSegmentsAim = 32;
// A segment may end one record beyond its size.
constexpr std::size_t kFileBytesMax =
    kSegmentBytesMax + kRecordBytesMax + kSegmentHeaderBytes + std::size_t{64} * 1024;

}  // namespace

std::uint64_t SpoolOptions::segment_bytes() const {
  return std::clamp(size_max / kSegmentsAim, kSegmentBytesMin, kSegmentBytesMax);
}

// --- start ---

void SpoolLog::recover() {
  const auto numbers = files_->list();
  if (!numbers) return note(fail(numbers.error()));
  for (const std::uint64_t number : *numbers) {
    recover_segment(number, number == numbers->back());
    next_number_ = number + 1;
  }
  unwritten_ = newest() + 1;
  advance();
  make_room(0);
}

void SpoolLog::recover_segment(std::uint64_t number, bool newest_of_all) {
  const auto bytes = files_->read(number, kFileBytesMax);
  if (!bytes) return note(fail(bytes.error()));
  const ScannedSegment scanned = scan_segment(number, *bytes);
  torn_octets_ += bytes->size() - scanned.whole_bytes;
  if (!scanned.is_segment || scanned.records.empty()) {
    if (Status removed = files_->remove(number); !removed) note(removed);
    return;
  }
  Segment segment{number, scanned.whole_bytes, scanned.whole_bytes, 0, {}};
  for (const ScannedRecord& record : scanned.records) {
    if (record.kind == RecordKind::mark) {
      const SpoolMark mark = mark_of(record);
      acked_[mark.acked.epoch] = mark.acked.sequence;
      dropped_ = std::max(dropped_, mark.dropped);
      continue;
    }
    entries_.push_back({record.id, number, static_cast<std::uint32_t>(record.offset),
                        static_cast<std::uint32_t>(record.payload.size()), Place::disk});
    acked_.try_emplace(record.id.epoch, 0);
    ++reports_;
    octets_ += record.payload.size();
    segment.last = newest();
  }
  disk_octets_ += segment.bytes;
  segments_.push_back(segment);
  if (!newest_of_all || segment.bytes >= options_.segment_bytes()) return;
  if (Status reopened = files_->reopen(number, segment.bytes); !reopened) return note(reopened);
  open_ = true;
}

// --- what comes in ---

std::uint64_t SpoolLog::append(const SpooledReport& report) {
  LP_ASSERT(report.bytes && report.bytes->size() <= kRecordBytesMax);
  const std::size_t length = report.bytes->size();
  entries_.push_back({report.id, 0, 0, static_cast<std::uint32_t>(length), Place::memory});
  const std::uint64_t position = newest();
  memory_.emplace(position, report.bytes);
  memory_bytes_ += length;
  acked_.try_emplace(report.id.epoch, 0);
  ++reports_;
  octets_ += length;
  flush();
  bound_memory();
  while (entries_.size() > options_.reports_max && segments_.size() > 1) drop_oldest_segment();
  return position;
}

void SpoolLog::acknowledge(ReportId up_to) {
  const auto known = acked_.find(up_to.epoch);
  if (known == acked_.end() || up_to.sequence <= known->second) return;
  known->second = up_to.sequence;
  marks_due_ = true;
  advance();
}

void SpoolLog::resend(ReportId first) {
  const auto known = acked_.find(first.epoch);
  if (known == acked_.end() || first.sequence > known->second) return;
  known->second = first.sequence == 0 ? 0 : first.sequence - 1;
  marks_due_ = true;
  for (Segment& segment : segments_) segment.acked_since.reset();
  // Count anew from the start: what was behind us is before us again.
  unacked_ = first_;
  reports_ = octets_ = 0;
  for (const Entry& entry : entries_) {
    if (entry.place == Place::gone) continue;
    ++reports_;
    octets_ += entry.length;
  }
  advance();
}

void SpoolLog::maintain(Now now) {
  flush();
  if (marks_due_ && open_) write_marks();
  sync();
  retire(now);
  bound_memory();
}

SpoolLog::Batch SpoolLog::read(std::uint64_t after, std::size_t bytes_max) {
  Batch batch;
  std::size_t bytes = 0;
  std::uint64_t position = std::max(after + 1, first_);
  batch.through = position - 1;
  for (; position <= newest(); ++position) {
    Entry& entry = at(position);
    if (entry.place != Place::gone && !acked(entry.id)) {
      if (!batch.reports.empty() && bytes + entry.length > bytes_max) break;
      if (SharedOctets octets = load(entry, position)) {
        bytes += octets->size();
        batch.reports.push_back({entry.id, std::move(octets)});
      }
    }
    batch.through = position;
  }
  return batch;
}

SpoolFigures SpoolLog::figures() const {
  SpoolFigures figures;
  figures.reports = reports_;
  figures.octets = octets_;
  figures.disk_octets = disk_octets_;
  figures.dropped = dropped_;
  figures.in_memory = newest() + 1 - unwritten_;
  figures.failures = failures_;
  figures.torn_octets = torn_octets_;
  figures.error = error_;
  return figures;
}

// --- writing ---

// Writes what is in memory only, in order; stops at the first refusal.
void SpoolLog::flush() {
  unwritten_ = std::max(unwritten_, first_);
  while (unwritten_ <= newest()) {
    if (at(unwritten_).place == Place::memory && !write(unwritten_)) return;
    ++unwritten_;
  }
}

bool SpoolLog::write(std::uint64_t position) {
  const SharedOctets payload = memory_.at(position);
  const std::size_t need = record_bytes(payload->size());
  if (open_ && segments_.back().bytes >= options_.segment_bytes()) close_segment();
  // Closing may have sent records back to memory that come before this one.
  if (unwritten_ < position) return false;
  make_room(need);
  if (!open_ && !open_segment()) return false;
  Segment& segment = segments_.back();
  std::vector<std::uint8_t> octets;
  octets.reserve(need);
  encode_report(segment.number, at(position).id, *payload, octets);
  const auto offset = static_cast<std::uint32_t>(segment.bytes);
  if (!append_octets(octets)) return false;
  Entry& entry = at(position);
  entry.segment = segment.number;
  entry.offset = offset;
  entry.place = Place::disk;
  segment.last = position;
  error_.clear();
  return true;
}

// The octets are appended whole or not at all.
bool SpoolLog::append_octets(std::span<const std::uint8_t> octets) {
  Segment& segment = segments_.back();
  Status appended = files_->append(octets);
  if (!appended && segments_.size() > 1 && free_kept(appended.error()) &&
      files_->truncate(segment.bytes)) {
    appended = files_->append(octets);
  }
  if (appended) {
    segment.bytes += octets.size();
    disk_octets_ += octets.size();
    return true;
  }
  note(appended);
  // A tail that cannot be cut is cut by whoever reads it; nothing may follow it.
  if (!files_->truncate(segment.bytes)) open_ = false;
  return false;
}

// Somebody else filled the disk: what is kept beyond its acknowledgement makes room.
bool SpoolLog::free_kept(const Error& refusal) {
  if (refusal.code != ErrorCode::limit_exceeded || segments_.empty() ||
      !all_acked(segments_.front())) {
    return false;
  }
  drop_oldest_segment();
  return true;
}

bool SpoolLog::open_segment() {
  const std::uint64_t number = next_number_;
  Status created = files_->create(number);
  if (!created && free_kept(created.error())) created = files_->create(number);
  if (!created) {
    note(created);
    (void)files_->remove(number);
    return false;
  }
  ++next_number_;
  segments_.push_back({number, 0, 0, 0, {}});
  open_ = true;
  forget_epochs();
  std::vector<std::uint8_t> octets = encode_segment_header(number);
  for (const auto& [epoch, sequence] : acked_) {
    encode_mark(number, {{epoch, sequence}, dropped_}, octets);
  }
  if (append_octets(octets)) {
    marks_due_ = false;
    return true;
  }
  open_ = false;
  segments_.pop_back();
  (void)files_->remove(number);
  return false;
}

void SpoolLog::close_segment() {
  sync();
  open_ = false;
}

void SpoolLog::write_marks() {
  std::vector<std::uint8_t> octets;
  for (const auto& [epoch, sequence] : acked_) {
    encode_mark(segments_.back().number, {{epoch, sequence}, dropped_}, octets);
  }
  marks_due_ = !append_octets(octets);
}

void SpoolLog::sync() {
  if (!open_ || segments_.back().synced_bytes == segments_.back().bytes) return;
  if (Status synced = files_->sync(); !synced) {
    note(synced);
    withdraw_unsynced();
    return;
  }
  segments_.back().synced_bytes = segments_.back().bytes;
  std::erase_if(memory_, [&](const auto& each) {
    if (at(each.first).place == Place::memory) return false;
    memory_bytes_ -= each.second->size();
    return true;
  });
}

// Nobody knows what of it is on the disk: it goes back to memory and into the next segment.
void SpoolLog::withdraw_unsynced() {
  Segment& segment = segments_.back();
  const auto first = memory_.begin();
  if (first != memory_.end()) unwritten_ = std::min(unwritten_, first->first);
  for (auto& [position, octets] : memory_) {
    Entry& entry = at(position);
    if (entry.segment == segment.number && entry.offset >= segment.synced_bytes) {
      entry.place = Place::memory;
    }
  }
  open_ = false;
  marks_due_ = true;
  if (!files_->truncate(segment.synced_bytes)) return;
  disk_octets_ -= segment.bytes - segment.synced_bytes;
  segment.bytes = segment.synced_bytes;
  segment.last = 0;
  for (std::uint64_t position = first_; position <= newest(); ++position) {
    const Entry& entry = at(position);
    if (entry.place == Place::disk && entry.segment == segment.number) segment.last = position;
  }
  if (segment.bytes > 0) return;
  (void)files_->remove(segment.number);
  segments_.pop_back();
}

// --- letting go ---

void SpoolLog::make_room(std::uint64_t octets) {
  while (disk_octets_ + octets > options_.size_max && !segments_.empty() &&
         !(open_ && segments_.size() == 1)) {
    drop_oldest_segment();
  }
}

// The oldest copies go. One that is not on the disk was the only one.
void SpoolLog::bound_memory() {
  while (memory_bytes_ > options_.memory_bytes_max && memory_.size() > 1) {
    const auto oldest = memory_.begin();
    Entry& entry = at(oldest->first);
    if (entry.place == Place::memory) lose(entry, oldest->first);
    release(oldest->first);
  }
  // Without a disk no segment takes them along.
  while (!entries_.empty() && entries_.front().place == Place::gone) {
    entries_.pop_front();
    ++first_;
  }
  unacked_ = std::max(unacked_, first_);
  unwritten_ = std::max(unwritten_, first_);
}

void SpoolLog::retire(Now now) {
  for (Segment& segment : segments_) {
    const bool is_open = open_ && &segment == &segments_.back();
    if (is_open || !all_acked(segment)) break;
    if (!segment.acked_since) segment.acked_since = now.mono;
  }
  while (!segments_.empty() && segments_.front().acked_since &&
         now.mono - *segments_.front().acked_since >= options_.keep_acked) {
    drop_oldest_segment();
  }
}

bool SpoolLog::all_acked(const Segment& segment) const { return segment.last < unacked_; }

void SpoolLog::drop_oldest_segment() {
  const Segment segment = segments_.front();
  while (!entries_.empty() && first_ <= segment.last) {
    lose(entries_.front(), first_);
    release(first_);
    entries_.pop_front();
    ++first_;
  }
  unacked_ = std::max(unacked_, first_);
  disk_octets_ -= segment.bytes;
  if (Status removed = files_->remove(segment.number); !removed) note(removed);
  segments_.pop_front();
  if (segments_.empty()) open_ = false;
  advance();
}

// Epochs of which nothing is left but the mark; the newest stays.
void SpoolLog::forget_epochs() {
  if (entries_.empty()) return;
  const std::uint64_t newest_epoch = entries_.back().id.epoch;
  std::erase_if(acked_, [&](const auto& mark) {
    return mark.first != newest_epoch &&
           std::none_of(entries_.begin(), entries_.end(),
                        [&](const Entry& entry) { return entry.id.epoch == mark.first; });
  });
}

void SpoolLog::release(std::uint64_t position) {
  const auto kept = memory_.find(position);
  if (kept == memory_.end()) return;
  memory_bytes_ -= kept->second->size();
  memory_.erase(kept);
}

// The report is not there any more; counted as dropped if it was still to be sent.
void SpoolLog::lose(Entry& entry, std::uint64_t position) {
  if (entry.place == Place::gone) return;
  if (position >= unacked_) {
    --reports_;
    octets_ -= entry.length;
    if (!acked(entry.id)) {
      ++dropped_;
      marks_due_ = true;
    }
  }
  entry.place = Place::gone;
}

// Moves past what need not be sent.
void SpoolLog::advance() {
  for (; unacked_ <= newest(); ++unacked_) {
    const Entry& entry = at(unacked_);
    if (entry.place == Place::gone) continue;
    if (!acked(entry.id)) return;
    --reports_;
    octets_ -= entry.length;
  }
}

bool SpoolLog::acked(ReportId id) const {
  const auto known = acked_.find(id.epoch);
  return known != acked_.end() && id.sequence <= known->second;
}

SharedOctets SpoolLog::load(Entry& entry, std::uint64_t position) {
  if (const auto kept = memory_.find(position); kept != memory_.end()) return kept->second;
  const auto bytes = files_->read_part(entry.segment, entry.offset, record_bytes(entry.length));
  if (!bytes) {
    note(fail(bytes.error()));
    lose(entry, position);
    return nullptr;
  }
  const auto record = read_record(entry.segment, *bytes);
  if (!record || record->id != entry.id) {
    note(fail(ErrorCode::corrupt, "a report in the spool is damaged"));
    lose(entry, position);
    return nullptr;
  }
  return std::make_shared<const std::vector<std::uint8_t>>(record->payload.begin(),
                                                           record->payload.end());
}

void SpoolLog::note(const Status& failure) {
  ++failures_;
  error_ = failure.error().message;
}

}  // namespace linkpilot::agent
