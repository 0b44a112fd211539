// Who measures what: plans, and probes on demand.
#include <fmt/format.h>

#include "collector/daemon/collector.h"
#include "collector/ingest/link_text.h"
#include "schemas/codec.h"

namespace linkpilot::collector {

namespace {

// Changes that come together leave together.
constexpr Duration kPlanDebounce = std::chrono::milliseconds(200);
// A round of plans for a large fleet takes a second, and each agent that greets wants one: it is
// followed by this many times its own length without one, so that a fleet that comes at once is
// heard out between rounds.
constexpr int kPlanRest = 3;
constexpr Duration kEpochAheadMax = std::chrono::hours(24 * 3'650);

}  // namespace

std::vector<Node> Collector::planned_nodes() const {
  std::vector<Node> nodes;
  for (const auto& [id, agent] : agents_) {
    // Silent and dead nodes stay planned: their peers' probes are how they are seen to return.
    if (agent.enrolled && agent.profile) nodes.push_back(*agent.profile);
  }
  return nodes;
}

void Collector::update_plans(Now now) {
  const Duration renew_after = config_.probing.plan_lifetime / 3;
  std::set<NodeId> due;
  if (plans_.seals().changing()) {
    for (const auto& [id, agent] : agents_) {
      const bool refused = agent.plan.sessions == 0 && !agent.plan.reason.empty();
      if (!refused && plans_.note_ack(id, agent.plan.acked_version)) plans_dirty_ = true;
    }
  }
  const bool round = (plans_dirty_ || now.mono >= plans_.next_change()) &&
                     now.mono - plans_updated_ >= kPlanDebounce && now.mono >= plans_rest_until_;
  if (round) {
    plans_dirty_ = false;
    plans_updated_ = now.mono;
    std::vector<const RouteTable*> tables;
    for (const auto& [node, published] : publisher_.tables()) {
      const auto agent = agents_.find(node);
      if (agent != agents_.end() && agent->second.enrolled) tables.push_back(published.table.get());
    }
    due = plans_.update(planned_nodes(), tables, !tables.empty(), now.mono);
  }
  for (auto& [id, agent] : agents_) {
    if (!agent.connection || !agent.profile || plans_.find(id) == nullptr) continue;
    if (due.contains(id) || now.wall - agent.plan.sent >= renew_after) send_plan(agent, now);
  }
  if (!round) return;
  const MonoTime end = clock_.now().mono;
  plans_rest_until_ = end + kPlanRest * (end - now.mono);
}

void Collector::send_plan(AgentRecord& agent, Now now) {
  if (!agent.connection) return;
  const Plan plan = plans_.issue(agent.id, now);
  agent.plan.sent_version = plan.version;
  agent.plan.sent = now.wall;
  entrances_->send(agent.connection->connection, schemas::encode(CollectorMessage(plan)));
}

// What a node says of itself is kept, so that a restarted collector knows its fleet at once.
void Collector::note_profile(const AgentRecord& agent) {
  const RegistryEntry* entry = registry_.find(agent.id);
  if (entry == nullptr) return;
  Hello hello;
  hello.kind = ClientKind::agent;
  hello.self = *agent.profile;
  std::vector<std::uint8_t> octets = schemas::encode(AgentMessage(hello));
  std::vector<std::uint8_t>& stored = stored_profiles_[agent.id];
  if (stored == octets) return;
  stored = octets;
  store_->put_nodes({{*entry, std::move(octets)}});
}

void Collector::on_hello(AgentRecord& agent, bool returned) {
  const Now now = clock_.now();
  if (agent.profile) {
    note_profile(agent);
    plans_dirty_ = true;
    if (returned) plans_.warm_node(agent.id, now.mono);
    agent.plan.sent = UnixNanos{};
    if (plans_.find(agent.id) == nullptr) {
      // A new node, which its peers must know before it is of use to anybody: no debounce, unless
      // a whole fleet comes at once.
      if (now.mono - hello_planned_ >= kPlanDebounce) plans_updated_ = now.mono - kPlanDebounce;
      hello_planned_ = now.mono;
    }
    update_plans(now);
    if (agent.plan.sent.ns == 0 && plans_.find(agent.id) != nullptr) send_plan(agent, now);
  }
  follow_epoch(agent, now);
  const PublishedTable* published = publisher_.current(agent.id);
  // What is older than the node's own it would refuse: the next solve makes it a new one.
  if (published != nullptr && agent.table.loaded < published->table->version) send_table(agent);
}

// An agent restarts, or is back: its peers' detectors are to know. Who has no link to it ignores
// it.
void Collector::tell_away(const AgentRecord& agent, Duration grace) {
  const std::vector<std::uint8_t> octets =
      schemas::encode(CollectorMessage(PeerAway{agent.id, grace}));
  for (const auto& [id, peer] : agents_) {
    if (id == agent.id || !peer.connection || !peer.profile) continue;
    entrances_->send(peer.connection->connection, octets);
  }
}

// A node runs on a table that is newer than any this collector could publish: it was restored from
// a backup onto a machine whose clock is behind. Epochs are seconds of the wall clock, so what a
// node may claim is bounded by a time no clock will show; nothing is lost by a lie within it.
void Collector::follow_epoch(const AgentRecord& agent, Now now) {
  const TableVersion newest{publisher_.epoch(), publisher_.newest_version()};
  if (agent.table.loaded <= newest) return;
  const auto bound = static_cast<std::uint64_t>((now.wall + kEpochAheadMax).ns / 1'000'000'000);
  if (agent.table.loaded.epoch >= bound) {
    tell(EventLevel::error, "table_epoch_ignored", agent.name,
         fmt::format("it says that it uses a table of epoch {}, which no collector can have made",
                     agent.table.loaded.epoch));
    return;
  }
  publisher_.raise_epoch(agent.table.loaded.epoch + 1);
  tables_differ_ = true;
  tell(EventLevel::warn, "table_epoch_raised", agent.name,
       fmt::format("it uses a table of epoch {}, later than this collector's: all tables are "
                   "published anew in epoch {}. Is the clock of this machine behind?",
                   agent.table.loaded.epoch, publisher_.epoch()));
}

void Collector::dispatch_probes(Now) {
  for (const ProbeRequest& request : probes_.fetch()) {
    const auto agent = agents_.find(request.link.from.node);
    if (agent == agents_.end() || !agent->second.connection) {
      const std::string name = agent == agents_.end() ? "?" : agent->second.name;
      probes_.refuse(request.request, {ErrorCode::unavailable,
                                       fmt::format("the agent of {} is not connected", name)});
      continue;
    }
    if (!entrances_->send(agent->second.connection->connection,
                          schemas::encode(CollectorMessage(request)))) {
      probes_.refuse(request.request,
                     {ErrorCode::unavailable, "the agent's connection is full or gone"});
    }
  }
}

}  // namespace linkpilot::collector
