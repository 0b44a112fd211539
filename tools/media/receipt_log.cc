#include "tools/media/receipt_log.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <utility>

namespace linkpilot::media {

ReceiptBytes encode_receipt(const Datagram& datagram, UnixNanos received) {
  ReceiptBytes bytes{};
  const auto put = [&bytes](std::size_t at, std::uint64_t value, std::size_t size) {
    for (std::size_t i = 0; i < size; ++i) {
      bytes[at + i] = static_cast<std::uint8_t>(value >> (8 * i) & 0xffU);
    }
  };
  put(0, static_cast<std::uint64_t>(received.ns), 8);
  put(8, static_cast<std::uint64_t>(datagram.sent.ns), 8);
  put(16, datagram.source.value, 2);
  put(18, datagram.target.value, 2);
  put(20, datagram.sequence, 4);
  put(24, datagram.trail_length, 1);
  for (std::size_t i = 0; i < datagram.trail_length; ++i)
    put(32 + 2 * i, datagram.trail[i].value, 2);
  return bytes;
}

Result<ReceiptLog> ReceiptLog::create(const std::string& path) {
  UniqueFd file(::open(path.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644));
  if (!file) {
    return fail(ErrorCode::unavailable, fmt::format("create {}: {}", path, std::strerror(errno)));
  }
  return ReceiptLog(std::move(file));
}

ReceiptLog::ReceiptLog(UniqueFd file) : file_(std::move(file)) { buffer_.reserve(kBufferBytes); }

ReceiptLog::~ReceiptLog() {
  if (file_) flush();
}

void ReceiptLog::append(const Datagram& datagram, UnixNanos received) {
  const ReceiptBytes bytes = encode_receipt(datagram, received);
  buffer_.insert(buffer_.end(), bytes.begin(), bytes.end());
  if (buffer_.size() + kReceiptBytes > kBufferBytes) flush();
}

void ReceiptLog::flush() {
  std::size_t done = 0;
  while (done < buffer_.size()) {
    const ssize_t written = ::write(file_.get(), buffer_.data() + done, buffer_.size() - done);
    if (written < 0 && errno == EINTR) continue;
    if (written <= 0) {
      lost_ += (buffer_.size() - done + kReceiptBytes - 1) / kReceiptBytes;
      break;
    }
    done += static_cast<std::size_t>(written);
  }
  buffer_.clear();
}

}  // namespace linkpilot::media
