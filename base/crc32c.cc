#include "base/crc32c.h"

#include <array>
#include <cstring>

namespace linkpilot {
namespace {

constexpr std::uint32_t kReflectedPolynomial = 0x82F63B78;

constexpr std::array<std::uint32_t, 256> make_table() {
  std::array<std::uint32_t, 256> table{};
  for (std::uint32_t octet = 0; octet < 256; ++octet) {
    std::uint32_t sum = octet;
    for (int bit = 0; bit < 8; ++bit) sum = (sum >> 1) ^ ((sum & 1) != 0 ? kReflectedPolynomial : 0);
    table[octet] = sum;
  }
  return table;
}

constexpr std::array<std::uint32_t, 256> kTable = make_table();

std::uint32_t by_table(std::uint32_t sum, const std::uint8_t* at, std::size_t left) {
  for (; left > 0; ++at, --left) sum = (sum >> 8) ^ kTable[(sum ^ *at) & 0xFF];
  return sum;
}

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
std::uint32_t by_instruction(std::uint32_t sum, const std::uint8_t* at, std::size_t left) {
  return by_table(sum, at, left);
}
bool has_instruction() { return false; }
#endif

}  // namespace

std::uint32_t crc32c(std::span<const std::uint8_t> bytes, std::uint32_t before) {
  return ~(has_instruction() ? by_instruction(~before, bytes.data(), bytes.size())
                             : by_table(~before, bytes.data(), bytes.size()));
}

}  // namespace linkpilot
