// Text of a foreign server made fit to show: control characters and what is not ASCII become '?',
// and it is cut at a length.
#pragma once

#include <string>
#include <string_view>

namespace linkpilot::rtmp {

constexpr std::size_t kShownOctetsMax = 256;

[[nodiscard]] inline std::string printable(std::string_view text) {
  std::string shown(text.substr(0, kShownOctetsMax));
  for (char& c : shown) {
    if (c < ' ' || c > '~') c = '?';
  }
  if (text.size() > kShownOctetsMax) shown += "...";
  return shown;
}

}  // namespace linkpilot::rtmp
