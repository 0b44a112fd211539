// A disk in memory that can be full, fail to sync, and lose what was not synced, for SpoolLog.
#pragma once

#include <algorithm>
#include <map>
#include <memory>
#include <utility>
#include <vector>

#include "agent/spool/spool_files.h"

namespace linkpilot::agent {

struct MemoryDisk {
  struct File {
    std::vector<std::uint8_t> bytes;
    std::size_t synced = 0;
  };
  std::map<std::uint64_t, File> files;
  std::size_t capacity = SIZE_MAX;
  bool sync_fails = false;
  bool create_fails = false;
  std::uint64_t syncs = 0;

  [[nodiscard]] std::size_t used() const {
    std::size_t sum = 0;
    for (const auto& [number, file] : files) sum += file.bytes.size();
    return sum;
  }
  // The power went: only what was synced is there, plus `more` octets of the rest of each file.
  void lose_power(std::size_t more = 0) {
    for (auto& [number, file] : files) {
      file.bytes.resize(std::min(file.bytes.size(), file.synced + more));
    }
  }
};

class MemorySpoolFiles final : public SpoolFiles {
 public:
  explicit MemorySpoolFiles(std::shared_ptr<MemoryDisk> disk) : disk_(std::move(disk)) {}

  Result<std::vector<std::uint64_t>> list() override {
    std::vector<std::uint64_t> numbers;
    for (const auto& [number, file] : disk_->files) numbers.push_back(number);
    return numbers;
  }
  Result<std::vector<std::uint8_t>> read(std::uint64_t number, std::size_t bytes_max) override {
    const auto& bytes = disk_->files.at(number).bytes;
    if (bytes.size() > bytes_max) return fail(ErrorCode::limit_exceeded, "too large");
    return bytes;
  }
  Result<std::vector<std::uint8_t>> read_part(std::uint64_t number, std::uint64_t offset,
                                              std::size_t length) override {
    const auto file = disk_->files.find(number);
    if (file == disk_->files.end() || offset + length > file->second.bytes.size()) {
      return fail(ErrorCode::corrupt, "it ends too early");
    }
    const auto from = file->second.bytes.begin() + static_cast<std::ptrdiff_t>(offset);
    return std::vector<std::uint8_t>(from, from + static_cast<std::ptrdiff_t>(length));
  }
  Status create(std::uint64_t number) override {
    if (disk_->create_fails) return fail(ErrorCode::unavailable, "read-only file system");
    if (!disk_->files.try_emplace(number).second) return fail(ErrorCode::internal, "exists");
    open_ = number;
    return {};
  }
  Status reopen(std::uint64_t number, std::uint64_t size) override {
    open_ = number;
    return truncate(size);
  }
  // A full disk takes what fits, as write(2) does.
  Status append(std::span<const std::uint8_t> bytes) override {
    auto& file = disk_->files.at(open_).bytes;
    const std::size_t room = disk_->capacity - std::min(disk_->capacity, disk_->used());
    const std::size_t taken = std::min(room, bytes.size());
    file.insert(file.end(), bytes.begin(), bytes.begin() + static_cast<std::ptrdiff_t>(taken));
    if (taken < bytes.size()) return fail(ErrorCode::limit_exceeded, "no space left");
    return {};
  }
  Status truncate(std::uint64_t size) override {
    disk_->files.at(open_).bytes.resize(size);
    return {};
  }
  Status sync() override {
    ++disk_->syncs;
    if (disk_->sync_fails) return fail(ErrorCode::unavailable, "input/output error");
    auto& file = disk_->files.at(open_);
    file.synced = file.bytes.size();
    return {};
  }
  Status remove(std::uint64_t number) override {
    disk_->files.erase(number);
    return {};
  }

 private:
  std::shared_ptr<MemoryDisk> disk_;
  std::uint64_t open_ = 0;
};

}  // namespace linkpilot::agent
