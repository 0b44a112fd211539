// CRC-32C (Castagnoli; RFC 3720 appendix B.4: polynomial 0x1EDC6F41, reflected, all ones in and
// out): by the processor's instruction where it has one, else by table. Pure.
#pragma once

#include <cstdint>
#include <span>

namespace linkpilot {

// Of `bytes`, following octets whose sum is `before`: crc32c(b, crc32c(a)) is that of a then b.
[[nodiscard]] std::uint32_t crc32c(std::span<const std::uint8_t> bytes, std::uint32_t before = 0);
// The same on any processor.
[[nodiscard]] std::uint32_t crc32c_by_table(std::span<const std::uint8_t> bytes,
                                            std::uint32_t before = 0);

}  // namespace linkpilot
