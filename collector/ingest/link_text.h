// "tokyo/0>paris/1": how a link is written for people, and read back.
#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "base/ids.h"
#include "collector/ingest/agent_record.h"

namespace linkpilot::collector {

// Unknown nodes by number: "#17/0>paris/1".
[[nodiscard]] std::string link_text(LinkId link, const Agents& agents);
// Nothing for what is not such a text, or names a node that is not known.
[[nodiscard]] std::optional<LinkId> parse_link_text(std::string_view text, const Agents& agents);

}  // namespace linkpilot::collector
