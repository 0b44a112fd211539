// HugePages: an allocator for arrays of many megabytes that are read here and there. With pages of
// 4 KiB such a read is mostly a walk through page tables; these ask the kernel for huge ones.
//
// Allocations below kHugePagesFrom are ordinary ones. Advice, not a demand: without huge pages all
// works as before. Any thread; nothing but std::bad_alloc is thrown.
#pragma once

#include <cstddef>
#include <new>

namespace linkpilot {

inline constexpr std::size_t kHugePageOctets = std::size_t{2} << 20;
inline constexpr std::size_t kHugePagesFrom = 2 * kHugePageOctets;

// `octets` from `start`, which is aligned to kHugePageOctets.
void ask_for_huge_pages(void* start, std::size_t octets);

template <typename T>
struct HugePages {
  using value_type = T;
  HugePages() = default;
  template <typename Other>
  explicit(false) HugePages(const HugePages<Other>&) {}

  [[nodiscard]] T* allocate(std::size_t count) {
    const std::size_t octets = count * sizeof(T);
    void* memory = ::operator new(octets, alignment_of(octets));
    if (octets >= kHugePagesFrom) ask_for_huge_pages(memory, octets);
    return static_cast<T*>(memory);
  }
  void deallocate(T* memory, std::size_t count) {
    ::operator delete(memory, alignment_of(count * sizeof(T)));
  }
  friend bool operator==(const HugePages&, const HugePages&) { return true; }

 private:
  static std::align_val_t alignment_of(std::size_t octets) {
    return std::align_val_t{octets >= kHugePagesFrom ? kHugePageOctets : alignof(T)};
  }
};

}  // namespace linkpilot
