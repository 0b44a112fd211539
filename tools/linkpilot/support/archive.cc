#include "tools/linkpilot/support/archive.h"

#include <fmt/format.h>
#include <zlib.h>

#include <algorithm>
#include <array>
#include <cstring>

#include "base/assert.h"

namespace linkpilot::cli {

namespace {

constexpr std::size_t kBlock = 512;

// Fields of the header: offset and size.
void put(std::array<char, kBlock>& head, std::size_t offset, std::string_view text) {
  std::memcpy(head.data() + offset, text.data(), text.size());
}

std::array<char, kBlock> header_of(const ArchiveFile& file, UnixNanos now) {
  constexpr std::size_t kNameMax = 100;
  constexpr std::size_t kChecksumAt = 148;
  LP_ASSERT(file.name.size() <= kNameMax);
  std::array<char, kBlock> head{};
  put(head, 0, file.name);
  put(head, 100, "0000600");
  put(head, 108, "0000000");
  put(head, 116, "0000000");
  put(head, 124, fmt::format("{:011o}", file.text.size()));
  put(head, 136, fmt::format("{:011o}", std::max<std::int64_t>(now.ns, 0) / 1'000'000'000));
  put(head, kChecksumAt, "        ");
  put(head, 156, "0");
  put(head, 257,
      std::string_view("ustar\0"
                       "00",
                       8));
  unsigned sum = 0;
  for (const char c : head) sum += static_cast<unsigned char>(c);
  put(head, kChecksumAt, fmt::format("{:06o}", sum) + std::string(1, '\0') + " ");
  return head;
}

}  // namespace

std::string tar_of(const std::vector<ArchiveFile>& files, UnixNanos now) {
  std::string out;
  for (const ArchiveFile& file : files) {
    const std::array<char, kBlock> head = header_of(file, now);
    out.append(head.data(), head.size());
    out += file.text;
    out.append((kBlock - file.text.size() % kBlock) % kBlock, '\0');
  }
  out.append(2 * kBlock, '\0');
  return out;
}

Result<std::vector<std::uint8_t>> gzip_of(std::string_view octets) {
  constexpr int kGzip = 15 + 16;  // zlib.h: the largest window, with gzip's head and tail
  constexpr int kMemory = 8;
  z_stream stream{};
  if (::deflateInit2(&stream, Z_DEFAULT_COMPRESSION, Z_DEFLATED, kGzip, kMemory,
                     Z_DEFAULT_STRATEGY) != Z_OK) {
    return fail(ErrorCode::internal, "zlib does not start");
  }
  std::vector<std::uint8_t> out(::deflateBound(&stream, octets.size()));
  std::string input(octets);  // zlib takes no const
  stream.next_in = reinterpret_cast<Bytef*>(input.data());
  stream.avail_in = static_cast<uInt>(input.size());
  stream.next_out = out.data();
  stream.avail_out = static_cast<uInt>(out.size());
  const int code = ::deflate(&stream, Z_FINISH);
  out.resize(stream.total_out);
  ::deflateEnd(&stream);
  if (code != Z_STREAM_END) return fail(ErrorCode::internal, "zlib does not finish");
  return out;
}

}  // namespace linkpilot::cli
