#include "collector/ingest/link_text.h"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>

namespace linkpilot::collector {

namespace {

std::string port_text(PortId port, const Agents& agents) {
  const auto found = agents.find(port.node);
  if (found == agents.end()) return fmt::format("#{}/{}", port.node.value, port.port.value);
  return fmt::format("{}/{}", found->second.name, port.port.value);
}

std::optional<PortId> parse_port_text(std::string_view text, const Agents& agents) {
  const std::size_t slash = text.find('/');
  if (slash == std::string_view::npos) return std::nullopt;
  const std::string_view name = text.substr(0, slash);
  const auto agent = std::find_if(agents.begin(), agents.end(),
                                  [&](const auto& entry) { return entry.second.name == name; });
  if (agent == agents.end()) return std::nullopt;
  std::uint8_t port = 0;
  const auto [end, error] =
      std::from_chars(text.data() + slash + 1, text.data() + text.size(), port);
  if (error != std::errc{} || end != text.data() + text.size()) return std::nullopt;
  return PortId{agent->first, PortIndex{port}};
}

}  // namespace

std::string link_text(LinkId link, const Agents& agents) {
  return fmt::format("{}>{}", port_text(link.from, agents), port_text(link.to, agents));
}

std::optional<LinkId> parse_link_text(std::string_view text, const Agents& agents) {
  const std::size_t arrow = text.find('>');
  if (arrow == std::string_view::npos) return std::nullopt;
  const std::optional<PortId> from = parse_port_text(text.substr(0, arrow), agents);
  const std::optional<PortId> to = parse_port_text(text.substr(arrow + 1), agents);
  if (!from || !to || from->node == to->node) return std::nullopt;
  return LinkId{*from, *to};
}

}  // namespace linkpilot::collector
