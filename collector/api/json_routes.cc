// JSON of links, routes, plans, events, samples and probes.
#include <fmt/format.h>

#include <algorithm>

#include "collector/api/json_parts.h"
#include "collector/api/json_views.h"
#include "collector/hand/hand_effect.h"
#include "collector/ingest/link_text.h"
#include "collector/ingest/plausibility.h"
#include "optimizer/weight/link_cost.h"
#include "schemas/codec.h"

namespace linkpilot::collector {

namespace {

std::string_view link_state_text(const optimizer::LinkBelief& belief) {
  switch (belief.state) {
    case LinkState::dead:
      return "dead";
    case LinkState::suspect:
      return "suspect";
    case LinkState::alive:
    case LinkState::unspecified:
      break;
  }
  return belief.measured && !belief.stale ? "alive" : "unmeasured";
}

// A bucket's middle may lie outside of what was seen; the extremes are kept exactly, so they bound
// it.
Json rtt_quantile_ms(const LinkSample& sample, double q) {
  const std::optional<Duration> value = sample.rtt.quantile(q);
  if (!value) return nullptr;
  return ms(std::clamp(*value, sample.rtt_min, std::max(sample.rtt_min, sample.rtt_max)));
}

std::string_view timestamps_text(TimestampMethod method) {
  switch (method) {
    case TimestampMethod::unspecified:
      return "";
    case TimestampMethod::hardware:
      return "hardware";
    case TimestampMethod::kernel:
      return "kernel";
    case TimestampMethod::user:
      return "user";
  }
  return "";
}

Json seen_json(const LinkHistory& history) {
  return {{"sent", history.sent},
          {"answered", history.answered},
          {"late", history.late},
          {"lost_forward", history.lost_forward},
          {"lost_backward", history.lost_backward},
          {"lost_unplaced", history.lost_unplaced},
          {"duplicate", history.duplicate},
          {"reordered", history.reordered},
          {"missed_by_us", history.missed_by_us},
          {"local_send_error", history.local_send_error}};
}

Json link_json(const CollectorView& view, const PacedLink& paced,
               const optimizer::LinkBelief& belief, const LinkHistory& history) {
  const LinkId link = paced.planned.link;
  Json out = {{"link", link_text(link, view.agents)},
              {"from", node_name(view, link.from.node)},
              {"to", node_name(view, link.to.node)},
              {"from_port", link.from.port.value},
              {"to_port", link.to.port.value},
              {"state", link_state_text(belief)},
              {"state_since_at", time_text(history.state_since)},
              {"state_reason", history.state_reason},
              {"measured", belief.measured && !belief.stale},
              {"age_ms", belief.last_heard.ns == 0 ? Json(nullptr)
                                                   : Json(ms(view.now_mono - belief.last_heard))},
              {"probe_interval_ms", ms(paced.planned.interval)},
              {"planned_fast", is_fast(paced.pace)},
              {"planned_reason", to_string(paced.pace)}};
  if (belief.measured) {
    const optimizer::CostTerms cost = optimizer::link_cost(belief, {}, view.policy.weights);
    out["rtt_ms_min"] = ms(belief.rtt_min);
    out["rtt_ms_p50"] = ms(belief.rtt_p50);
    out["rtt_ms_p90"] = ms(belief.rtt_p90);
    out["delay_ms"] = ms(belief.delay);
    out["delay_from_clocks"] = belief.delay_from_clocks;
    out["jitter_ms"] = ms(belief.rtt_p95 - belief.rtt_p50);
    out["loss_ratio"] = belief.loss_ratio();
    out["loss_ratio_upper"] = cost.loss_upper;
    out["cost_ms"] = belief.usable() ? Json(cost.total.value) : Json(nullptr);
    out["cost_terms_ms"] = {{"delay", cost.delay},
                            {"jitter_allowance", cost.jitter_allowance},
                            {"loss_recovery", cost.loss_recovery},
                            {"load", cost.load},
                            {"price", cost.price},
                            {"damping", cost.damping}};
  } else {
    for (const char* key :
         {"rtt_ms_min", "rtt_ms_p50", "rtt_ms_p90", "delay_ms", "delay_from_clocks", "jitter_ms",
          "loss_ratio", "loss_ratio_upper", "cost_ms", "cost_terms_ms"}) {
      out[key] = nullptr;
    }
  }
  out["damped"] = belief.damped;
  out["seen"] = seen_json(history);
  out["last_sample_at"] = time_text(history.last_sample);
  return out;
}

Json candidate_json(const CollectorView& view, NodeId self, const CandidatePath& candidate) {
  Json path = Json::array({node_name(view, self)});
  Json hops = Json::array();
  for (const Hop& hop : candidate.hops) {
    path.push_back(node_name(view, hop.node));
    hops.push_back({{"node", node_name(view, hop.node)},
                    {"near_port", hop.near_port.value},
                    {"far_port", hop.far_port.value}});
  }
  return {{"path", std::move(path)},
          {"hops", std::move(hops)},
          {"delay_ms", ms(candidate.delay)},
          {"cost_ms", static_cast<double>(candidate.cost_us) / 1000.0},
          {"loop_free", candidate.loop_free}};
}

Json table_json(const CollectorView& view, const PublishedTable& published,
                std::optional<NodeId> to) {
  const RouteTable& table = *published.table;
  const auto agent = view.agents.find(table.node);
  const bool loaded = agent != view.agents.end() && agent->second.table.loaded == table.version;
  const std::string loaded_at = loaded ? time_text(agent->second.table.loaded_at) : "";
  Json routes = Json::array();
  for (const Route& route : table.routes) {
    if (to && route.target != *to) continue;
    Json candidates = Json::array();
    for (const CandidatePath& candidate : route.candidates) {
      candidates.push_back(candidate_json(view, table.node, candidate));
    }
    const bool push = route.direction == Direction::push;
    Json json = {{"to", node_name(view, route.target)},
                 {"direction", push ? "push" : "pull"},
                 {"candidates", std::move(candidates)}};
    if (!view.overrides.empty()) {
      json["hand"] =
          hand_on_route(view.overrides, {view.agents, view.beliefs(), view.tables},
                        push ? table.node : route.target, push ? route.target : table.node);
    }
    routes.push_back(std::move(json));
  }
  Json dropped = Json::array();
  for (const DroppedTarget& target : table.dropped) {
    if (to && target.target != *to) continue;
    dropped.push_back({{"to", node_name(view, target.target)}, {"reason", target.reason}});
  }
  return {{"node", node_name(view, table.node)},
          {"epoch", table.version.epoch},
          {"version", table.version.version},
          {"previous_epoch", table.previous.epoch},
          {"previous_version", table.previous.version},
          {"created_at", time_text(table.created)},
          {"valid_until_soft_at", time_text(table.valid_until_soft)},
          {"valid_until_hard_at", time_text(table.valid_until_hard)},
          {"bytes", published.envelope->body.size()},
          {"restored", published.restored},
          {"loaded", loaded},
          {"loaded_at", loaded_at},
          {"stages",
           {{"probe_sent_at", time_text(table.stages.probe_sent)},
            {"reported_at", time_text(table.stages.reported)},
            {"ingested_at", time_text(table.stages.ingested)},
            {"solved_at", time_text(table.stages.solved)},
            {"published_at", time_text(table.stages.published)},
            {"loaded_at", loaded_at}}},
          {"routes", std::move(routes)},
          {"dropped", std::move(dropped)}};
}

Json sample_json(const CollectorView& view, const ReportRow& row, const LinkSample& sample) {
  const bool answered = sample.answered > 0;
  return {{"report_id", row.row},
          {"reporter", node_name(view, row.node)},
          {"epoch", std::to_string(row.id.epoch)},
          {"sequence", row.id.sequence},
          {"received_unix_ns", row.received.ns},
          {"link", link_text(sample.link, view.agents)},
          {"start_unix_ns", sample.start.ns},
          {"length_ms", ms(sample.length)},
          {"probe_interval_ms", ms(sample.probe_interval)},
          {"flows", sample.flows},
          {"sent", sample.sent},
          {"answered", sample.answered},
          {"late", sample.late},
          {"lost_forward", sample.lost_forward},
          {"lost_backward", sample.lost_backward},
          {"lost_unplaced", sample.lost_unplaced},
          {"duplicate_forward", sample.duplicate_forward},
          {"duplicate_backward", sample.duplicate_backward},
          {"reordered_forward", sample.reordered_forward},
          {"reordered_backward", sample.reordered_backward},
          {"missed_by_us", sample.missed_by_us},
          {"local_send_error", sample.local_send_error},
          {"rtt_ms_min", answered ? Json(ms(sample.rtt_min)) : Json(nullptr)},
          {"rtt_ms_p50", rtt_quantile_ms(sample, 0.5)},
          {"rtt_ms_max", answered ? Json(ms(sample.rtt_max)) : Json(nullptr)},
          {"rtt_ms_mean", answered ? Json(ms(sample.rtt_sum / sample.answered)) : Json(nullptr)},
          {"timestamps", timestamps_text(sample.timestamps)}};
}

std::string_view level_text(EventLevel level) {
  switch (level) {
    case EventLevel::info:
      return "info";
    case EventLevel::warn:
      return "warn";
    case EventLevel::error:
      return "error";
  }
  return "";
}

}  // namespace

Json links_json(const CollectorView& view, std::optional<NodeId> from, std::optional<NodeId> to) {
  Json links = Json::array();
  const std::vector<optimizer::LinkBelief>& beliefs = view.beliefs();
  for (const auto& [node, plan] : view.plans) {
    if (from && node != *from) continue;
    for (const PacedLink& paced : plan.links) {
      const LinkId link = paced.planned.link;
      if (to && link.to.node != *to) continue;
      const auto found =
          std::lower_bound(beliefs.begin(), beliefs.end(), link,
                           [](const optimizer::LinkBelief& belief, const LinkId& wanted) {
                             return belief.link < wanted;
                           });
      const bool believed = found != beliefs.end() && found->link == link;
      const LinkHistory* const history = view.histories.find(link);
      links.push_back(link_json(view, paced, believed ? *found : optimizer::LinkBelief{},
                                history == nullptr ? LinkHistory{} : *history));
    }
  }
  return {{"links", std::move(links)}};
}

Json routes_json(const CollectorView& view,
                 const std::map<NodeId, PublishedTable>& published_tables,
                 std::optional<NodeId> node, std::optional<NodeId> to) {
  Json tables = Json::array();
  for (const auto& [id, published] : published_tables) {
    if (!node || id == *node) tables.push_back(table_json(view, published, to));
  }
  return {{"tables", std::move(tables)}};
}

Json plan_json(const CollectorView& view) {
  ProbeLoad total;
  Json nodes = Json::array();
  for (const auto& [node, plan] : view.plans) {
    const ProbeLoad load = probe_load(plan);
    total.probes_per_second += load.probes_per_second;
    total.kbit_per_second += load.kbit_per_second;
    Json links = Json::array();
    for (const PacedLink& paced : plan.links) {
      links.push_back({{"link", link_text(paced.planned.link, view.agents)},
                       {"to", node_name(view, paced.planned.link.to.node)},
                       {"interval_ms", ms(paced.planned.interval)},
                       {"flows", paced.planned.flows},
                       {"authenticated", paced.planned.mode == ProbeMode::stamp_authenticated},
                       {"secret_epoch", paced.planned.secret_epoch},
                       {"secret_changing", paced.planned.also_mode != ProbeMode::unspecified},
                       {"fast", is_fast(paced.pace)},
                       {"reason", to_string(paced.pace)}});
    }
    const auto agent = view.agents.find(node);
    const PlanFigures figures = agent == view.agents.end() ? PlanFigures{} : agent->second.plan;
    nodes.push_back({{"node", node_name(view, node)},
                     {"version", figures.sent_version},
                     {"sent_at", time_text(figures.sent)},
                     {"acked_version", figures.acked_version},
                     {"sessions", figures.sessions},
                     {"capped", figures.capped},
                     {"capped_reason", figures.reason},
                     {"probes_per_second", load.probes_per_second},
                     {"kbit_per_second", load.kbit_per_second},
                     {"links", std::move(links)}});
  }
  return {{"phase", view.following ? "following_tables" : "first_table"},
          {"probes_per_second", total.probes_per_second},
          {"kbit_per_second", total.kbit_per_second},
          {"nodes", std::move(nodes)}};
}

Json events_json(const EventLog::Page& page) {
  Json events = Json::array();
  for (const Event& event : page.events) {
    events.push_back({{"id", event.id},
                      {"time_at", time_text(event.time)},
                      {"level", level_text(event.level)},
                      {"name", event.name},
                      {"node", event.node},
                      {"link", event.link},
                      {"detail", event.detail}});
  }
  return {{"last_id", page.last_id},
          {"first_kept_id", page.first_kept_id},
          {"events", std::move(events)}};
}

Json samples_json(const CollectorView& view, const std::vector<ReportRow>& rows,
                  std::uint64_t after, bool more, const std::string& link) {
  Json samples = Json::array();
  Json reports = Json::array();
  std::uint64_t last = after;
  for (const ReportRow& row : rows) {
    last = row.row;
    reports.push_back({{"report_id", row.row},
                       {"reporter", node_name(view, row.node)},
                       {"epoch", std::to_string(row.id.epoch)},
                       {"sequence", row.id.sequence}});
    const Result<AgentMessage> message = schemas::decode_agent_message(row.bytes());
    if (!message || !std::holds_alternative<Report>(*message)) continue;
    for (const LinkSample& sample : std::get<Report>(*message).links) {
      // Stored as it came; what could not be true is left out here as it was from the estimates.
      if (judge_sample(sample, row.node, row.received).fate == SampleFate::refuse) continue;
      if (!link.empty() && link_text(sample.link, view.agents) != link) continue;
      samples.push_back(sample_json(view, row, sample));
    }
  }
  return {{"last_id", last},
          {"more", more},
          {"reports", std::move(reports)},
          {"samples", std::move(samples)}};
}

Json probe_json(const CollectorView& view, const LinkSample& sample, Duration elapsed) {
  const bool answered = sample.answered > 0;
  const auto one_way = [](const OneWayDelay& delay) {
    return delay.count > 0 ? Json(ms(delay.min)) : Json(nullptr);
  };
  const std::uint64_t lost =
      std::uint64_t{sample.lost_forward} + sample.lost_backward + sample.lost_unplaced;
  return {{"from", node_name(view, sample.link.from.node)},
          {"to", node_name(view, sample.link.to.node)},
          {"link", link_text(sample.link, view.agents)},
          {"sent", sample.sent},
          {"answered", sample.answered},
          {"late", sample.late},
          {"lost_forward", sample.lost_forward},
          {"lost_backward", sample.lost_backward},
          {"lost_unplaced", sample.lost_unplaced},
          {"duplicate", sample.duplicate_forward + sample.duplicate_backward},
          {"reordered", sample.reordered_forward + sample.reordered_backward},
          {"missed_by_us", sample.missed_by_us},
          {"rtt_ms_min", answered ? Json(ms(sample.rtt_min)) : Json(nullptr)},
          {"rtt_ms_p50", rtt_quantile_ms(sample, 0.5)},
          {"rtt_ms_p90", rtt_quantile_ms(sample, 0.9)},
          {"rtt_ms_max", answered ? Json(ms(sample.rtt_max)) : Json(nullptr)},
          {"rtt_ms_mean", answered ? Json(ms(sample.rtt_sum / sample.answered)) : Json(nullptr)},
          {"forward_ms_min", one_way(sample.forward_delay)},
          {"backward_ms_min", one_way(sample.backward_delay)},
          {"clock_error_ms",
           sample.forward_delay.count > 0 ? Json(ms(sample.forward_delay.error)) : Json(nullptr)},
          {"loss_ratio",
           sample.sent == 0 ? Json(nullptr) : Json(static_cast<double>(lost) / sample.sent)},
          {"timestamps", timestamps_text(sample.timestamps)},
          {"elapsed_ms", ms(elapsed)}};
}

}  // namespace linkpilot::collector
