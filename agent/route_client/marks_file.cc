#include "agent/route_client/marks_file.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstdio>
#include <cstring>
#include <utility>
#include <vector>

#include "base/runtime/files.h"
#include "schemas/route_file.h"

namespace linkpilot::route_client {
namespace {

constexpr std::size_t kOctets = LP_MARKS_FILE_OCTETS;

bool is_marks_file(int fd) {
  struct stat status{};
  lp_marks_header header{};
  return fstat(fd, &status) == 0 && S_ISREG(status.st_mode) &&
         status.st_size == static_cast<off_t>(kOctets) &&
         pread(fd, &header, sizeof header, 0) == static_cast<ssize_t>(sizeof header) &&
         std::memcmp(header.magic, LP_MARKS_MAGIC, sizeof header.magic) == 0 &&
         header.format == LP_MARKS_FORMAT && header.word_count == LP_MARKS_WORDS;
}

// All words become zero, in every mapping at once. Written, not a hole: a store into a mapped hole
// of a disk that is full is SIGBUS (mmap(2)), and so is a reader's load where the file system is
// tmpfs.
bool zero_words(int fd) {
  const std::vector<std::uint8_t> zeros(std::size_t{64} * 1024);
  for (std::size_t at = sizeof(lp_marks_header); at < kOctets;) {
    const std::size_t part = std::min(zeros.size(), kOctets - at);
    const ssize_t written = pwrite(fd, zeros.data(), part, static_cast<off_t>(at));
    if (written < 0 && errno == EINTR) continue;
    if (written <= 0) return false;
    at += static_cast<std::size_t>(written);
  }
  return true;
}

Error system_error(std::string_view what, const std::string& path) {
  const int error = errno;
  return {error == EACCES ? ErrorCode::permission : ErrorCode::unavailable,
          fmt::format("{} {}: {}", what, path, std::strerror(error))};
}

// A whole new file, under a name of its own and then under `path`: a reader never maps half of one.
Result<UniqueFd> make_file(const std::string& path) {
  const std::string beside = path + ".new";
  UniqueFd fd(::open(beside.c_str(), O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC, 0644));
  if (!fd) return fail(system_error("create", beside));
  lp_marks_header header{};
  std::memcpy(header.magic, LP_MARKS_MAGIC, sizeof header.magic);
  header.format = LP_MARKS_FORMAT;
  header.word_count = LP_MARKS_WORDS;
  if (pwrite(fd.get(), &header, sizeof header, 0) != static_cast<ssize_t>(sizeof header) ||
      !zero_words(fd.get()) || fchmod(fd.get(), 0644) != 0 ||
      std::rename(beside.c_str(), path.c_str()) != 0) {
    const Error error = system_error("write", beside);
    ::unlink(beside.c_str());
    return fail(error);
  }
  return fd;
}

}  // namespace

struct MarksFile::Mapping {
  void* at = nullptr;

  [[nodiscard]] lp_marks_header* header() const { return static_cast<lp_marks_header*>(at); }
  [[nodiscard]] std::uint64_t& word(NodeId peer, MediaFlow flow) const {
    auto* words = static_cast<lp_marks_word*>(static_cast<void*>(header() + 1));
    lp_marks_word& pair = words[peer.value];
    return flow == MediaFlow::outbound ? pair.outbound : pair.inbound;
  }
};

MarksFile::MarksFile(std::unique_ptr<Mapping> mapping) : mapping_(std::move(mapping)) {}

MarksFile::~MarksFile() { munmap(mapping_->at, kOctets); }

Result<std::unique_ptr<MarksFile>> MarksFile::open(const std::string& path, NodeId self,
                                                   UnixNanos now) {
  UniqueFd fd(::open(path.c_str(), O_RDWR | O_CLOEXEC));
  if (!fd || !is_marks_file(fd.get())) {
    auto made = make_file(path);
    if (!made) return fail(made.error());
    fd = *std::move(made);
  } else if (!zero_words(fd.get())) {
    return fail(system_error("write", path));
  }
  void* at = mmap(nullptr, kOctets, PROT_READ | PROT_WRITE, MAP_SHARED, fd.get(), 0);
  if (at == MAP_FAILED) return fail(system_error("map", path));
  auto mapping = std::make_unique<Mapping>();
  mapping->at = at;
  std::unique_ptr<MarksFile> marks(new MarksFile(std::move(mapping)));
  marks->set_self(self);
  marks->touch(now);
  return marks;
}

void MarksFile::set_dead(FirstHop hop, bool dead) {
  const std::uint64_t bit = std::uint64_t{1}
                            << ((hop.near_port.value & 7U) * 8U + (hop.far_port.value & 7U));
  std::uint64_t& word = mapping_->word(hop.peer, hop.flow);
  const std::uint64_t old = __atomic_load_n(&word, __ATOMIC_RELAXED);
  const std::uint64_t wanted = dead ? old | bit : old & ~bit;
  if (wanted == old) return;
  __atomic_store_n(&word, wanted, __ATOMIC_RELAXED);
  __atomic_fetch_add(&mapping_->header()->generation, 1, __ATOMIC_RELEASE);
}

bool MarksFile::is_dead(FirstHop hop) const {
  const std::uint64_t word = __atomic_load_n(&mapping_->word(hop.peer, hop.flow), __ATOMIC_RELAXED);
  return (word >> ((hop.near_port.value & 7U) * 8U + (hop.far_port.value & 7U)) & 1U) != 0;
}

void MarksFile::clear_all() {
  // Words that are zero stay untouched: no page is written for nothing.
  for (std::uint32_t id = 0; id < LP_MARKS_WORDS; ++id) {
    for (const MediaFlow flow : {MediaFlow::outbound, MediaFlow::inbound}) {
      std::uint64_t& word = mapping_->word(NodeId(static_cast<std::uint16_t>(id)), flow);
      if (__atomic_load_n(&word, __ATOMIC_RELAXED) != 0) {
        __atomic_store_n(&word, 0, __ATOMIC_RELAXED);
      }
    }
  }
  __atomic_fetch_add(&mapping_->header()->generation, 1, __ATOMIC_RELEASE);
}

void MarksFile::set_self(NodeId self) {
  __atomic_store_n(&mapping_->header()->node, self.value, __ATOMIC_RELAXED);
}

void MarksFile::touch(UnixNanos now) {
  __atomic_store_n(&mapping_->header()->written_ns, now.ns, __ATOMIC_RELAXED);
}

}  // namespace linkpilot::route_client
