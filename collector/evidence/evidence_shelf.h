// EvidenceShelf: one file of evidence per fault told, in a directory beside the store, written by a
// thread of its own so that a slow disk holds nobody up. `put` and `figures` are for any thread,
// `read_evidence_file` needs no shelf.
//
// Bounds: kFilesMax files and kOctetsMax octets, oldest first; kWaitingMax records that wait to be
// written, further ones are dropped and counted. A fault whose record could not be kept is told all
// the same.
#pragma once

#include <condition_variable>
#include <cstdint>
#include <deque>
#include <mutex>
#include <string>
#include <string_view>
#include <thread>

#include "base/result.h"
#include "collector/evidence/evidence_record.h"
#include "collector/evidence/finder_figures.h"

namespace linkpilot::collector {

// "/var/lib/linkpilot/collector.sqlite-evidence"
[[nodiscard]] std::string evidence_directory(const std::string& store_path);
// The record's text, as it was written. `id`: 12 hexadecimal digits.
[[nodiscard]] Result<std::string> read_evidence_file(const std::string& directory,
                                                     std::string_view id);

class EvidenceShelf {
 public:
  static constexpr std::size_t kFilesMax = 200;
  static constexpr std::uint64_t kOctetsMax = std::uint64_t{64} << 20;
  static constexpr std::size_t kWaitingMax = 8;

  explicit EvidenceShelf(std::string directory);
  // Writes what waits.
  ~EvidenceShelf();
  EvidenceShelf(const EvidenceShelf&) = delete;
  EvidenceShelf& operator=(const EvidenceShelf&) = delete;

  // Whether `put` would keep a record now; who makes one asks first, since records can be large.
  [[nodiscard]] bool has_room();
  void put(EvidenceRecord record);
  [[nodiscard]] ShelfFigures figures() const;

 private:
  void run();
  [[nodiscard]] bool write(const EvidenceRecord& record) const;
  void make_room() const;

  const std::string directory_;
  mutable std::mutex mutex_;
  std::condition_variable wake_;
  std::deque<EvidenceRecord> waiting_;  // guarded by mutex_
  ShelfFigures figures_;                // guarded by mutex_
  bool stopping_ = false;               // guarded by mutex_
  std::thread thread_;
};

}  // namespace linkpilot::collector
