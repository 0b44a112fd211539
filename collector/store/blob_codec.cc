#include "collector/store/blob_codec.h"

#include <fmt/format.h>
#include <zstd.h>

#include <cstring>

namespace linkpilot::collector {

namespace {

constexpr std::uint8_t kPlain = 0;
constexpr std::uint8_t kZstd = 1;
constexpr int kLevel = 1;

}  // namespace

void BlobPacker::Free::operator()(ZSTD_CCtx_s* context) const { ZSTD_freeCCtx(context); }

BlobPacker::BlobPacker() : context_(ZSTD_createCCtx()) {}
BlobPacker::~BlobPacker() = default;

std::span<const std::uint8_t> BlobPacker::pack(std::span<const std::uint8_t> bytes) {
  buffer_.resize(1 + ZSTD_compressBound(bytes.size()));
  const std::size_t size =
      context_ == nullptr
          ? 0
          : ZSTD_compressCCtx(context_.get(), buffer_.data() + 1, buffer_.size() - 1, bytes.data(),
                              bytes.size(), kLevel);
  if (context_ != nullptr && ZSTD_isError(size) == 0 && size < bytes.size()) {
    buffer_[0] = kZstd;
    return {buffer_.data(), size + 1};
  }
  buffer_.resize(1 + bytes.size());
  buffer_[0] = kPlain;
  if (!bytes.empty()) std::memcpy(buffer_.data() + 1, bytes.data(), bytes.size());
  return buffer_;
}

Result<UnpackedBlob> unpack_blob(std::span<const std::uint8_t> packed, std::size_t octets_max) {
  if (packed.empty()) return fail(ErrorCode::corrupt, "stored report is empty");
  const std::span<const std::uint8_t> body = packed.subspan(1);
  UnpackedBlob out;
  if (packed[0] == kPlain) {
    out.octets = body.size();
  } else if (packed[0] == kZstd) {
    const unsigned long long size = ZSTD_getFrameContentSize(body.data(), body.size());
    if (size == ZSTD_CONTENTSIZE_ERROR || size == ZSTD_CONTENTSIZE_UNKNOWN) {
      return fail(ErrorCode::corrupt, "stored report is not a zstd frame");
    }
    out.octets = static_cast<std::size_t>(size);
  } else {
    return fail(ErrorCode::corrupt, fmt::format("stored report has coding {}", packed[0]));
  }
  if (out.octets > octets_max) {
    return fail(ErrorCode::limit_exceeded, fmt::format("stored report has {} octets", out.octets));
  }
  out.words.resize((out.octets + 7) / 8);
  if (out.octets == 0) return out;
  if (packed[0] == kPlain) {
    std::memcpy(out.words.data(), body.data(), body.size());
    return out;
  }
  const std::size_t got = ZSTD_decompress(out.words.data(), out.octets, body.data(), body.size());
  if (ZSTD_isError(got) != 0 || got != out.octets) {
    return fail(ErrorCode::corrupt, "stored report does not unpack");
  }
  return out;
}

}  // namespace linkpilot::collector
