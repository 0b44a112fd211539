#include "collector/api/json_views.h"

#include <fmt/format.h>

#include <algorithm>

#include "base/freshness_text.h"
#include "collector/api/json_parts.h"
#include "collector/ingest/link_text.h"
#include "optimizer/weight/link_cost.h"

namespace linkpilot::collector {

namespace {

constexpr Duration kLoadPatience = std::chrono::seconds(10);
constexpr Duration kRefusedLately = std::chrono::seconds(60);
// STAMP base packet, our TLVs and padding (about 112 octets), and IPv4 + UDP headers (28).
constexpr double kProbeOctets = 140.0;

// Nodes that have a table published and do not use it; `overdue_only`: for longer than they may
// need.
std::vector<std::string> behind(const CollectorView& view, Duration patience) {
  std::vector<std::string> names;
  for (const auto& [node, published] : view.tables) {
    const auto agent = view.agents.find(node);
    if (agent == view.agents.end() || !agent->second.heard() || agent->second.dead) continue;
    if (agent->second.table.loaded == published.table->version) continue;
    if (view.now - published.table->created < patience) continue;
    names.push_back(agent->second.name);
  }
  return names;
}

struct TableAges {
  std::size_t loaded = 0;
  Duration age_max{};
  Duration measurement_age_max{};
  UnixNanos newest;
};

TableAges table_ages(const CollectorView& view) {
  TableAges ages;
  for (const auto& [node, published] : view.tables) {
    const RouteTable& table = *published.table;
    ages.newest = std::max(ages.newest, table.created);
    const auto agent = view.agents.find(node);
    if (agent == view.agents.end() || agent->second.table.loaded != table.version) continue;
    ++ages.loaded;
    ages.age_max = std::max(ages.age_max, view.now - table.created);
    if (table.stages.probe_sent.ns > 0) {
      ages.measurement_age_max =
          std::max(ages.measurement_age_max, view.now - table.stages.probe_sent);
    }
  }
  return ages;
}

Json names_in_state(const CollectorView& view, std::string_view state) {
  Json names = Json::array();
  for (const auto& [id, agent] : view.agents) {
    if (agent.enrolled && state_text(agent) == state) names.push_back(agent.name);
  }
  return names;
}

Json links_summary(const CollectorView& view) {
  std::uint64_t allowed = 0;
  std::uint64_t fast = 0;
  for (const auto& [node, plan] : view.plans) {
    for (const PacedLink& link : plan.links) {
      ++allowed;
      if (is_fast(link.pace)) ++fast;
    }
  }
  std::uint64_t measured = 0;
  std::uint64_t dead = 0;
  for (const optimizer::LinkBelief& belief : view.beliefs()) {
    if (belief.measured && !belief.stale) ++measured;
    if (belief.state == LinkState::dead) ++dead;
  }
  return {{"allowed", allowed},
          {"measured", measured},
          {"fast", fast},
          {"slow", allowed - fast},
          {"dead", dead}};
}

}  // namespace

std::string time_text(UnixNanos time) { return time.ns == 0 ? "" : format_utc(time); }

std::string node_name(const CollectorView& view, NodeId node) {
  const auto found = view.agents.find(node);
  return found == view.agents.end() ? fmt::format("#{}", node.value) : found->second.name;
}

std::vector<std::string> own_complaints(const CollectorView& view) {
  std::vector<std::string> reasons;
  if (!view.store.ok) {
    reasons.push_back(
        fmt::format("store: {}, since {}", view.store.reason, time_text(view.store.since)));
  }
  return reasons;
}

std::vector<std::string> complaints(const CollectorView& view) {
  std::vector<std::string> reasons = own_complaints(view);
  for (const auto& [id, agent] : view.agents) {
    if (!agent.enrolled) continue;
    const std::string_view state = state_text(agent);
    if (state != "connected") {
      reasons.push_back(fmt::format("{} is {}: {}", agent.name, state, state_reason(agent)));
    }
    if (!agent.table.refused_reason.empty()) {
      reasons.push_back(
          fmt::format("{} refused its table: {}", agent.name, agent.table.refused_reason));
    }
    if (!agent.status) continue;
    if (!agent.status->spool_error.empty()) {
      reasons.push_back(
          fmt::format("{} keeps its reports in memory: {}", agent.name, agent.status->spool_error));
    }
    if (agent.probes_refused_at.ns > 0 && view.now - agent.probes_refused_at < kRefusedLately) {
      reasons.push_back(fmt::format(
          "{} gets probes that are not under the secret of their pair ({} so far): event tail "
          "names the links",
          agent.name, agent.status->probes_refused_authentication));
    }
    if (agent.status->table == Freshness::stale || agent.status->table == Freshness::expired) {
      reasons.push_back(
          fmt::format("{} uses a table that is {}", agent.name, to_string(agent.status->table)));
    }
  }
  for (const std::string& name : behind(view, kLoadPatience)) {
    reasons.push_back(fmt::format("{} has not loaded its newest table", name));
  }
  if (!view.solve.last_refusal.empty()) {
    reasons.push_back(fmt::format("tables are not published: {}", view.solve.last_refusal));
  }
  if (view.enrolled == 0) {
    reasons.push_back(
        "no agent is enrolled; linkpilot agent enrol NAME --file KEY.pub --reason WHY lets one in");
  } else if (view.tables.empty()) {
    reasons.push_back(view.enrolled == 1 ? "no table has been published yet: routes need two nodes"
                                         : "no table has been published yet");
  }
  return reasons;
}

Json health_json(const CollectorView& view) {
  const std::vector<std::string> reasons = own_complaints(view);
  return {{"status", reasons.empty() ? "ok" : "unhealthy"}, {"reasons", reasons}};
}

namespace {

std::string hex_text(std::span<const std::uint8_t> octets) {
  std::string text;
  for (const std::uint8_t octet : octets) text += fmt::format("{:02x}", octet);
  return text;
}

}  // namespace

Json status_json(const CollectorView& view) {
  const std::vector<std::string> reasons = complaints(view);
  const TableAges ages = table_ages(view);
  std::uint64_t connected = 0;
  for (const auto& [id, agent] : view.agents) {
    if (agent.enrolled && agent.heard()) ++connected;
  }
  ProbeLoad load;
  for (const auto& [node, plan] : view.plans) {
    const ProbeLoad one = probe_load(plan);
    load.probes_per_second += one.probes_per_second;
    load.kbit_per_second += one.kbit_per_second;
  }
  std::uint64_t newest_version = 0;
  for (const auto& [node, published] : view.tables) {
    newest_version = std::max(newest_version, published.table->version.version);
  }
  Json out = {{"software", "linkpilot-collector " LINKPILOT_VERSION},
              {"epoch", view.epoch},
              {"started_at", time_text(view.started)},
              {"now_at", time_text(view.now)},
              {"uptime_ms", ms(view.now - view.started)},
              {"healthy", reasons.empty()},
              {"reasons", reasons}};
  out["agents"] = {{"enrolled", view.enrolled},
                   {"connected", connected},
                   {"silent", names_in_state(view, "silent")},
                   {"dead", names_in_state(view, "dead")},
                   {"never_seen", names_in_state(view, "never_seen")}};
  out["links"] = links_summary(view);
  out["tables"] = {
      {"published", view.tables.size()},
      {"loaded", ages.loaded},
      {"behind", behind(view, Duration{})},
      {"newest_version", newest_version},
      {"signer", hex_text(view.signer)},
      {"newest_published_at", time_text(ages.newest)},
      {"age_ms_max", ages.loaded == 0 ? Json(nullptr) : Json(ms(ages.age_max))},
      {"measurement_age_ms_max",
       ages.measurement_age_max.count() == 0 ? Json(nullptr) : Json(ms(ages.measurement_age_max))}};
  out["plan"] = {{"phase", view.following ? "following_tables" : "first_table"},
                 {"authenticated", view.authenticated},
                 {"pairs_awaiting_secret", view.pairs_waiting},
                 {"probes_per_second", load.probes_per_second},
                 {"kbit_per_second", load.kbit_per_second}};
  out["solve"] = {{"runs", view.solve.runs},
                  {"last_at", time_text(view.solve.last)},
                  {"last_duration_ms", ms(view.solve.last_took)},
                  {"last_trigger", view.solve.last_trigger},
                  {"last_refusal", view.solve.last_refusal}};
  std::uint64_t active = 0;
  for (const optimizer::LinkBelief& belief : view.beliefs())
    active += belief.state != LinkState::alive ? 1 : 0;
  out["alarms"] = {{"active", active}, {"received", view.ingest.alarms}};
  Json overrides = Json::array();
  for (const Override& over : view.overrides) {
    overrides.push_back(fmt::format("{} by {} until {}: {}", describe(over), over.author,
                                    time_text(over.expires), over.reason));
  }
  out["overrides"] = std::move(overrides);
  out["store"] = {{"ok", view.store.ok},
                  {"reason", view.store.reason},
                  {"reports", view.store.reports},
                  {"bytes", view.store.bytes},
                  {"commit_ms_p50", quantile_ms(view.store.commit_time, 0.5)},
                  {"commit_ms_p99", quantile_ms(view.store.commit_time, 0.99)}};
  return out;
}

ProbeLoad probe_load(const NodePlan& plan) {
  ProbeLoad load;
  for (const PacedLink& link : plan.links) {
    if (link.planned.interval.count() <= 0) continue;
    const double rate = 1e9 / static_cast<double>(link.planned.interval.count());
    load.probes_per_second += rate;
    load.kbit_per_second += rate * 2 * kProbeOctets * 8 / 1000;
  }
  return load;
}

}  // namespace linkpilot::collector
