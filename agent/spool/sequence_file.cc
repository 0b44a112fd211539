#include "agent/spool/sequence_file.h"

#include <fmt/format.h>

#include <charconv>
#include <string_view>

#include "base/runtime/curve_keys.h"
#include "base/runtime/files.h"

namespace linkpilot::agent {

namespace {

// "epoch=0123456789abcdef next=1025\n"
bool parse(std::string_view text, std::uint64_t& epoch, std::uint64_t& next) {
  constexpr std::string_view kEpoch = "epoch=";
  constexpr std::string_view kNext = " next=";
  if (!text.starts_with(kEpoch) || !text.ends_with('\n')) return false;
  const char* end = text.data() + text.size() - 1;
  const auto epoch_read = std::from_chars(text.data() + kEpoch.size(), end, epoch, 16);
  const std::string_view rest(epoch_read.ptr, static_cast<std::size_t>(end - epoch_read.ptr));
  if (epoch_read.ec != std::errc{} || !rest.starts_with(kNext)) return false;
  const auto next_read = std::from_chars(epoch_read.ptr + kNext.size(), end, next, 10);
  return next_read.ec == std::errc{} && next_read.ptr == end && epoch != 0 && next != 0;
}

}  // namespace

Result<SequenceFile> SequenceFile::open(std::string path) {
  std::uint64_t epoch = 0;
  std::uint64_t next = 0;
  const auto bytes = read_file(path, 256);
  if (!bytes && bytes.error().code == ErrorCode::permission) return fail(bytes.error());
  const bool known =
      bytes && parse({reinterpret_cast<const char*>(bytes->data()), bytes->size()}, epoch, next);
  if (!known) {
    do epoch = random_u64();
    while (epoch == 0);
    next = 1;
  }
  SequenceFile file(std::move(path), epoch, next);
  if (Status status = file.reserve(); !status) return fail(status.error());
  return file;
}

Result<std::uint64_t> SequenceFile::take() {
  if (next_ >= reserved_) {
    if (Status status = reserve(); !status) return fail(status.error());
  }
  return next_++;
}

Status SequenceFile::reserve() {
  const std::uint64_t reserved = next_ + kBlock;
  const std::string text = fmt::format("epoch={:016x} next={}\n", epoch_, reserved);
  const auto* data = reinterpret_cast<const std::uint8_t*>(text.data());
  if (Status status = replace_file(path_, {data, text.size()}, 0600); !status) {
    return fail(status.error().in("reserve report sequences"));
  }
  reserved_ = reserved;
  return {};
}

}  // namespace linkpilot::agent
