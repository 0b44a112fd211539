// How report bytes lie in the store: zstd level 1 halves them, at about 160 ns a link sample; what
// does not shrink stays as it is. The first octet tells which.
#pragma once

#include <cstdint>
#include <memory>
#include <span>
#include <vector>

#include "base/result.h"

struct ZSTD_CCtx_s;

namespace linkpilot::collector {

class BlobPacker {
 public:
  BlobPacker();
  ~BlobPacker();
  BlobPacker(const BlobPacker&) = delete;
  BlobPacker& operator=(const BlobPacker&) = delete;
  // Valid until the next call.
  [[nodiscard]] std::span<const std::uint8_t> pack(std::span<const std::uint8_t> bytes);

 private:
  struct Free {
    void operator()(ZSTD_CCtx_s* context) const;
  };
  std::unique_ptr<ZSTD_CCtx_s, Free> context_;
  std::vector<std::uint8_t> buffer_;
};

// An unpacked message in whole words, so that it can be read in place.
struct UnpackedBlob {
  std::vector<std::uint64_t> words;
  std::size_t octets = 0;
};
// At most `octets_max`; `corrupt` for what `pack` did not make.
[[nodiscard]] Result<UnpackedBlob> unpack_blob(std::span<const std::uint8_t> packed,
                                               std::size_t octets_max);

}  // namespace linkpilot::collector
