#include "collector/store/store_copy.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstring>
#include <filesystem>
#include <limits>

#include "base/runtime/files.h"
#include "base/runtime/sha256.h"
#include "collector/store/database.h"
#include "collector/store/report_segment.h"
#include "collector/store/store_schema.h"

namespace linkpilot::collector {

namespace {

constexpr unsigned kSecretMode = 0600;

tl::unexpected<Error> fail_here(const std::string& what) {
  const int error = errno;
  const ErrorCode code = error == ENOENT                      ? ErrorCode::not_found
                         : error == EACCES || error == EPERM  ? ErrorCode::permission
                         : error == ENOSPC || error == EDQUOT ? ErrorCode::limit_exceeded
                                                              : ErrorCode::unavailable;
  return fail(code, what + ": " + std::strerror(error));
}

bool write_whole(int fd, std::span<const std::uint8_t> octets) {
  while (!octets.empty()) {
    const ssize_t done = ::write(fd, octets.data(), octets.size());
    if (done < 0 && errno == EINTR) continue;
    if (done <= 0) return false;
    octets = octets.subspan(static_cast<std::size_t>(done));
  }
  return true;
}

// `to` < 0: only the digest.
Result<CopiedFile> stream(const std::string& path, int to, std::uint64_t octets_max) {
  const UniqueFd from(::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NOFOLLOW));
  if (!from) return fail_here("open " + path);
  struct stat facts{};
  if (::fstat(from.get(), &facts) != 0 || !S_ISREG(facts.st_mode)) {
    return fail(ErrorCode::invalid_argument, path + " is not a plain file");
  }
  Sha256 digest;
  CopiedFile out;
  std::array<std::uint8_t, 65536> chunk{};
  while (out.octets < octets_max) {
    const std::size_t wanted =
        static_cast<std::size_t>(std::min<std::uint64_t>(chunk.size(), octets_max - out.octets));
    const ssize_t got = ::read(from.get(), chunk.data(), wanted);
    if (got < 0 && errno == EINTR) continue;
    if (got < 0) return fail_here("read " + path);
    if (got == 0) break;
    const std::span<const std::uint8_t> octets(chunk.data(), static_cast<std::size_t>(got));
    digest.add(octets);
    out.octets += octets.size();
    if (to >= 0 && !write_whole(to, octets)) return fail_here("write a copy of " + path);
  }
  out.sha256 = digest.hex();
  return out;
}

// Octets of whole records from the start; the payloads are checked.
Result<std::uint64_t> whole_octets(const SegmentFile& segment) {
  Result<SegmentScan> scan = scan_segment(
      segment, [](const RecordHead&) { return true; }, [](const SegmentRecord&) { return true; });
  if (!scan) return fail(scan.error());
  return scan->end;
}

}  // namespace

Result<CopiedFile> copy_file(const std::string& from, const std::string& to, std::uint64_t octets,
                             unsigned mode) {
  const UniqueFd file(::open(to.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW,
                             static_cast<mode_t>(mode)));
  if (!file) return fail_here("make " + to);
  if (::fchmod(file.get(), static_cast<mode_t>(mode)) != 0) return fail_here("make " + to);
  Result<CopiedFile> copied = stream(from, file.get(), octets);
  if (copied && ::fsync(file.get()) != 0) return fail_here("sync " + to);
  return copied;
}

Result<CopiedFile> digest_file(const std::string& path) {
  return stream(path, -1, std::numeric_limits<std::int64_t>::max());
}

Result<StoreCopy> copy_store(const std::string& store_path, const std::string& directory) {
  StoreCopy out;
  const std::string reports = directory + "/reports";
  if (Status status = make_directories(reports); !status) return fail(status.error());
  for (const SegmentFile& segment : list_segments(report_directory(store_path))) {
    if (segment.newer) return fail(ErrorCode::corrupt, segment.path + " is of a newer program");
    if (!segment.whole_head) continue;  // set aside only, or damaged, which a start puts aside
    const Result<std::uint64_t> octets = whole_octets(segment);
    if (!octets) {
      std::error_code ignored;
      // It was too old meanwhile; the newest, which says what was received of all, never is.
      if (!std::filesystem::exists(segment.path, ignored)) continue;
      return fail(octets.error());
    }
    Result<CopiedFile> copied =
        copy_file(segment.path, segment_path(reports, segment.number), *octets, kSecretMode);
    if (!copied && copied.error().code == ErrorCode::not_found) {
      std::filesystem::remove(segment_path(reports, segment.number));
      continue;
    }
    if (!copied) return fail(copied.error());
    ++out.segments;
    out.octets += copied->octets;
  }
  Result<Database> database = Database::open(store_path, Database::Access::read_only);
  if (!database) return fail(database.error());
  const std::string notes = directory + "/notes.sqlite";
  {
    const UniqueFd empty(::open(notes.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC,
                                static_cast<mode_t>(kSecretMode)));
    if (!empty) return fail_here("make " + notes);
  }
  if (Status status = database->copy_to(notes); !status) return fail(status.error());
  const UniqueFd copy(::open(notes.c_str(), O_RDWR | O_CLOEXEC));
  if (!copy || ::fsync(copy.get()) != 0) return fail_here("sync " + notes);
  std::error_code ignored;
  out.octets += std::filesystem::file_size(notes, ignored);
  return out;
}

Status check_notes(const std::string& path) {
  // A copy holds everything in one file: nothing beside it is wanted or made.
  Result<Database> database = Database::open(path, Database::Access::immutable);
  if (!database) return fail(database.error());
  Result<Statement> statement = database->prepare("PRAGMA quick_check(1)");
  if (!statement) return fail(statement.error());
  const Result<bool> row = statement->step();
  if (!row) return fail(row.error());
  if (!*row || statement->text(0) != "ok") {
    return fail(ErrorCode::corrupt, path + ": the database is damaged: " + statement->text(0));
  }
  Result<std::int64_t> schema = database->integer_of("PRAGMA user_version");
  if (!schema) return fail(schema.error());
  if (*schema > kStoreSchema) {
    return fail(ErrorCode::corrupt,
                fmt::format("{}: its schema is version {}, this program knows {}", path, *schema,
                            kStoreSchema));
  }
  return {};
}

Status adopt_store(const std::string& store_path, UnixNanos now) {
  Result<Database> database = Database::open(store_path, Database::Access::read_write);
  if (!database) return fail(database.error());
  if (Status status = prepare_connection(*database); !status) return status;
  return database->execute(
      fmt::format("INSERT OR REPLACE INTO meta(name, value) VALUES('restored_ns', {})", now.ns));
}

}  // namespace linkpilot::collector
