#include "base/crc32c.h"

#include <array>
#include <bit>
#include <cstring>

namespace linkpilot {
namespace {

constexpr std::uint32_t kReflectedPolynomial = 0x82F63B78;
constexpr std::size_t kSlices = 8;
using Tables = std::array<std::array<std::uint32_t, 256>, kSlices>;

static_assert(std::endian::native == std::endian::little);

// tables[k][b]: what octet b contributes when k octets follow it ("slicing by 8").
constexpr Tables make_tables() {
  Tables tables{};
  for (std::uint32_t octet = 0; octet < 256; ++octet) {
    std::uint32_t sum = octet;
    for (int bit = 0; bit < 8; ++bit) {
      sum = (sum >> 1) ^ ((sum & 1) != 0 ? kReflectedPolynomial : 0);
    }
    tables[0][octet] = sum;
  }
  for (std::size_t k = 1; k < kSlices; ++k) {
    for (std::size_t octet = 0; octet < 256; ++octet) {
      const std::uint32_t sum = tables[k - 1][octet];
      tables[k][octet] = (sum >> 8) ^ tables[0][sum & 0xFF];
    }
  }
  return tables;
}

constexpr Tables kTables = make_tables();

#if defined(__x86_64__)
// SSE 4.2's CRC32 instruction computes this very polynomial.
__attribute__((target("sse4.2"))) std::uint32_t by_instruction(std::uint32_t before,
                                                               const std::uint8_t* at,
                                                               std::size_t left) {
  std::uint64_t sum = before;
  for (; left >= sizeof sum; at += sizeof sum, left -= sizeof sum) {
    std::uint64_t word = 0;
    std::memcpy(&word, at, sizeof word);
    sum = __builtin_ia32_crc32di(sum, word);
  }
  auto rest = static_cast<std::uint32_t>(sum);
  for (; left > 0; ++at, --left) rest = __builtin_ia32_crc32qi(rest, *at);
  return rest;
}

bool has_instruction() { return __builtin_cpu_supports("sse4.2") != 0; }
#else
std::uint32_t by_instruction(std::uint32_t sum, const std::uint8_t*, std::size_t) { return sum; }
bool has_instruction() { return false; }
#endif

}  // namespace

std::uint32_t crc32c(std::span<const std::uint8_t> bytes, std::uint32_t before) {
  if (!has_instruction()) return crc32c_by_table(bytes, before);
  return ~by_instruction(~before, bytes.data(), bytes.size());
}

std::uint32_t crc32c_by_table(std::span<const std::uint8_t> bytes, std::uint32_t before) {
  std::uint32_t sum = ~before;
  while (bytes.size() >= kSlices) {
    std::uint64_t word = 0;
    std::memcpy(&word, bytes.data(), sizeof word);
    word ^= sum;
    sum = 0;
    for (std::size_t k = 0; k < kSlices; ++k) {
      sum ^= kTables[kSlices - 1 - k][(word >> (8 * k)) & 0xFF];
    }
    bytes = bytes.subspan(kSlices);
  }
  for (const std::uint8_t octet : bytes) sum = (sum >> 8) ^ kTables[0][(sum ^ octet) & 0xFF];
  return ~sum;
}

}  // namespace linkpilot
