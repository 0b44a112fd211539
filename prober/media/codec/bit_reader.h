// Reads bits, most significant first, and the Exp-Golomb codes of AVC and HEVC (ITU-T H.264 s9.1).
// Bounded: past the end, or at a code that no 32-bit value has, it fails for good and reads zeros.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>

namespace linkpilot::prober {

// Whether 00 00 03 stands for 00 00, as inside a NAL unit (H.264 s7.4.1).
enum class Emulation : std::uint8_t { plain, escaped };

class BitReader {
 public:
  explicit BitReader(std::span<const std::uint8_t> bytes, Emulation emulation = Emulation::plain)
      : bytes_(bytes), escaped_(emulation == Emulation::escaped) {}

  [[nodiscard]] bool ok() const { return ok_; }

  std::uint32_t bits(unsigned count) {  // at most 32
    std::uint32_t value = 0;
    for (unsigned i = 0; i < count; ++i) value = value << 1 | bit();
    return value;
  }
  bool flag() { return bit() != 0; }
  void skip(unsigned count) {
    for (unsigned i = 0; i < count && ok_; ++i) (void)bit();
  }

  // ue(v): 31 leading zeros at most (the largest value is 2^32 - 2).
  std::uint32_t ue() {
    unsigned zeros = 0;
    while (ok_ && bit() == 0) {
      if (++zeros > 31) ok_ = false;
    }
    if (!ok_) return 0;
    const std::uint32_t rest = bits(zeros);
    return ok_ ? ((std::uint32_t{1} << zeros) - 1) + rest : 0;
  }
  // se(v)
  std::int32_t se() {
    const std::int64_t code = ue();
    return static_cast<std::int32_t>(code % 2 == 1 ? (code + 1) / 2 : -(code / 2));
  }

 private:
  std::uint32_t bit() {
    if (left_ == 0 && !next_octet()) return 0;
    --left_;
    return (octet_ >> left_) & 1U;
  }
  bool next_octet() {
    if (ok_ && escaped_ && zeros_ >= 2 && at_ < bytes_.size() && bytes_[at_] == 3) {
      ++at_;
      zeros_ = 0;
    }
    if (!ok_ || at_ >= bytes_.size()) {
      ok_ = false;
      return false;
    }
    octet_ = bytes_[at_++];
    zeros_ = octet_ == 0 ? zeros_ + 1 : 0;
    left_ = 8;
    return true;
  }

  std::span<const std::uint8_t> bytes_;
  std::size_t at_ = 0;
  unsigned zeros_ = 0;
  unsigned left_ = 0;
  std::uint32_t octet_ = 0;
  bool escaped_;
  bool ok_ = true;
};

}  // namespace linkpilot::prober
