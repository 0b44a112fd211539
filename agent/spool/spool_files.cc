#include "agent/spool/spool_files.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <charconv>
#include <filesystem>
#include <string_view>
#include <system_error>

#include "base/runtime/files.h"

namespace linkpilot::agent {

namespace {

constexpr std::string_view kSuffix = ".segment";
constexpr std::size_t kDigits = 16;

tl::unexpected<Error> fail_errno(std::string_view what, const std::string& path, int error) {
  const bool full = error == ENOSPC || error == EDQUOT || error == EFBIG;
  return fail(full ? ErrorCode::limit_exceeded : ErrorCode::unavailable,
              fmt::format("{} {}: {}", what, path, std::generic_category().message(error)));
}

// "00000000000000a7.segment"; zero: another file.
std::uint64_t number_of(const std::string& name) {
  if (name.size() != kDigits + kSuffix.size() || !name.ends_with(kSuffix)) return 0;
  std::uint64_t number = 0;
  const auto read = std::from_chars(name.data(), name.data() + kDigits, number, 16);
  return read.ec == std::errc{} && read.ptr == name.data() + kDigits ? number : 0;
}

class DiskSpoolFiles final : public SpoolFiles {
 public:
  explicit DiskSpoolFiles(std::string directory) : directory_(std::move(directory)) {}

  Result<std::vector<std::uint64_t>> list() override {
    std::vector<std::uint64_t> numbers;
    std::error_code error;
    for (std::filesystem::directory_iterator it(directory_, error), end; !error && it != end;
         it.increment(error)) {
      if (const std::uint64_t number = number_of(it->path().filename().string())) {
        numbers.push_back(number);
      }
    }
    if (error) return fail_errno("list", directory_, error.value());
    std::sort(numbers.begin(), numbers.end());
    return numbers;
  }

  Result<std::vector<std::uint8_t>> read(std::uint64_t number, std::size_t bytes_max) override {
    return read_file(path_of(number), bytes_max);
  }

  Result<std::vector<std::uint8_t>> read_part(std::uint64_t number, std::uint64_t offset,
                                              std::size_t length) override {
    const std::string path = path_of(number);
    const UniqueFd fd(::open(path.c_str(), O_RDONLY | O_CLOEXEC));
    if (!fd) return fail_errno("open", path, errno);
    std::vector<std::uint8_t> bytes(length);
    for (std::size_t at = 0; at < length;) {
      const ssize_t got =
          ::pread(fd.get(), bytes.data() + at, length - at, static_cast<off_t>(offset + at));
      if (got < 0 && errno == EINTR) continue;
      if (got < 0) return fail_errno("read", path, errno);
      if (got == 0) return fail(ErrorCode::corrupt, "read " + path + ": it ends too early");
      at += static_cast<std::size_t>(got);
    }
    return bytes;
  }

  Status create(std::uint64_t number) override {
    open_path_ = path_of(number);
    open_ = UniqueFd(
        ::open(open_path_.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_APPEND | O_CLOEXEC, 0600));
    if (!open_) return fail_errno("create", open_path_, errno);
    name_is_synced_ = false;
    return {};
  }

  Status reopen(std::uint64_t number, std::uint64_t size) override {
    open_path_ = path_of(number);
    open_ = UniqueFd(::open(open_path_.c_str(), O_WRONLY | O_APPEND | O_CLOEXEC));
    if (!open_) return fail_errno("open", open_path_, errno);
    name_is_synced_ = true;
    return truncate(size);
  }

  Status append(std::span<const std::uint8_t> bytes) override {
    while (!bytes.empty()) {
      const ssize_t written = ::write(open_.get(), bytes.data(), bytes.size());
      if (written < 0 && errno == EINTR) continue;
      if (written < 0) return fail_errno("write", open_path_, errno);
      bytes = bytes.subspan(static_cast<std::size_t>(written));
    }
    return {};
  }

  Status truncate(std::uint64_t size) override {
    if (::ftruncate(open_.get(), static_cast<off_t>(size)) == 0) return {};
    return fail_errno("cut", open_path_, errno);
  }

  Status sync() override {
    if (::fdatasync(open_.get()) != 0) return fail_errno("sync", open_path_, errno);
    if (name_is_synced_) return {};
    const UniqueFd directory(::open(directory_.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
    if (!directory || ::fsync(directory.get()) != 0) {
      return fail_errno("sync directory", directory_, errno);
    }
    name_is_synced_ = true;
    return {};
  }

  Status remove(std::uint64_t number) override {
    const std::string path = path_of(number);
    if (::unlink(path.c_str()) == 0 || errno == ENOENT) return {};
    return fail_errno("remove", path, errno);
  }

 private:
  [[nodiscard]] std::string path_of(std::uint64_t number) const {
    return fmt::format("{}/{:016x}{}", directory_, number, kSuffix);
  }

  std::string directory_;
  UniqueFd open_;
  std::string open_path_;
  bool name_is_synced_ = true;
};

}  // namespace

Result<std::unique_ptr<SpoolFiles>> open_spool_files(const std::string& directory) {
  if (Status made = make_directories(directory); !made) return fail(made.error());
  auto files = std::make_unique<DiskSpoolFiles>(directory);
  if (auto numbers = files->list(); !numbers) return fail(numbers.error());
  return files;
}

}  // namespace linkpilot::agent
