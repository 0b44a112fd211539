// From estimates to tables in the agents' hands.
#include <fmt/format.h>

#include <algorithm>
#include <asio/post.hpp>

#include "collector/daemon/collector.h"
#include "collector/ingest/link_text.h"
#include "collector/ingest/node_watch.h"
#include "schemas/codec.h"

namespace linkpilot::collector {

namespace {

// How long the first solve of a run waits for agents that have not come back yet, so that a
// restarted collector does not publish tables that lack half of the fleet.
constexpr Duration kAllBackPatience = std::chrono::seconds(5);
constexpr Duration kStartPatience = std::chrono::seconds(15);
// A link that just became fast has not had the time to be found dead: its peer is no witness yet.
constexpr Duration kPaceSettled = std::chrono::seconds(2);
// A copy of the estimates made for readers serves them for this many times what it cost.
constexpr int kCopyRest = 20;
constexpr Duration kTellRefusalAgain = std::chrono::seconds(60);
constexpr std::size_t kAwaitedMax = 64;
// One cause raises a burst of alarms (a dying node: two of each of its links, as each peer's delay
// lets them out). The first moves routes at once; after it has, the next are gathered for this
// long.
constexpr Duration kAlarmSpacing = std::chrono::milliseconds(40);
// A tick's solve is followed by this many times its own length without one, so that looking at
// all links of a large fleet takes a tenth of a core, but for no longer than this. Alarms and
// orders do not wait.
constexpr int kTickRest = 9;
constexpr Duration kTickRestMax = std::chrono::seconds(5);

bool names_node(LinkId link, NodeId node) { return link.from.node == node || link.to.node == node; }

}  // namespace

// What the planner is told: a dead node's links are dead, whatever was last measured of them.
std::vector<optimizer::LinkBelief> Collector::beliefs(Now now) const {
  return fleet_beliefs(estimates_, standings(), now.mono);
}

std::vector<optimizer::LinkBelief> Collector::fleet_beliefs(
    const optimizer::FleetEstimates& estimates, const Standings& standings, MonoTime now) {
  std::vector<optimizer::LinkBelief> out = estimates.beliefs(now);
  const auto standing = [&](NodeId node) {
    return node.value < standings.size() ? standings[node.value] : Standing::stranger;
  };
  std::erase_if(out, [&](const optimizer::LinkBelief& belief) {
    return standing(belief.link.from.node) == Standing::stranger ||
           standing(belief.link.to.node) == Standing::stranger;
  });
  for (optimizer::LinkBelief& belief : out) {
    if (standing(belief.link.from.node) == Standing::dead ||
        standing(belief.link.to.node) == Standing::dead) {
      belief.state = LinkState::dead;
    }
  }
  return out;
}

Collector::Standings Collector::standings() const {
  Standings out;
  for (const auto& [id, agent] : agents_) {
    if (!agent.enrolled || !agent.profile) continue;
    if (out.size() <= id.value) out.resize(std::size_t{id.value} + 1, Standing::stranger);
    out[id.value] = agent.dead ? Standing::dead : Standing::member;
  }
  return out;
}

// A copy of the estimates, from which other threads make their beliefs: copying is a tenth of the
// work. A few copies at most are alive: in use, waiting, being made.
std::shared_ptr<const optimizer::FleetEstimates> Collector::new_estimates_copy(Now now) {
  newest_copy_.reset();
  auto free = std::find_if(copies_.begin(), copies_.end(),
                           [](const auto& copy) { return copy.use_count() <= 1; });
  if (free == copies_.end()) free = copies_.begin();
  if (*free == nullptr || free->use_count() > 1) {
    *free = std::make_shared<optimizer::FleetEstimates>(estimates_);
  } else {
    **free = estimates_;
  }
  newest_copy_ = *free;
  const MonoTime end = clock_.now().mono;
  copy_again_at_ = end + kCopyRest * (end - now.mono);
  return newest_copy_;
}

// For readers: the newest copy will do while making another would cost much.
std::shared_ptr<const optimizer::FleetEstimates> Collector::estimates_copy(Now now) {
  return newest_copy_ != nullptr && now.mono < copy_again_at_ ? newest_copy_
                                                              : new_estimates_copy(now);
}

SolveJob Collector::solve_job(Now now) {
  SolveJob job;
  job.view = network_view(now);
  job.make_links = [copy = new_estimates_copy(now), standings = standings(), now] {
    return fleet_beliefs(*copy, standings, now.mono);
  };
  job.policy = policy_;
  job.now = now;
  return job;
}

optimizer::NetworkView Collector::network_view(Now now) const {
  optimizer::NetworkView view;
  view.stages = ingest_->newest_stages();
  for (const auto& [id, agent] : agents_) {
    if (!agent.profile) continue;
    // A node that left stays known for a while, so that every table says why it is missing.
    if (!agent.enrolled && now.wall - agent.left_at > config_.routing.hard_expiry) continue;
    optimizer::NodeView node;
    node.node = *agent.profile;
    node.reporting = agent.enrolled && agent.heard();
    node.drained = hand_.drained(agent.name);
    node.held = hand_.held(agent.profile->region);
    view.nodes.push_back(std::move(node));
    if (agent.enrolled) ++view.agents_enrolled;
  }
  add_pins(view);
  add_earlier_paths(view);
  return view;
}

bool Collector::may_solve(Now now) {
  if (solving_) return true;
  std::size_t known = 0;
  std::size_t heard = 0;
  for (const auto& [id, agent] : agents_) {
    if (!agent.enrolled) continue;
    // Enrolled long before its agent is set up: nobody to wait for.
    if (agent.profile) ++known;
    if (agent.profile && agent.heard()) ++heard;
  }
  if (heard < 2) return false;
  const Duration up = now.mono - started_mono_;
  const bool all_back = heard == known;
  bool all_measured = true;
  for (const auto& [node, plan] : plans_.plans()) {
    if (!agents_.at(node).heard()) continue;
    for (const PacedLink& link : plan.links) {
      if (!agents_.at(link.planned.link.to.node).heard()) continue;
      if (!estimates_.known(link.planned.link, now.mono)) all_measured = false;
    }
  }
  solving_ = up > kStartPatience || (all_measured && (all_back || up > kAllBackPatience));
  return solving_;
}

void Collector::solve_tick() {
  const Now now = clock_.now();
  if (hand_.frozen() != nullptr || !may_solve(now)) {
    if (hand_.frozen() == nullptr) return;
    changed_links_.clear();
    renew_tables(now);
    return;
  }
  SolveJob job = solve_job(now);
  job.all_tables = tables_differ_;
  changed_links_.clear();  // a tick looks at every link
  solver_->submit(std::move(job));
}

void Collector::rest_from_ticks(Duration took) {
  next_tick_solve_ = clock_.now().mono + std::min<Duration>(kTickRest * took, kTickRestMax);
}

void Collector::solve_alarm() {
  alarm_scheduled_ = false;
  const Now now = clock_.now();
  if (hand_.frozen() != nullptr || !solving_ || changed_links_.empty()) return;
  SolveJob job = solve_job(now);
  job.request.mode = optimizer::PlanMode::alarm;
  job.request.changed = std::exchange(changed_links_, {});
  solver_->submit(std::move(job));
}

// Alarms of one turn of the loop are solved together.
void Collector::note_link_state(LinkId link) {
  changed_links_.push_back(link);
  const Now now = clock_.now();
  const LinkState state = estimates_.state(link);
  finder_.note_state(link, state, now);
  if (state == LinkState::alive) {
    troubled_.erase(link);
    plans_.warm_link(link, now.mono);
    plans_dirty_ = true;
  } else {
    troubled_.insert(link);
  }
  schedule_alarm(now);
}

void Collector::schedule_alarm(Now now) {
  if (std::exchange(alarm_scheduled_, true)) return;
  const Duration wait = alarm_moved_ + kAlarmSpacing - now.mono;
  if (alarm_moved_.ns == 0 || wait <= Duration::zero()) {
    asio::post(loop_, [this] { solve_alarm(); });
    return;
  }
  alarm_.expires_after(wait);
  alarm_.async_wait([this](const asio::error_code& error) {
    if (!error) solve_alarm();
  });
}

void Collector::watch_nodes(Now now) {
  const bool any_dead = std::any_of(agents_.begin(), agents_.end(),
                                    [](const auto& agent) { return agent.second.dead; });
  if (troubled_.empty() && !any_dead) return;
  // A verdict needs the states of links towards nodes that something is said against.
  std::set<NodeId> doubted;
  for (const LinkId link : troubled_) doubted.insert(link.to.node);
  for (const auto& [id, agent] : agents_) {
    if (agent.dead) doubted.insert(id);
  }
  std::vector<optimizer::LinkBelief> measured;
  estimates_.visit_states([&](LinkId link, LinkState state) {
    if (!doubted.contains(link.to.node)) return;
    optimizer::LinkBelief& belief = measured.emplace_back();
    belief.link = link;
    belief.state = state;
  });
  const std::vector<NodeVerdict> verdicts = judge_nodes(
      agents_, measured,
      [this, now](LinkId link) { return plans_.fast_for(link, now.mono) >= kPaceSettled; }, now);
  bool changed = false;
  for (const NodeVerdict& verdict : verdicts) {
    if (verdict.dead && ingest_->waits_for(verdict.node, now)) continue;
    changed = true;
    AgentRecord& agent = agents_.at(verdict.node);
    agent.dead = verdict.dead;
    agent.dead_reason = verdict.reason;
    agent.dead_since = verdict.dead ? now.wall : UnixNanos{};
    tell(verdict.dead ? EventLevel::warn : EventLevel::info,
         verdict.dead ? "node_dead" : "node_alive", agent.name,
         verdict.dead ? verdict.reason : "it is heard and reached again");
    estimates_.visit_states([&](LinkId link, LinkState) {
      if (names_node(link, verdict.node)) changed_links_.push_back(link);
    });
    if (!verdict.dead) {
      plans_.warm_node(verdict.node, now.mono);
      plans_dirty_ = true;
    }
  }
  if (!changed || hand_.frozen() != nullptr) return;
  reasons_changed_ = true;
  schedule_alarm(now);
}

void Collector::on_outcome(SolveOutcome outcome) {
  const Now now = clock_.now();
  const bool alarm = outcome.mode == optimizer::PlanMode::alarm;
  ++solve_.runs;
  if (alarm) ++solve_.alarm_runs;
  solve_.last = now.wall;
  solve_.last_took = outcome.took;
  solve_.last_trigger = alarm ? "alarm" : "tick";
  solve_.took.add(outcome.took);
  if (hand_.frozen() != nullptr) return;  // begun before the operator froze routes
  if (!alarm) {
    rest_from_ticks(outcome.took);
    look_at(outcome.links, now);
  }
  if (!outcome.guard.publish) {
    ++solve_.refused;
    if (solve_.last_refusal != outcome.guard.reason ||
        now.mono - refusal_told_ > kTellRefusalAgain) {
      refusal_told_ = now.mono;
      tell(EventLevel::warn, "solve_refused", "", outcome.guard.reason);
    }
    solve_.last_refusal = outcome.guard.reason;
    return;
  }
  decided_ = true;
  solve_.last_refusal.clear();
  solve_.moves += outcome.moves.size();
  if (outcome.all_tables) tables_differ_ = false;
  moves_.add(outcome.moves, now.wall);
  if (std::exchange(reasons_changed_, false)) add_changed_reasons(outcome.tables);
  if (alarm && !outcome.tables.empty()) alarm_moved_ = now.mono;
  publish_tables(std::move(outcome.tables), outcome);
  if (alarm) return;

  for (const optimizer::Suppression& held : outcome.suppressed) {
    if (held.reason != optimizer::SuppressionReason::unconfirmed &&
        held.reason != optimizer::SuppressionReason::dwelling) {
      continue;
    }
    NodeId near = held.from;
    for (const NodeId relay : held.better) {
      plans_.warm_pair(near, relay, now.mono);
      near = relay;
    }
    plans_.warm_pair(near, held.to, now.mono);
  }
  renew_tables(now);
}

void Collector::look_at(const std::vector<optimizer::LinkBelief>& links, Now now) {
  trails_.look(links, ingest_->histories(), now);
  for (const DampingChange& change : damped_links_.look(links)) {
    events_->add({0, now.wall, change.damped ? EventLevel::warn : EventLevel::info,
                  change.damped ? "link_damped" : "link_trusted", "",
                  link_text(change.link, agents_),
                  change.damped ? fmt::format("it died too often of late: routes avoid it for "
                                              "another {}, longer if it dies again",
                                              format_duration(change.left))
                                : "it has lived long enough: routes may use it again"});
  }
  for (const optimizer::LinkBelief& belief : links) {
    if (!belief.loss_outdated || belief.state != LinkState::alive) continue;
    // One probe a second would take minutes to show that a link has healed.
    plans_.warm_link(belief.link, now.mono);
    plans_dirty_ = true;
  }
}

void Collector::renew_tables(Now now) {
  Result<std::vector<PublishedTable>> renewed =
      publisher_.refresh(now.wall, hand_.frozen() != nullptr);
  if (renewed) {
    send_tables(*renewed);
  } else {
    tell(EventLevel::error, "publish_failed", "", renewed.error().message);
  }
}

void Collector::explain_dropped(RouteTable& table) const {
  for (DroppedTarget& dropped : table.dropped) {
    const auto found = agents_.find(dropped.target);
    if (found == agents_.end()) continue;
    const AgentRecord& agent = found->second;
    if (!agent.enrolled) {
      dropped.reason = "not enrolled any more";
    } else if (agent.dead) {
      dropped.reason = agent.dead_reason;
    } else if (!agent.heard() && agent.last_heard_at.ns > 0) {
      dropped.reason = fmt::format("node silent since {}", format_utc(agent.last_heard_at));
    }
  }
}

// Tables that left a node out before it was known why say so now, in the same version as those that
// change for other reasons.
void Collector::add_changed_reasons(std::vector<RouteTable>& tables) const {
  const auto is_there = [&](NodeId node) {
    return std::any_of(tables.begin(), tables.end(),
                       [node](const RouteTable& table) { return table.node == node; });
  };
  for (const auto& [node, published] : publisher_.tables()) {
    if (is_there(node)) continue;
    RouteTable table = *published.table;
    explain_dropped(table);
    if (table.dropped != published.table->dropped) tables.push_back(std::move(table));
  }
}

void Collector::publish_tables(std::vector<RouteTable> tables, const SolveOutcome& outcome) {
  if (tables.empty()) return;
  const Now now = clock_.now();
  std::erase_if(tables, [this](const RouteTable& table) {
    const auto found = agents_.find(table.node);
    return found == agents_.end() || !found->second.enrolled;
  });
  for (RouteTable& table : tables) {
    explain_dropped(table);
    if (table.stages.solved.ns == 0) table.stages.solved = now.wall;
  }
  Result<std::vector<PublishedTable>> published = publisher_.publish(std::move(tables), now.wall);
  if (!published) {
    tell(EventLevel::error, "publish_failed", "", published.error().message);
    return;
  }
  send_tables(*published);
  if (published->empty()) return;
  std::string moves;
  constexpr std::size_t kMovesTold = 3;
  for (std::size_t i = 0; i < std::min(outcome.moves.size(), kMovesTold); ++i) {
    const optimizer::RouteMove& move = outcome.moves[i];
    const auto name = [this](NodeId node) {
      const auto found = agents_.find(node);
      return found == agents_.end() ? fmt::format("#{}", node.value) : found->second.name;
    };
    moves += fmt::format("; {} to {}: {}", name(move.from), name(move.to), to_string(move.reason));
  }
  if (outcome.moves.size() > kMovesTold) moves += "; ...";
  tell(EventLevel::info, "table_published", "",
       fmt::format("version {} for {} nodes, {} routes moved{}", publisher_.newest_version(),
                   published->size(), outcome.moves.size(), moves));
  plans_dirty_ = true;
}

void Collector::send_tables(const std::vector<PublishedTable>& published) {
  for (const PublishedTable& each : published) {
    store_->put_table(*each.envelope, each.table->created);
    const auto agent = agents_.find(each.table->node);
    if (agent != agents_.end()) send_table(agent->second);
  }
  if (published.empty()) return;
  if (awaited_.size() >= kAwaitedMax) awaited_.erase(awaited_.begin());
  awaited_.insert(published.front().table->version);
}

void Collector::send_table(const AgentRecord& agent) {
  const PublishedTable* published = publisher_.current(agent.id);
  if (published == nullptr || !agent.connection) return;
  entrances_->send(agent.connection->connection,
                   schemas::encode(CollectorMessage(*published->envelope)));
}

// Says once for each version that everybody it was for, and can be heard, has it.
void Collector::note_loaded(const AgentRecord& last) {
  std::erase_if(awaited_, [&](const TableVersion& version) {
    std::size_t nodes = 0;
    UnixNanos published_at;
    for (const auto& [node, published] : publisher_.tables()) {
      if (published.table->version != version) continue;
      const auto agent = agents_.find(node);
      if (agent == agents_.end() || !agent->second.heard()) continue;
      if (agent->second.table.loaded < version) return false;
      published_at = published.table->created;
      ++nodes;
    }
    if (nodes == 0) return true;  // overtaken by newer versions
    events_->add(
        {0, clock_.now().wall, EventLevel::info, "table_loaded", last.name, "",
         fmt::format("version {} is in use on {} nodes, the last after {}", version.version, nodes,
                     format_duration(last.table.loaded_at - published_at))});
    return true;
  });
}

}  // namespace linkpilot::collector
