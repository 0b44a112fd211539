// "tokyo/0>paris/1": how a link is written for people, and read back.
#pragma once

#include <string>

#include "base/ids.h"
#include "collector/ingest/agent_record.h"

namespace linkpilot::collector {

// Unknown nodes by number: "#17/0>paris/1".
[[nodiscard]] std::string link_text(LinkId link, const Agents& agents);

}  // namespace linkpilot::collector
