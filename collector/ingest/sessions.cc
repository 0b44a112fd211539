#include "collector/ingest/sessions.h"

#include <algorithm>

namespace linkpilot::collector {

Greeting greet(AgentRecord& agent, const Hello& hello, AgentConnection connection, Now now) {
  Greeting greeting;
  connection.run_id = hello.run_id;
  connection.since = now.wall;
  const bool superseded = std::find(agent.superseded_runs.begin(), agent.superseded_runs.end(),
                                    hello.run_id) != agent.superseded_runs.end();
  const bool other_is_heard = agent.connection && agent.connection->run_id != hello.run_id &&
                              now.mono - agent.last_heard < kTakeOverAfter;
  if (superseded && other_is_heard) {
    greeting.admission = Admission::refused;
    return greeting;
  }
  if (!agent.connection) {
    greeting.admission = Admission::first;
  } else if (agent.connection->run_id == hello.run_id) {
    greeting.admission = Admission::reconnected;
  } else {
    greeting.admission = Admission::restarted;
    if (agent.connection->connection != connection.connection) {
      greeting.old_connection = agent.connection->connection;
    }
    agent.superseded_runs.push_back(agent.connection->run_id);
    if (agent.superseded_runs.size() > kSupersededRunsMax) agent.superseded_runs.pop_front();
    agent.superseded_connections.push_back(agent.connection->connection);
    if (agent.superseded_connections.size() > kSupersededRunsMax)
      agent.superseded_connections.pop_front();
  }
  std::erase(agent.superseded_runs, hello.run_id);
  agent.connection = std::move(connection);
  return greeting;
}

bool is_superseded(const AgentRecord& agent, const std::string& connection) {
  const auto& old = agent.superseded_connections;
  return std::find(old.begin(), old.end(), connection) != old.end();
}

bool speaks_for(const AgentRecord& agent, const std::string& connection) {
  return agent.connection && agent.connection->connection == connection;
}

}  // namespace linkpilot::collector
