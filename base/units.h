// Quantities with their unit in the type: they compare with their own kind and mix with no other.
#pragma once

#include <compare>
#include <cstdint>

namespace linkpilot {

namespace internal {
template <typename Tag, typename Rep>
struct Quantity {
  Rep value{};
  friend constexpr bool operator==(Quantity, Quantity) = default;
  friend constexpr auto operator<=>(Quantity, Quantity) = default;
  friend constexpr Quantity operator+(Quantity a, Quantity b) { return {a.value + b.value}; }
  friend constexpr Quantity operator-(Quantity a, Quantity b) { return {a.value - b.value}; }
};
}  // namespace internal

using BitsPerSecond = internal::Quantity<struct BitsPerSecondTag, std::uint64_t>;
using Bytes = internal::Quantity<struct BytesTag, std::uint64_t>;

// A link's cost under one profile, in milliseconds; additive along a path, positive, finite.
using Cost = internal::Quantity<struct CostTag, double>;

// Loss as counts; the ratio is derived, never stored or sent.
struct LossCount {
  std::uint64_t lost = 0;
  std::uint64_t sent = 0;
  friend constexpr bool operator==(LossCount, LossCount) = default;
  friend constexpr LossCount operator+(LossCount a, LossCount b) {
    return {a.lost + b.lost, a.sent + b.sent};
  }
  [[nodiscard]] constexpr double ratio() const {
    return sent == 0 ? 0.0 : static_cast<double>(lost) / static_cast<double>(sent);
  }
};

}  // namespace linkpilot
