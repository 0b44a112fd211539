// The ledger on disk. The emulation thread puts records into a bounded ring; a thread of normal
// priority writes them. A full ring loses records, counts them, and says so in the ledger itself.
// One producer thread; the other calls may come from anywhere.
#pragma once

#include <atomic>
#include <cstdint>
#include <memory>
#include <string>
#include <thread>
#include <vector>

#include "base/result.h"
#include "base/runtime/files.h"
#include "tools/lab/ledger.h"
#include "tools/lab/topology.h"

namespace linkpilot::lab {

class LedgerFile final : public LedgerSink {
 public:
  static constexpr std::size_t kRingRecords = std::size_t{1} << 17;  // 8 MiB, over 1 s at 100 k/s

  // An empty path keeps no file: records are counted only.
  [[nodiscard]] static Result<std::unique_ptr<LedgerFile>> create(const std::string& path,
                                                                  const Topology& topology,
                                                                  std::uint64_t seed,
                                                                  UnixNanos started);
  ~LedgerFile() override;
  LedgerFile(const LedgerFile&) = delete;
  LedgerFile& operator=(const LedgerFile&) = delete;

  void record(const LedgerRecord& record) override;

  [[nodiscard]] std::uint64_t accepted() const { return head_.load(std::memory_order_acquire); }
  [[nodiscard]] std::uint64_t written() const { return tail_.load(std::memory_order_acquire); }
  [[nodiscard]] std::uint64_t lost() const { return lost_.load(std::memory_order_relaxed); }
  // Empty while all is well; else why the file stopped growing (a full disk).
  [[nodiscard]] bool write_failed() const { return write_failed_.load(std::memory_order_relaxed); }
  // Whether everything accepted before the call is in the file now; waits up to two seconds.
  [[nodiscard]] bool flush() const;

 private:
  explicit LedgerFile(UniqueFd file);
  void write_loop();
  void push(const LedgerRecord& record, std::uint64_t head);

  UniqueFd file_;
  std::vector<LedgerRecord> ring_;
  std::atomic<std::uint64_t> head_{0};  // records put in, ever
  std::atomic<std::uint64_t> tail_{0};  // records written, ever
  std::atomic<std::uint64_t> lost_{0};
  std::uint64_t lost_noted_ = 0;  // producer only
  std::atomic<bool> write_failed_{false};
  std::atomic<bool> stop_{false};
  std::thread writer_;
};

}  // namespace linkpilot::lab
