// LinkIndex: from a link to its place in an array, in one cache line as a rule: open addressing
// with linear probing, at most half full. Entries are added and all dropped, never removed one by
// one.
#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

#include "base/huge_pages.h"
#include "base/ids.h"

namespace linkpilot::optimizer {

class LinkIndex {
 public:
  static constexpr std::uint32_t kNone = 0xffff'ffff;

  [[nodiscard]] std::uint32_t find(LinkId link) const {
    if (slots_.empty()) return kNone;
    const std::uint64_t key = key_of(link);
    for (std::size_t at = home(key);; at = (at + 1) & mask_) {
      if (slots_[at].place == kNone || slots_[at].key == key) return slots_[at].place;
    }
  }
  // `link` must not be there yet.
  void add(LinkId link, std::uint32_t place) {
    if (2 * (used_ + 1) > slots_.size()) grow();
    put({key_of(link), place});
    ++used_;
  }
  void clear() {
    slots_.clear();
    used_ = 0;
  }
  // Inlined by order: GCC 12 takes an inline function that only prefetches for one that does
  // nothing, and drops the call.
  [[gnu::always_inline]] void prefetch(LinkId link) const {
    if (!slots_.empty()) __builtin_prefetch(&slots_[home(key_of(link))]);
  }

 private:
  struct Slot {
    std::uint64_t key = 0;
    std::uint32_t place = kNone;
  };
  static std::uint64_t key_of(LinkId link) {
    return std::uint64_t{link.from.node.value} << 32 | std::uint64_t{link.to.node.value} << 16 |
           std::uint64_t{link.from.port.value} << 8 | link.to.port.value;
  }
  // Fibonacci hashing (Knuth, TAOCP 3, s6.4): the high bits of a product.
  [[nodiscard]] std::size_t home(std::uint64_t key) const {
    return static_cast<std::size_t>(key * 0x9e3779b97f4a7c15ULL >> shift_);
  }
  void put(Slot slot) {
    std::size_t at = home(slot.key);
    while (slots_[at].place != kNone) at = (at + 1) & mask_;
    slots_[at] = slot;
  }
  void grow() {
    std::vector<Slot, HugePages<Slot>> old;
    old.swap(slots_);
    shift_ = old.empty() ? 64 - kFirstBits : shift_ - 1;
    slots_.resize(std::size_t{1} << (64 - shift_));
    mask_ = slots_.size() - 1;
    for (const Slot& slot : old) {
      if (slot.place != kNone) put(slot);
    }
  }

  static constexpr unsigned kFirstBits = 10;
  std::vector<Slot, HugePages<Slot>> slots_;
  unsigned shift_ = 64;
  std::size_t mask_ = 0;
  std::size_t used_ = 0;
};

}  // namespace linkpilot::optimizer
