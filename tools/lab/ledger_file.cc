#include "tools/lab/ledger_file.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <chrono>
#include <cstring>

namespace linkpilot::lab {
namespace {

constexpr auto kWritePeriod = std::chrono::milliseconds(5);

bool write_all(int file, const void* data, std::size_t size) {
  const char* at = static_cast<const char*>(data);
  while (size > 0) {
    const ssize_t done = ::write(file, at, size);
    if (done < 0 && errno == EINTR) continue;
    if (done <= 0) return false;
    at += done;
    size -= static_cast<std::size_t>(done);
  }
  return true;
}

std::string padded_names(const Topology& topology) {
  std::string names;
  for (const LabNode& node : topology.nodes) names.append(node.name).push_back('\0');
  names.resize((names.size() + 63) / 64 * 64, '\0');
  return names;
}

}  // namespace

Result<std::unique_ptr<LedgerFile>> LedgerFile::create(const std::string& path,
                                                       const Topology& topology, std::uint64_t seed,
                                                       UnixNanos started) {
  UniqueFd file;
  if (!path.empty()) {
    file = UniqueFd(::open(path.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644));
    if (!file) {
      return fail(ErrorCode::unavailable, fmt::format("ledger {}: {}", path, std::strerror(errno)));
    }
    const std::string names = padded_names(topology);
    LedgerHeader header;
    header.nodes = static_cast<std::uint32_t>(topology.nodes.size());
    header.names_bytes = static_cast<std::uint32_t>(names.size());
    header.seed = seed;
    header.started_ns = started.ns;
    if (!write_all(file.get(), &header, sizeof(header)) ||
        !write_all(file.get(), names.data(), names.size())) {
      return fail(ErrorCode::unavailable, fmt::format("ledger {}: {}", path, std::strerror(errno)));
    }
  }
  return std::unique_ptr<LedgerFile>(new LedgerFile(std::move(file)));
}

LedgerFile::LedgerFile(UniqueFd file)
    : file_(std::move(file)), ring_(kRingRecords), writer_([this] { write_loop(); }) {}

LedgerFile::~LedgerFile() {
  stop_.store(true, std::memory_order_release);
  writer_.join();
}

void LedgerFile::record(const LedgerRecord& record) {
  const std::uint64_t head = head_.load(std::memory_order_relaxed);
  // Two places: one may go to the record that says how many were lost.
  if (head - tail_.load(std::memory_order_acquire) + 2 > kRingRecords) {
    lost_.fetch_add(1, std::memory_order_relaxed);
    return;
  }
  const std::uint64_t lost = lost_.load(std::memory_order_relaxed);
  if (lost == lost_noted_) return push(record, head);
  lost_noted_ = lost;
  LedgerRecord note;
  note.fate = Fate::records_lost;
  note.arrival_ns = record.arrival_ns;
  note.source = kNoNode;
  note.destination = kNoNode;
  note.values = {lost, 0};
  push(note, head);
  push(record, head + 1);
}

void LedgerFile::push(const LedgerRecord& record, std::uint64_t head) {
  ring_[head % kRingRecords] = record;
  head_.store(head + 1, std::memory_order_release);
}

void LedgerFile::write_loop() {
  while (true) {
    const bool stopping = stop_.load(std::memory_order_acquire);
    const std::uint64_t tail = tail_.load(std::memory_order_relaxed);
    const std::uint64_t head = head_.load(std::memory_order_acquire);
    if (head == tail) {
      if (stopping) return;
      std::this_thread::sleep_for(kWritePeriod);
      continue;
    }
    const std::size_t start = tail % kRingRecords;
    const std::size_t count = std::min<std::size_t>(head - tail, kRingRecords - start);
    if (file_ && !write_failed_.load(std::memory_order_relaxed) &&
        !write_all(file_.get(), &ring_[start], count * sizeof(LedgerRecord))) {
      write_failed_.store(true, std::memory_order_relaxed);
    }
    tail_.store(tail + count, std::memory_order_release);
    if (!stopping && count < kRingRecords / 8) std::this_thread::sleep_for(kWritePeriod);
  }
}

bool LedgerFile::flush() const {
  const std::uint64_t wanted = accepted();
  for (int i = 0; i < 400 && written() < wanted; ++i) std::this_thread::sleep_for(kWritePeriod);
  return written() >= wanted && !write_failed();
}

}  // namespace linkpilot::lab
