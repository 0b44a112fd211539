// What a receiver remembers of each delivered datagram, appended to a file for the report: fixed
// records of 48 octets, little-endian:
//
//   0 received, UTC ns i64 (kernel stamp) | 8 sent, UTC ns i64 | 16 source u16 | 18 target u16
//   20 sequence u32 | 24 trail length u8 | 25 seven octets zero | 32 trail, 8 x u16
//
// Buffered: memory is bounded by kBufferBytes, and what is in it is written at the latest by
// `flush`. One thread.
#pragma once

#include <array>
#include <cstdint>
#include <string>
#include <vector>

#include "base/result.h"
#include "base/runtime/files.h"
#include "base/time.h"
#include "tools/media/datagram.h"

namespace linkpilot::media {

inline constexpr std::size_t kReceiptBytes = 48;
using ReceiptBytes = std::array<std::uint8_t, kReceiptBytes>;

[[nodiscard]] ReceiptBytes encode_receipt(const Datagram& datagram, UnixNanos received);

class ReceiptLog {
 public:
  // Creates the file or empties it.
  [[nodiscard]] static Result<ReceiptLog> create(const std::string& path);
  ReceiptLog(ReceiptLog&& other) noexcept = default;
  ReceiptLog& operator=(ReceiptLog&&) = delete;
  ~ReceiptLog();

  void append(const Datagram& datagram, UnixNanos received);
  void flush();
  // Records that could not be written (disk full); they are gone.
  [[nodiscard]] std::uint64_t lost() const { return lost_; }

 private:
  inline static constexpr std::size_t kBufferBytes = std::size_t{64} << 10;
  explicit ReceiptLog(UniqueFd file);

  UniqueFd file_;
  std::vector<std::uint8_t> buffer_;
  std::uint64_t lost_ = 0;
};

}  // namespace linkpilot::media
