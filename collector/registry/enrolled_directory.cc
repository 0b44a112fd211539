#include "collector/registry/enrolled_directory.h"

#include <fmt/format.h>
#include <sys/inotify.h>

#include <array>
#include <asio/posix/stream_descriptor.hpp>
#include <asio/steady_timer.hpp>
#include <chrono>
#include <filesystem>

#include "base/fleet.h"
#include "base/runtime/curve_keys.h"
#include "base/runtime/files.h"

namespace linkpilot::collector {

namespace {

constexpr auto kScanInterval = std::chrono::seconds(2);
// A file that is being written is seen a moment later, whole.
constexpr auto kSettle = std::chrono::milliseconds(20);
constexpr std::size_t kFilesMax = 2 * kFleetNodesMax;
constexpr std::size_t kKeysPerNode = 2;
constexpr unsigned kKeyFileMode = 0644;

}  // namespace

Result<DirectoryScan> scan_enrolled_directory(const std::string& path) {
  DirectoryScan scan;
  std::error_code error;
  std::filesystem::directory_iterator entry(path, error);
  if (error) {
    return fail(ErrorCode::not_found,
                fmt::format("enrolled directory {}: {}", path, error.message()));
  }
  std::size_t seen = 0;
  for (; !error && entry != std::filesystem::directory_iterator(); entry.increment(error)) {
    if (++seen > kFilesMax) {
      return fail(ErrorCode::limit_exceeded,
                  fmt::format("enrolled directory {}: more than {} files", path, kFilesMax));
    }
    const std::filesystem::path file = entry->path();
    if (file.extension() != ".pub") continue;
    Result<std::vector<std::string>> keys = load_curve_public_keys(file.string(), kKeysPerNode);
    if (!keys) {
      scan.unreadable.push_back(keys.error().message);
      continue;
    }
    scan.files.push_back(
        {file.stem().string(), keys->front(), keys->size() > 1 ? keys->back() : ""});
  }
  if (error) {
    // Half a listing would revoke the other half.
    return fail(ErrorCode::unavailable,
                fmt::format("enrolled directory {}: {}", path, error.message()));
  }
  return scan;
}

Status write_key_file(const std::string& directory, const KeyFile& file) {
  std::string text = file.public_key + "\n";
  if (!file.next_key.empty()) text += file.next_key + "\n";
  const std::string path = fmt::format("{}/{}.pub", directory, file.name);
  return replace_file(path, {reinterpret_cast<const std::uint8_t*>(text.data()), text.size()},
                      kKeyFileMode);
}

Status remove_key_file(const std::string& directory, const std::string& name) {
  const std::string path = fmt::format("{}/{}.pub", directory, name);
  std::error_code error;
  if (std::filesystem::remove(path, error)) return {};
  return fail(error ? ErrorCode::permission : ErrorCode::not_found,
              fmt::format("cannot remove {}: {}", path, error ? error.message() : "no such file"));
}

struct EnrolledDirectory::State {
  State(asio::io_context& loop, std::string folder, OnScan callback)
      : path(std::move(folder)), on_scan(std::move(callback)), timer(loop), notify(loop) {}

  void watch() {
    if (watch_id >= 0) return;
    if (!notify.is_open()) {
      const int fd = inotify_init1(IN_NONBLOCK | IN_CLOEXEC);
      if (fd < 0) return;  // the periodic scan remains
      notify.assign(fd);
    }
    watch_id =
        inotify_add_watch(notify.native_handle(), path.c_str(),
                          IN_CLOSE_WRITE | IN_MOVED_TO | IN_MOVED_FROM | IN_DELETE | IN_ONLYDIR);
    if (watch_id >= 0 && !reading) read();
  }

  void read() {
    reading = true;
    notify.async_read_some(asio::buffer(buffer), [this](std::error_code error, std::size_t) {
      reading = false;
      if (error) return;  // closed
      schedule(kSettle);
      read();
    });
  }

  void schedule(std::chrono::milliseconds after) {
    timer.expires_after(after);
    timer.async_wait([this](std::error_code error) {
      if (!error) scan();
    });
  }

  void scan() {
    watch();
    Result<DirectoryScan> result = scan_enrolled_directory(path);
    if (!result && watch_id >= 0) {
      // The folder may have been replaced: watch the new one when it is there.
      inotify_rm_watch(notify.native_handle(), watch_id);
      watch_id = -1;
    }
    on_scan(std::move(result));
    schedule(std::chrono::duration_cast<std::chrono::milliseconds>(kScanInterval));
  }

  std::string path;
  OnScan on_scan;
  asio::steady_timer timer;
  asio::posix::stream_descriptor notify;
  int watch_id = -1;
  bool reading = false;
  alignas(inotify_event) std::array<char, 4096> buffer{};
};

EnrolledDirectory::EnrolledDirectory(asio::io_context& loop, std::string path, OnScan on_scan)
    : state_(std::make_unique<State>(loop, std::move(path), std::move(on_scan))) {}

EnrolledDirectory::~EnrolledDirectory() = default;

void EnrolledDirectory::start() { state_->scan(); }
void EnrolledDirectory::scan() { state_->scan(); }

}  // namespace linkpilot::collector
