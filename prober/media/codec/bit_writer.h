// Writes bits, most significant first, and Exp-Golomb codes: the reverse of BitReader, for the
// synthetic stream and for tests.
#pragma once

#include <cstdint>
#include <span>
#include <utility>
#include <vector>

namespace linkpilot::prober {

class BitWriter {
 public:
  void bits(std::uint64_t value, unsigned count) {  // count at most 64
    for (unsigned i = count; i-- > 0;) bit(static_cast<unsigned>(value >> i & 1U));
  }
  void flag(bool value) { bit(value ? 1 : 0); }
  void ue(std::uint32_t value) {
    const std::uint64_t code = std::uint64_t{value} + 1;
    unsigned length = 0;
    while (code >> (length + 1) != 0) ++length;
    bits(0, length);
    bits(code, length + 1);
  }
  void se(std::int32_t value) {
    const std::int64_t wide = value;
    ue(static_cast<std::uint32_t>(wide > 0 ? 2 * wide - 1 : -2 * wide));
  }
  // Zeros up to the next octet.
  void align() {
    while (used_ != 0) bit(0);
  }
  // rbsp_trailing_bits (H.264 s7.3.2.11)
  void trailing() {
    bit(1);
    align();
  }
  [[nodiscard]] std::vector<std::uint8_t> take() {
    align();
    return std::exchange(bytes_, {});
  }

 private:
  void bit(unsigned value) {
    if (used_ == 0) bytes_.push_back(0);
    bytes_.back() = static_cast<std::uint8_t>(bytes_.back() | value << (7 - used_));
    used_ = (used_ + 1) % 8;
  }

  std::vector<std::uint8_t> bytes_;
  unsigned used_ = 0;  // bits of the last octet; 0: it is full
};

// A NAL unit of `header` (one octet) and `payload`, with emulation prevention (H.264 s7.4.1).
[[nodiscard]] inline std::vector<std::uint8_t> escape_nal(std::uint8_t header,
                                                          std::span<const std::uint8_t> payload) {
  std::vector<std::uint8_t> nal{header};
  nal.reserve(payload.size() + payload.size() / 64 + 2);
  unsigned zeros = 0;
  for (const std::uint8_t octet : payload) {
    if (zeros >= 2 && octet <= 3) {
      nal.push_back(3);
      zeros = 0;
    }
    nal.push_back(octet);
    zeros = octet == 0 ? zeros + 1 : 0;
  }
  return nal;
}

}  // namespace linkpilot::prober
