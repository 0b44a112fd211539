#include "base/ids.h"

#include <algorithm>

namespace linkpilot {

bool is_valid_node_name(std::string_view name) {
  if (name.empty() || name.size() > kNodeNameLengthMax) return false;
  if (name.front() == '-' || name.back() == '-') return false;
  return std::ranges::all_of(
      name, [](char c) { return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '-'; });
}

}  // namespace linkpilot
