#include "base/runtime/files.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstring>
#include <filesystem>
#include <system_error>
#include <utility>

namespace linkpilot {
namespace {

ErrorCode code_of(int error) {
  switch (error) {
    case ENOENT:
    case ENOTDIR:
      return ErrorCode::not_found;
    case EACCES:
    case EPERM:
    case EROFS:
      return ErrorCode::permission;
    case ENOSPC:
    case EDQUOT:
    case EFBIG:
      return ErrorCode::limit_exceeded;
    default:
      return ErrorCode::unavailable;
  }
}

tl::unexpected<Error> fail_errno(std::string_view what, const std::string& path, int error) {
  return fail(code_of(error),
              std::string(what) + " " + path + ": " + std::generic_category().message(error));
}

std::string directory_of(const std::string& path) {
  const std::string parent = std::filesystem::path(path).parent_path().string();
  return parent.empty() ? "." : parent;
}

// Zero or the errno of the first failure.
int write_all(int fd, std::span<const std::uint8_t> bytes) {
  while (!bytes.empty()) {
    const ssize_t written = ::write(fd, bytes.data(), bytes.size());
    if (written < 0) {
      if (errno == EINTR) continue;
      return errno;
    }
    bytes = bytes.subspan(static_cast<std::size_t>(written));
  }
  return 0;
}

int write_durably(int fd, std::span<const std::uint8_t> bytes, unsigned mode) {
  if (::fchmod(fd, static_cast<mode_t>(mode)) != 0) return errno;
  if (const int error = write_all(fd, bytes)) return error;
  return ::fsync(fd) == 0 ? 0 : errno;
}

Status sync_directory(const std::string& path) {
  const std::string directory = directory_of(path);
  const UniqueFd fd(::open(directory.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  if (!fd || ::fsync(fd.get()) != 0) return fail_errno("sync directory", directory, errno);
  return {};
}

}  // namespace

UniqueFd& UniqueFd::operator=(UniqueFd&& other) noexcept {
  if (this != &other) {
    reset();
    fd_ = other.release();
  }
  return *this;
}

int UniqueFd::release() { return std::exchange(fd_, -1); }

void UniqueFd::reset() {
  if (fd_ >= 0) ::close(release());
}

Result<std::vector<std::uint8_t>> read_file(const std::string& path, std::size_t bytes_max) {
  const UniqueFd fd(::open(path.c_str(), O_RDONLY | O_CLOEXEC));
  if (!fd) return fail_errno("open", path, errno);
  std::vector<std::uint8_t> bytes;
  std::array<std::uint8_t, 65536> chunk;
  for (;;) {
    const ssize_t got = ::read(fd.get(), chunk.data(), chunk.size());
    if (got < 0) {
      if (errno == EINTR) continue;
      return fail_errno("read", path, errno);
    }
    if (got == 0) return bytes;
    if (bytes.size() + static_cast<std::size_t>(got) > bytes_max) {
      return fail(ErrorCode::limit_exceeded,
                  "read " + path + ": larger than " + std::to_string(bytes_max) + " octets");
    }
    bytes.insert(bytes.end(), chunk.begin(), chunk.begin() + got);
  }
}

Status replace_file(const std::string& path, std::span<const std::uint8_t> bytes, unsigned mode) {
  const std::filesystem::path target(path);
  // Hidden, and without the target's suffix: whoever watches the directory does not pick it up.
  std::string temporary =
      (target.parent_path() / ("." + target.filename().string() + ".XXXXXX")).string();
  UniqueFd fd(::mkostemp(temporary.data(), O_CLOEXEC));
  if (!fd) return fail_errno("create beside", path, errno);
  int error = write_durably(fd.get(), bytes, mode);
  fd.reset();
  if (error == 0 && ::rename(temporary.c_str(), path.c_str()) != 0) error = errno;
  if (error != 0) {
    ::unlink(temporary.c_str());
    return fail_errno("write", path, error);
  }
  return sync_directory(path);
}

Status make_directories(const std::string& path) {
  std::error_code error;
  std::filesystem::create_directories(path, error);
  if (error) return fail_errno("make directory", path, error.value());
  return {};
}

}  // namespace linkpilot
