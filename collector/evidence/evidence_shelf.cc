#include "collector/evidence/evidence_shelf.h"

#include <algorithm>
#include <filesystem>
#include <utility>
#include <vector>

#include "base/runtime/files.h"

namespace linkpilot::collector {

namespace {

constexpr std::size_t kIdLength = 12;
constexpr std::string_view kSuffix = ".json";

bool is_fault_id(std::string_view id) {
  return id.size() == kIdLength && std::all_of(id.begin(), id.end(), [](char c) {
           return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'f');
         });
}

}  // namespace

std::string evidence_directory(const std::string& store_path) { return store_path + "-evidence"; }

Result<std::string> read_evidence_file(const std::string& directory, std::string_view id) {
  if (!is_fault_id(id)) return fail(ErrorCode::invalid_argument, "not the id of a fault");
  const std::string path = directory + "/" + std::string(id) + std::string(kSuffix);
  Result<std::vector<std::uint8_t>> octets = read_file(path, kEvidenceTextMax);
  if (!octets) return fail(octets.error());
  return std::string(octets->begin(), octets->end());
}

EvidenceShelf::EvidenceShelf(std::string directory)
    : directory_(std::move(directory)), thread_([this] { run(); }) {}

EvidenceShelf::~EvidenceShelf() {
  {
    const std::lock_guard lock(mutex_);
    stopping_ = true;
  }
  wake_.notify_all();
  thread_.join();
}

bool EvidenceShelf::has_room() {
  const std::lock_guard lock(mutex_);
  if (waiting_.size() < kWaitingMax) return true;
  ++figures_.dropped;
  return false;
}

void EvidenceShelf::put(EvidenceRecord record) {
  {
    const std::lock_guard lock(mutex_);
    const bool known = is_fault_id(record.fault);
    if (!known || waiting_.size() >= kWaitingMax || record.regions.size() > kRecordGroupsMax ||
        record.isps.size() > kRecordGroupsMax) {
      ++figures_.dropped;
      return;
    }
    waiting_.push_back(std::move(record));
  }
  wake_.notify_all();
}

ShelfFigures EvidenceShelf::figures() const {
  const std::lock_guard lock(mutex_);
  return figures_;
}

void EvidenceShelf::run() {
  std::unique_lock lock(mutex_);
  for (;;) {
    wake_.wait(lock, [this] { return stopping_ || !waiting_.empty(); });
    if (waiting_.empty()) return;
    const EvidenceRecord record = std::move(waiting_.front());
    waiting_.pop_front();
    lock.unlock();
    const bool written = write(record);
    lock.lock();
    ++(written ? figures_.written : figures_.failed);
  }
}

bool EvidenceShelf::write(const EvidenceRecord& record) const {
  const std::string text = encode_evidence(record);
  if (text.size() > kEvidenceTextMax || !make_directories(directory_)) return false;
  const std::string path = directory_ + "/" + record.fault + std::string(kSuffix);
  const bool written =
      replace_file(path, {reinterpret_cast<const std::uint8_t*>(text.data()), text.size()}, 0600)
          .has_value();
  make_room();
  return written;
}

// Oldest first, by when they were written.
void EvidenceShelf::make_room() const {
  struct File {
    std::filesystem::file_time_type at;
    std::filesystem::path path;
    std::uint64_t octets = 0;
  };
  std::vector<File> files;
  std::uint64_t octets = 0;
  std::error_code error;
  for (std::filesystem::directory_iterator it(directory_, error), end; !error && it != end;
       it.increment(error)) {
    std::error_code gone;
    if (it->path().extension() != kSuffix) continue;
    files.push_back({it->last_write_time(gone), it->path(), it->file_size(gone)});
    if (gone) files.pop_back();
    if (!gone) octets += files.back().octets;
  }
  std::sort(files.begin(), files.end(), [](const File& a, const File& b) { return a.at < b.at; });
  std::size_t left = files.size();
  for (const File& file : files) {
    if (left <= kFilesMax && octets <= kOctetsMax) return;
    std::filesystem::remove(file.path, error);
    --left;
    octets -= file.octets;
  }
}

}  // namespace linkpilot::collector
