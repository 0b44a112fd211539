// Which connection speaks for a node. One key, one agent: when a second process says Hello with the
// same key, the newest wins and the older one is refused - for as long as the newer one is heard,
// so that two misconfigured agents do not take turns. Pure.
#pragma once

#include <string>

#include "base/message.h"
#include "base/time.h"
#include "collector/ingest/agent_record.h"

namespace linkpilot::collector {

// How long a superseded run stays refused after the newer one was last heard.
inline constexpr Duration kTakeOverAfter = std::chrono::seconds(10);

enum class Admission : std::uint8_t {
  first,        // nobody spoke for the node before
  reconnected,  // the same process, on a new connection
  restarted,    // a new process; the old one may still be there
  refused,      // an older process while the newer one is heard
};

struct Greeting {
  Admission admission = Admission::first;
  std::string old_connection;  // to be refused; empty: none
};

// Records who speaks for the node from now on, unless refused.
[[nodiscard]] Greeting greet(AgentRecord& agent, const Hello& hello, AgentConnection connection,
                             Now now);

// True if `connection` is the one that speaks for the node.
[[nodiscard]] bool speaks_for(const AgentRecord& agent, const std::string& connection);

// True if a newer process took the node over from this connection. Any other one may still be about
// to say Hello, as a client does that found the way back by itself.
[[nodiscard]] bool is_superseded(const AgentRecord& agent, const std::string& connection);

}  // namespace linkpilot::collector
