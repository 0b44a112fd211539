// The agents as the API shows them: identity, connection, reports, plan, table and what each last
// said of itself.
#include <fmt/format.h>

#include "base/freshness_text.h"
#include "collector/api/json_parts.h"

namespace linkpilot::collector {

std::string_view state_text(const AgentRecord& agent) {
  if (agent.state == AgentState::never_seen && agent.last_heard_at.ns == 0 && !agent.dead)
    return "never_seen";
  if (agent.dead) return "dead";
  if (agent.away()) return "restarting";
  switch (agent.state) {
    case AgentState::never_seen:
      return "never_seen";
    case AgentState::connected:
      return "connected";
    case AgentState::silent:
      return "silent";
  }
  return "";
}

std::string state_reason(const AgentRecord& agent) {
  if (agent.dead) return agent.dead_reason;
  if (agent.away())
    return "its agent said so; nothing heard since " + time_text(agent.last_heard_at);
  if (agent.state == AgentState::silent)
    return "nothing heard since " + time_text(agent.last_heard_at);
  if (agent.state == AgentState::never_seen)
    return "enrolled, has not connected since the collector started";
  return "";
}

namespace {

std::string_view role_text(NodeRole role) {
  switch (role) {
    case NodeRole::unspecified:
      return "";
    case NodeRole::ingest:
      return "ingest";
    case NodeRole::relay:
      return "relay";
    case NodeRole::edge:
      return "edge";
    case NodeRole::test_host:
      return "test_host";
  }
  return "";
}

Json ports_json(const Node& node) {
  Json ports = Json::array();
  for (const Port& port : node.ports) {
    ports.push_back({{"index", port.index.value},
                     {"isp", port.isp},
                     {"listen", port.listen.to_string()},
                     {"advertised", port.advertised.to_string()},
                     {"stamp_port", port.stamp_port},
                     {"capacity_bits_per_second", port.capacity.value},
                     {"bill", port.bill}});
  }
  return ports;
}

Json agent_table_json(const CollectorView& view, const AgentRecord& agent) {
  const auto published = view.tables.find(agent.id);
  const RouteTable* table =
      published == view.tables.end() ? nullptr : published->second.table.get();
  const bool up_to_date = table != nullptr && agent.table.loaded == table->version;
  Json measurement_age = nullptr;
  if (up_to_date) measurement_age = age_ms(view.now, table->stages.probe_sent);
  return {{"published_version", table == nullptr ? 0 : table->version.version},
          {"published_epoch", table == nullptr ? 0 : table->version.epoch},
          {"published_at", table == nullptr ? "" : time_text(table->created)},
          {"loaded_version", agent.table.loaded.version},
          {"loaded_epoch", agent.table.loaded.epoch},
          {"loaded_at", time_text(agent.table.loaded_at)},
          {"up_to_date", up_to_date},
          {"refused_reason", agent.table.refused_reason},
          {"age_ms", up_to_date ? age_ms(view.now, table->created) : Json(nullptr)},
          {"measurement_age_ms", measurement_age}};
}

// What the agent last said of itself. Ages go on from there while it is not heard.
Json freshness_json(const CollectorView& view, const AgentRecord& agent) {
  if (!agent.status) return nullptr;
  const Duration since = view.now - agent.status_at.wall;
  const AgentStatus& status = *agent.status;
  return {{"plan", to_string(status.plan)},
          {"plan_age_ms", ms(status.plan_age + since)},
          {"table", to_string(status.table)},
          {"table_age_ms",
           status.table == Freshness::none ? Json(nullptr) : Json(ms(status.table_age + since))},
          {"told_at", time_text(agent.status_at.wall)}};
}

Json spool_json(const AgentRecord& agent) {
  if (!agent.status) return nullptr;
  const AgentStatus& status = *agent.status;
  return {{"reports", status.spool_reports},
          {"bytes", status.spool_octets},
          {"disk_bytes", status.spool_disk_octets},
          {"dropped", status.spool_dropped},
          {"failures", status.spool_failures},
          {"error", status.spool_error},
          {"file_jobs_refused", status.file_jobs_refused}};
}

Json probing_json(const AgentRecord& agent) {
  if (!agent.status) return nullptr;
  return {{"refused_authentication", agent.status->probes_refused_authentication},
          {"refused_at", time_text(agent.probes_refused_at)}};
}

// Which of [listen] it came in by (entrances.h puts the number in front of the connection's name).
std::string_view entrance_text(const AgentRecord& agent) {
  if (!agent.connection || agent.connection->connection.empty()) return "";
  return agent.connection->connection.front() == '0' ? "agents" : "agents_next";
}

Json agent_json(const CollectorView& view, const AgentRecord& agent) {
  Json out = {
      {"node", agent.name},
      {"id", agent.id.value},
      {"region", agent.profile ? agent.profile->region : ""},
      {"role", agent.profile ? role_text(agent.profile->role) : ""},
      {"media_base", agent.profile ? agent.profile->media_base : ""},
      {"state", state_text(agent)},
      {"reason", state_reason(agent)},
      {"enrolled_at", time_text(agent.enrolled_at)},
      {"connected_at", agent.connection ? time_text(agent.connection->since) : ""},
      {"address", agent.connection ? agent.connection->address : ""},
      {"software", agent.software},
      {"run_id", agent.connection ? fmt::format("{:016x}", agent.connection->run_id) : ""},
      {"public_key", agent.public_key},
      {"next_public_key", agent.next_key},
      {"connected_with", !agent.connection                                  ? ""
                         : agent.connection->public_key == agent.public_key ? "public_key"
                                                                            : "next_public_key"},
      {"entrance", entrance_text(agent)},
      {"last_heard_at", time_text(agent.last_heard_at)},
      {"last_heard_age_ms", age_ms(view.now, agent.last_heard_at)},
      {"clock_ahead_ms", ms(agent.clock_ahead)},
      {"ports", agent.profile ? ports_json(*agent.profile) : Json::array()}};
  out["reports"] = {{"epoch", std::to_string(agent.reports.epoch)},
                    {"received", agent.reports.received},
                    {"duplicate", agent.reports.duplicate},
                    {"acked_sequence", agent.reports.acked_sequence},
                    {"spool_dropped", agent.reports.spool_dropped},
                    {"samples", agent.reports.samples},
                    {"samples_refused", agent.reports.samples_refused},
                    {"alarms", agent.reports.alarms},
                    {"last_at", time_text(agent.reports.last)}};
  out["load"] = {{"cpu_ratio", agent.load.cpu_permille / 1000.0},
                 {"inbound_bits_per_second", agent.load.inbound.value},
                 {"outbound_bits_per_second", agent.load.outbound.value},
                 {"connections", agent.load.connections},
                 {"agent_rss_bytes", agent.load.agent_rss_bytes},
                 {"agent_cpu_ratio", agent.load.agent_cpu_permille / 1000.0}};
  out["plan"] = {{"version", agent.plan.sent_version},
                 {"acked_version", agent.plan.acked_version},
                 {"sessions", agent.plan.sessions},
                 {"capped", agent.plan.capped}};
  out["table"] = agent_table_json(view, agent);
  out["freshness"] = freshness_json(view, agent);
  out["spool"] = spool_json(agent);
  out["probing"] = probing_json(agent);
  return out;
}

}  // namespace

Json agents_json(const CollectorView& view, std::optional<NodeId> node) {
  Json agents = Json::array();
  for (const auto& [id, agent] : view.agents) {
    if (node ? id == *node : agent.enrolled) agents.push_back(agent_json(view, agent));
  }
  return {{"agents", std::move(agents)}, {"refused_keys", refused_json(view)["refused_keys"]}};
}

}  // namespace linkpilot::collector
