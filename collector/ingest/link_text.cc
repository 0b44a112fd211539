#include "collector/ingest/link_text.h"

#include <fmt/format.h>

namespace linkpilot::collector {

namespace {

std::string port_text(PortId port, const Agents& agents) {
  const auto found = agents.find(port.node);
  if (found == agents.end()) return fmt::format("#{}/{}", port.node.value, port.port.value);
  return fmt::format("{}/{}", found->second.name, port.port.value);
}

}  // namespace

std::string link_text(LinkId link, const Agents& agents) {
  return fmt::format("{}>{}", port_text(link.from, agents), port_text(link.to, agents));
}

}  // namespace linkpilot::collector
