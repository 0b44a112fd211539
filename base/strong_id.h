// StrongId<Tag, Rep>: an integer that names one kind of thing and does not mix with another kind.
// A value type: ordered, hashable, zero by default. Zero means "none" wherever ids are assigned.
#pragma once

#include <compare>
#include <cstddef>
#include <cstdint>
#include <functional>

namespace linkpilot {

template <typename Tag, typename Rep>
struct StrongId {
  using rep = Rep;
  Rep value{};

  constexpr StrongId() = default;
  constexpr explicit StrongId(Rep v) : value(v) {}

  friend constexpr bool operator==(StrongId, StrongId) = default;
  friend constexpr auto operator<=>(StrongId, StrongId) = default;
};

}  // namespace linkpilot

template <typename Tag, typename Rep>
struct std::hash<linkpilot::StrongId<Tag, Rep>> {
  std::size_t operator()(linkpilot::StrongId<Tag, Rep> id) const noexcept {
    return std::hash<Rep>{}(id.value);
  }
};
