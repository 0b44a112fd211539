#include "collector/api/api.h"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <chrono>
#include <nlohmann/json.hpp>

#include "collector/api/json_views.h"
#include "collector/api/metrics.h"
#include "collector/api/probe_order.h"
#include "collector/evidence/evidence_shelf.h"
#include "collector/ingest/link_text.h"
#include "schemas/route_file_codec.h"

namespace linkpilot::collector {

namespace {

constexpr std::size_t kEventsDefault = 100;
constexpr std::size_t kEventsMax = 1'000;
constexpr std::size_t kSampleReportsDefault = 200;
constexpr std::size_t kSampleReportsMax = 2'000;
constexpr Duration kProbePatience = std::chrono::seconds(5);

ApiResponse respond(const Json& json, int status = 200) {
  // Names come from many places; a reader of JSON gets valid UTF-8 whatever they hold.
  return {status, "application/json",
          json.dump(-1, ' ', false, Json::error_handler_t::replace) + "\n"};
}

struct Refusal {
  int status = 400;
  std::string code = "invalid_argument";
  std::string error;
  std::vector<std::string> near;
  std::string hint;
};

ApiResponse respond(const Refusal& refusal) {
  Json json = {{"error", refusal.error}, {"code", refusal.code}};
  if (!refusal.near.empty()) json["near"] = refusal.near;
  if (!refusal.hint.empty()) json["hint"] = refusal.hint;
  return respond(json, refusal.status);
}

ApiResponse respond(const Error& error) {
  switch (error.code) {
    case ErrorCode::timeout:
      return respond(Refusal{408, "timeout", error.message, {}, ""});
    case ErrorCode::unavailable:
      return respond(
          Refusal{409, "unavailable", error.message, {}, "GET /v1/agents tells the agent's state"});
    case ErrorCode::limit_exceeded:
      return respond(Refusal{429, "limit_exceeded", error.message, {}, ""});
    case ErrorCode::not_found:
      return respond(Refusal{404, "not_found", error.message, {}, ""});
    case ErrorCode::invalid_argument:
      return respond(Refusal{400, "invalid_argument", error.message, {}, ""});
    case ErrorCode::corrupt:
    case ErrorCode::permission:
    case ErrorCode::internal:
      break;
  }
  return respond(Refusal{503, "unavailable", error.message, {}, ""});
}

// How long the comparison takes tells nothing of where the texts differ.
bool equal_in_constant_time(std::string_view a, std::string_view b) {
  unsigned difference = a.size() == b.size() ? 0u : 1u;
  for (std::size_t i = 0; i < a.size(); ++i) {
    const char other = b.empty() ? '\0' : b[i % b.size()];
    difference |=
        static_cast<unsigned>(static_cast<unsigned char>(a[i]) ^ static_cast<unsigned char>(other));
  }
  return difference == 0;
}

std::optional<NodeId> find_node(const CollectorView& view, const std::string& name) {
  for (const auto& [id, agent] : view.agents) {
    if (agent.name == name) return id;
  }
  return std::nullopt;
}

Refusal unknown_node(const CollectorView& view, const std::string& name) {
  std::vector<std::string> names;
  for (const auto& [id, agent] : view.agents) {
    if (agent.enrolled) names.push_back(agent.name);
  }
  return {404, "not_found", fmt::format("no node \"{}\"", name.substr(0, kNodeNameLengthMax)),
          near_names(name, names), "GET /v1/agents lists the nodes"};
}

// The parameters of one request, read with the first mistake remembered.
class Query {
 public:
  Query(const ApiRequest& request, const CollectorView& view) : request_(request), view_(view) {}

  std::optional<NodeId> node(const std::string& key) {
    const auto found = request_.query.find(key);
    if (found == request_.query.end()) return std::nullopt;
    const std::optional<NodeId> node = find_node(view_, found->second);
    if (!node && !refusal_) refusal_ = unknown_node(view_, found->second);
    return node;
  }

  std::uint64_t number(const std::string& key, std::uint64_t fallback, std::uint64_t max) {
    const auto found = request_.query.find(key);
    if (found == request_.query.end()) return fallback;
    const std::string& text = found->second;
    std::uint64_t value = 0;
    const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
    if (error != std::errc() || end != text.data() + text.size()) {
      if (!refusal_) {
        refusal_ =
            Refusal{400, "invalid_argument", fmt::format("{} must be a whole number", key), {}, ""};
      }
      return fallback;
    }
    return std::min(value, max);
  }

  std::string text(const std::string& key) {
    const auto found = request_.query.find(key);
    return found == request_.query.end() ? "" : found->second;
  }
  [[nodiscard]] bool has(const std::string& key) const { return request_.query.contains(key); }
  [[nodiscard]] const std::optional<Refusal>& refusal() const { return refusal_; }

 private:
  const ApiRequest& request_;
  const CollectorView& view_;
  std::optional<Refusal> refusal_;
};

ApiResponse answer_events(Query& query, const EventLog& events) {
  const auto limit = static_cast<std::size_t>(query.number("limit", kEventsDefault, kEventsMax));
  if (!query.has("after")) return respond(events_json(events.newest(limit)));
  const std::uint64_t after = query.number("after", 0, ~std::uint64_t{0});
  if (query.refusal()) return respond(*query.refusal());
  return respond(events_json(events.after(after, limit)));
}

ApiResponse answer_audit(Query& query, const CollectorView& view) {
  const auto limit = static_cast<std::size_t>(query.number("limit", kEventsDefault, kEventsMax));
  std::optional<std::uint64_t> after;
  if (query.has("after")) after = query.number("after", 0, ~std::uint64_t{0});
  if (query.refusal()) return respond(*query.refusal());
  return respond(audit_json(view, after, limit));
}

ApiResponse answer_faults(Query& query, const CollectorView& view) {
  const std::string state = query.text("state");
  if (!state.empty() && state != "open" && state != "resolved") {
    return respond(Refusal{
        400, "invalid_argument", "state must be open or resolved", {"open", "resolved"}, ""});
  }
  const std::string id = query.text("id");
  Json faults = faults_json(view, state, id);
  if (!id.empty() && faults["faults"].empty()) {
    return respond(Refusal{404,
                           "not_found",
                           fmt::format("no fault \"{}\"", id.substr(0, kNodeNameLengthMax)),
                           {},
                           "GET /v1/faults lists them"});
  }
  return respond(faults);
}

// The record that was kept when the fault was told; collector/evidence/evidence_record.h.
ApiResponse answer_evidence(Query& query, const CollectorView& view,
                            const std::string& store_path) {
  const std::string id = query.text("id");
  const auto found = std::find_if(view.faults.begin(), view.faults.end(), [&](const Fault& fault) {
    return !id.empty() && fault.id.starts_with(id);
  });
  const std::string whole = found == view.faults.end() ? id : found->id;
  const Result<std::string> text = read_evidence_file(evidence_directory(store_path), whole);
  if (text) return {200, "application/json", *text};
  return respond(Refusal{
      404,
      "not_found",
      fmt::format("no evidence of a fault \"{}\" is kept", id.substr(0, kNodeNameLengthMax)),
      {},
      "GET /v1/faults lists them; the newest 200 are kept"});
}

ApiResponse answer_samples(Query& query, const CollectorView& view, const std::string& store_path) {
  const std::uint64_t after = query.number("after", 0, std::uint64_t{1} << 62);
  const auto limit = static_cast<std::size_t>(
      std::max<std::uint64_t>(1, query.number("limit", kSampleReportsDefault, kSampleReportsMax)));
  if (query.refusal()) return respond(*query.refusal());
  Result<std::vector<ReportRow>> rows = read_reports(store_path, after, limit);
  if (!rows) return respond(rows.error());
  return respond(samples_json(view, *rows, after, rows->size() == limit, query.text("link")));
}

// What was in force, or, with `version` (and `epoch`, default the present one), what was then.
ApiResponse answer_routes(Query& query, const CollectorView& view, const std::string& store_path,
                          std::optional<NodeId> node, std::optional<NodeId> to) {
  if (!query.has("version")) return respond(routes_json(view, view.tables, node, to));
  const TableVersion at{query.number("epoch", view.epoch, std::uint64_t{1} << 62),
                        query.number("version", 0, std::uint64_t{1} << 62)};
  if (query.refusal()) return respond(*query.refusal());
  Result<std::vector<SignedTable>> kept = read_tables(store_path, at);
  if (!kept) return respond(kept.error());
  if (kept->empty()) {
    return respond(
        Refusal{404,
                "not_found",
                fmt::format("no table of version {}.{} or before it is kept", at.epoch, at.version),
                {},
                "GET /v1/status names the newest version"});
  }
  std::map<NodeId, PublishedTable> tables;
  for (SignedTable& table : *kept) {
    Result<RouteTable> decoded = schemas::decode_route_file(table.body);
    if (!decoded) return respond(decoded.error());
    const NodeId owner = table.node;
    tables[owner] = {std::make_shared<const RouteTable>(*std::move(decoded)),
                     std::make_shared<const SignedTable>(std::move(table)), true};
  }
  return respond(routes_json(view, tables, node, to));
}

// What was refused says itself what to do next; the hint of a missing connection would mislead.
Refusal order_refusal(const Error& error) {
  switch (error.code) {
    case ErrorCode::unavailable:
      return {409, "refused", error.message, {}, ""};
    case ErrorCode::not_found:
      return {404, "not_found", error.message, {}, ""};
    case ErrorCode::invalid_argument:
      return {400, "invalid_argument", error.message, {}, ""};
    case ErrorCode::limit_exceeded:
      return {429, "limit_exceeded", error.message, {}, ""};
    case ErrorCode::timeout:
      return {408, "timeout", error.message, {}, ""};
    default:
      return {503, "unavailable", error.message, {}, ""};
  }
}

std::optional<LinkId> planned_link(const CollectorView& view, NodeId from, NodeId to,
                                   const ProbeOrder& order) {
  const auto plan = view.plans.find(from);
  if (plan == view.plans.end()) return std::nullopt;
  for (const PacedLink& paced : plan->second.links) {
    const LinkId link = paced.planned.link;
    if (link.to.node != to) continue;
    if (order.from_port && *order.from_port != link.from.port.value) continue;
    if (order.to_port && *order.to_port != link.to.port.value) continue;
    return link;
  }
  return std::nullopt;
}

}  // namespace

Api::Api(ApiOptions options, ViewSource view, const EventLog& events, ProbeDesk& probes,
         CarryOut carry_out)
    : options_(std::move(options)),
      view_(std::move(view)),
      events_(events),
      probes_(probes),
      carry_out_(std::move(carry_out)) {}

ApiResponse Api::answer(const ApiRequest& request) {
  ApiResponse response = dispatch(request);
  ++(response.status < 400 ? succeeded_ : response.status < 500 ? refused_ : failed_);
  return response;
}

ApiResponse Api::dispatch(const ApiRequest& request) {
  const std::shared_ptr<const CollectorView> view = view_();
  if (view == nullptr) {
    return respond(
        Refusal{503, "unavailable", "the collector is starting", {}, "try again in a moment"});
  }
  if (request.method == ApiRequest::Method::post) {
    if (request.path == "/v1/probe") return answer_probe(request, *view);
    if (request.path == "/v1/mail/test") return answer_mail_test(request);
    if (request.path == "/v1/hand") return answer_order(request);
    return respond(Refusal{404,
                           "not_found",
                           "nothing takes POST at " + request.path.substr(0, 100),
                           {},
                           "POST /v1/probe, /v1/hand, /v1/mail/test"});
  }
  Query query(request, *view);
  const std::optional<NodeId> node = query.node("node");
  const std::optional<NodeId> from = query.node("from");
  const std::optional<NodeId> to = query.node("to");
  if (query.refusal()) return respond(*query.refusal());

  if (request.path == "/healthz") {
    return respond(health_json(*view), own_complaints(*view).empty() ? 200 : 503);
  }
  if (request.path == "/metrics") {
    return {200, "text/plain; version=0.0.4; charset=utf-8",
            metrics_page(*view, {succeeded_, refused_, failed_})};
  }
  if (request.path == "/v1/status") return respond(status_json(*view));
  if (request.path == "/v1/agents") return respond(agents_json(*view, node));
  if (request.path == "/v1/links") return respond(links_json(*view, from, to));
  if (request.path == "/v1/routes") {
    return answer_routes(query, *view, options_.store_path, node, to);
  }
  if (request.path == "/v1/plan") return respond(plan_json(*view));
  if (request.path == "/v1/hand") return respond(hand_json(*view));
  if (request.path == "/v1/audit") return answer_audit(query, *view);
  if (request.path == "/v1/refused") return respond(refused_json(*view));
  if (request.path == "/v1/faults") return answer_faults(query, *view);
  if (request.path == "/v1/faults/evidence") {
    return answer_evidence(query, *view, options_.store_path);
  }
  if (request.path == "/v1/events") return answer_events(query, events_);
  if (request.path == "/v1/samples") return answer_samples(query, *view, options_.store_path);
  return respond(Refusal{404,
                         "not_found",
                         "nothing at " + request.path.substr(0, 100),
                         {},
                         "/healthz /metrics /v1/status /v1/agents /v1/links /v1/samples /v1/routes "
                         "/v1/faults /v1/faults/evidence /v1/events /v1/plan /v1/hand /v1/audit "
                         "/v1/refused, POST /v1/probe "
                         "/v1/hand /v1/mail/test"});
}

std::optional<ApiResponse> Api::refuse_token(const ApiRequest& request) const {
  if (options_.token.empty()) {
    return respond(Refusal{403,
                           "permission",
                           "this collector has no token, so nothing may be changed",
                           {},
                           "set [api] token_file in collector.toml"});
  }
  constexpr std::string_view kScheme = "Bearer ";
  if (!request.authorization.starts_with(kScheme)) {
    return respond(
        Refusal{401, "unauthorized", "a token is needed", {}, "send Authorization: Bearer TOKEN"});
  }
  if (!equal_in_constant_time(std::string_view(request.authorization).substr(kScheme.size()),
                              options_.token)) {
    return respond(
        Refusal{403, "permission", "the token is wrong", {}, "it is the text of [api] token_file"});
  }
  return std::nullopt;
}

ApiResponse Api::answer_order(const ApiRequest& request) const {
  if (std::optional<ApiResponse> refused = refuse_token(request)) return *std::move(refused);
  const Result<Order> order = parse_order(request.body);
  if (!order) return respond(order.error());
  const Result<OrderDone> done = carry_out_(*order);
  if (!done) return respond(order_refusal(done.error()));
  return respond(done_json(*done));
}

// {"to": "ops@example.net"}, or {} for those who get the mail anyway.
ApiResponse Api::answer_mail_test(const ApiRequest& request) const {
  if (std::optional<ApiResponse> refused = refuse_token(request)) return *std::move(refused);
  const Json json = Json::parse(request.body.empty() ? "{}" : request.body, nullptr, false);
  if (!json.is_object()) {
    return respond(Error{ErrorCode::invalid_argument, "the body must be a JSON object"});
  }
  std::optional<Mailbox> to;
  for (const auto& [key, value] : json.items()) {
    if (key != "to" || !value.is_string()) {
      return respond(Error{ErrorCode::invalid_argument,
                           "the body may hold \"to\", an address as text, and nothing else"});
    }
    Result<Mailbox> mailbox = parse_mailbox(value.get<std::string>());
    if (!mailbox) return respond(mailbox.error());
    to = *std::move(mailbox);
  }
  const Result<MailTest> test = options_.mail_test(to);
  if (!test) return respond(test.error());
  return respond(mail_test_json(*test));
}

ApiResponse Api::answer_probe(const ApiRequest& request, const CollectorView& view) {
  if (std::optional<ApiResponse> refused = refuse_token(request)) return *std::move(refused);
  const Result<ProbeOrder> order = parse_probe_order(request.body);
  if (!order) return respond(order.error());
  const std::optional<NodeId> from = find_node(view, order->from);
  if (!from) return respond(unknown_node(view, order->from));
  const std::optional<NodeId> to = find_node(view, order->to);
  if (!to) return respond(unknown_node(view, order->to));
  const std::optional<LinkId> link = planned_link(view, *from, *to, *order);
  if (!link) {
    return respond(
        Refusal{404,
                "not_found",
                fmt::format("no link from {} to {} is allowed, or one of them was never connected",
                            order->from, order->to),
                {},
                "GET /v1/links lists the links"});
  }
  const Duration interval = std::chrono::milliseconds(order->interval_ms);
  const auto began = std::chrono::steady_clock::now();
  const Result<LinkSample> sample =
      probes_.probe(*link, static_cast<std::uint32_t>(order->count), interval,
                    interval * order->count + kProbePatience);
  if (!sample) return respond(sample.error());
  return respond(probe_json(view, *sample, std::chrono::steady_clock::now() - began));
}

}  // namespace linkpilot::collector
