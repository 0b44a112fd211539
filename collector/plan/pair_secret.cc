#include "collector/plan/pair_secret.h"

#include <algorithm>
#include <string_view>

namespace linkpilot::collector {

namespace {

std::vector<std::uint8_t> octets_of(std::string_view text) { return {text.begin(), text.end()}; }

void append(std::vector<std::uint8_t>& octets, NodeId node) {
  octets.push_back(static_cast<std::uint8_t>(node.value >> 8));
  octets.push_back(static_cast<std::uint8_t>(node.value & 0xff));
}

}  // namespace

std::vector<std::uint8_t> pair_secret(const Secret& master, NodeId a, NodeId b) {
  std::vector<std::uint8_t> info = octets_of("linkpilot pair");
  append(info, std::min(a, b));
  append(info, std::max(a, b));
  const Secret secret = derive_secret(master, info);
  return {secret.begin(), secret.end()};
}

std::uint32_t secret_epoch(const Secret& master) {
  const Secret digest = derive_secret(master, octets_of("linkpilot epoch"));
  std::uint32_t epoch = 0;
  for (int i = 0; i < 4; ++i) epoch = epoch << 8 | digest[static_cast<std::size_t>(i)];
  return epoch;
}

}  // namespace linkpilot::collector
