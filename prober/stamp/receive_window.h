// ReceiveWindow: which of the last 64 sequence numbers of one stream have arrived. It follows the
// highest and never goes back, so a late packet cannot misalign it. Sequences wrap at 2^32.
#pragma once

#include <cstdint>

namespace linkpilot::prober {

inline constexpr std::uint32_t kReceiveWindowSize = 64;

class ReceiveWindow {
 public:
  enum class Verdict : std::uint8_t {
    first,      // of the stream
    next,       // higher than all before
    reordered,  // new, but after a higher one
    duplicate,  // seen before
    too_old,    // behind the window: new or not cannot be said
  };

  // What `sequence` is, without noting it.
  [[nodiscard]] Verdict judge(std::uint32_t sequence) const {
    if (bits_ == 0) return Verdict::first;
    const auto ahead = static_cast<std::int32_t>(sequence - highest_);
    if (ahead > 0) return Verdict::next;
    const std::uint32_t behind = highest_ - sequence;
    if (behind >= kReceiveWindowSize) return Verdict::too_old;
    return (bits_ >> behind & 1U) != 0 ? Verdict::duplicate : Verdict::reordered;
  }

  Verdict add(std::uint32_t sequence) {
    const Verdict verdict = judge(sequence);
    switch (verdict) {
      case Verdict::first:
        highest_ = sequence;
        bits_ = 1;
        break;
      case Verdict::next: {
        const std::uint32_t ahead = sequence - highest_;
        bits_ = ahead >= kReceiveWindowSize ? 1 : bits_ << ahead | 1U;
        highest_ = sequence;
        break;
      }
      case Verdict::reordered:
        bits_ |= std::uint64_t{1} << (highest_ - sequence);
        break;
      case Verdict::duplicate:
      case Verdict::too_old:
        break;
    }
    return verdict;
  }

  [[nodiscard]] std::uint32_t highest() const { return highest_; }
  // Bit i: highest() - i has arrived. Zero: nothing has.
  [[nodiscard]] std::uint64_t bits() const { return bits_; }

 private:
  std::uint32_t highest_ = 0;
  std::uint64_t bits_ = 0;
};

}  // namespace linkpilot::prober
