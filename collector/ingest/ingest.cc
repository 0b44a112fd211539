#include "collector/ingest/ingest.h"

#include <fmt/format.h>

#include <algorithm>
#include <type_traits>

#include "collector/ingest/link_text.h"
#include "collector/ingest/plausibility.h"
#include "collector/ingest/sessions.h"
#include "schemas/codec.h"

namespace linkpilot::collector {

namespace {

// The same trouble of the same agent is told once in this time.
constexpr Duration kTellAgainAfter = std::chrono::seconds(10);
constexpr std::size_t kToldMax = 4 * kFleetNodesMax;
// An agent that lost the word "alive" is corrected by its own samples, this long after the alarm.
constexpr Duration kClaimGrace = std::chrono::seconds(2);
constexpr std::uint32_t kClaimAnswersMin = 10;
// Clocks this close are as good as the same; beyond, an agent's samples are dated by its own clock.
constexpr Duration kClockTrusted = std::chrono::seconds(2);
// How many samples ahead memory is asked for what a fold will touch.
constexpr std::size_t kFoldAhead = 6;
// Of the backlog in one turn of the loop: about two milliseconds of work.
constexpr std::size_t kTurnOctets = std::size_t{256} << 10;
constexpr std::size_t kDurableEpochsMax = 16 * kFleetNodesMax;

}  // namespace

Ingest::Ingest(const Registry& registry, Agents& agents, optimizer::FleetEstimates& estimates,
               Store& store, EventLog& events, IngestHooks hooks)
    : registry_(registry),
      agents_(agents),
      estimates_(estimates),
      store_(store),
      events_(events),
      hooks_(std::move(hooks)) {}

void Ingest::tell(EventLevel level, std::string_view name, const AgentRecord& agent,
                  std::string detail, Now now) {
  const std::string key = fmt::format("{} {}", name, agent.name);
  const auto told = told_.find(key);
  if (told != told_.end() && now.mono - told->second < kTellAgainAfter) return;
  if (told_.size() >= kToldMax) told_.clear();
  told_[key] = now.mono;
  events_.add({0, now.wall, level, std::string(name), agent.name, "", std::move(detail)});
}

void Ingest::refuse(const std::string& connection, std::string reason) {
  hooks_.send(connection, Refused{std::move(reason)});
}

void Ingest::on_message(const PeerId& from, std::span<const std::uint8_t> bytes, Now now) {
  ++counters_.messages;
  const RegistryEntry* entry = registry_.find_key(from.public_key);
  const auto found = entry == nullptr ? agents_.end() : agents_.find(entry->id);
  if (found == agents_.end()) {
    // Enrolled at the handshake, not any more: CURVE does not end live connections, we do.
    ++counters_.not_enrolled;
    refuse(from.connection, "this key is not enrolled");
    if (hooks_.disconnect) hooks_.disconnect(from.transport);
    return;
  }
  AgentRecord& agent = found->second;
  if (schemas::is_report_word(bytes)) {
    if (!admit(agent, from, now)) return;
    heard(agent, now);
    take(agent, {bytes.begin(), bytes.end()}, now);
    return;
  }
  Result<AgentMessage> message = schemas::decode_agent_message(bytes);
  if (!message) {
    ++counters_.undecodable;
    tell(EventLevel::warn, "message_refused", agent, message.error().message, now);
    return;
  }
  if (const Hello* hello = std::get_if<Hello>(&*message)) {
    handle(agent, from, *hello, now);
    return;
  }
  if (!admit(agent, from, now)) return;
  heard(agent, now);
  std::visit(
      [&](auto& body) {
        using Body = std::decay_t<decltype(body)>;
        if constexpr (std::is_same_v<Body, Alarm>) {
          handle(agent, std::move(body), now);
        } else if constexpr (std::is_same_v<Body, TableAck> || std::is_same_v<Body, Ping> ||
                             std::is_same_v<Body, Bye>) {
          handle(agent, body, now);
        } else if constexpr (std::is_same_v<Body, PlanAck>) {
          handle(agent, body);
        } else if constexpr (std::is_same_v<Body, AgentStatus>) {
          const std::uint64_t before =
              agent.status ? agent.status->probes_refused_authentication : 0;
          if (body.probes_refused_authentication > before) agent.probes_refused_at = now.wall;
          agent.status = body;
          agent.status_at = now;
        } else if constexpr (std::is_same_v<Body, ProbeResult>) {
          hooks_.on_probe_result(agent.id, body);
        }
      },
      *message);
}

void Ingest::take(AgentRecord& agent, std::vector<std::uint8_t> bytes, Now now) {
  while (!backlog_.empty() && backlog_octets_ + bytes.size() > kBacklogOctetsMax) work_one();
  backlog_octets_ += bytes.size();
  backlog_.push_back({agent.id, now, std::move(bytes)});
  if (!hooks_.on_backlog) {
    work_one();
  } else if (backlog_.size() == 1) {
    hooks_.on_backlog();
  }
}

bool Ingest::work() {
  const std::size_t until = backlog_octets_ - std::min(backlog_octets_, kTurnOctets);
  do {
    if (backlog_.empty()) return false;
    work_one();
  } while (backlog_octets_ > until);
  return !backlog_.empty();
}

void Ingest::work_one() {
  Arrival arrival = std::move(backlog_.front());
  backlog_.pop_front();
  backlog_octets_ -= arrival.bytes.size();
  const auto found = agents_.find(arrival.node);
  const RegistryEntry* entry = registry_.find(arrival.node);
  if (found == agents_.end() || entry == nullptr || !entry->enrolled) return;
  AgentRecord& agent = found->second;
  if (const Status status = schemas::decode_agent_message_into(arrival.bytes, message_); !status) {
    ++counters_.undecodable;
    tell(EventLevel::warn, "message_refused", agent, status.error().message, arrival.at);
    return;
  }
  if (const Report* report = std::get_if<Report>(&message_)) {
    handle(agent, *report, std::move(arrival.bytes), arrival.at);
  } else if (const ReportsGone* gone = std::get_if<ReportsGone>(&message_)) {
    if (gone->up_to.sequence > 0 && gone->up_to.sequence < UINT64_MAX) {
      dedup_[agent.id].give_up(gone->up_to, agent.reports.spool_dropped, arrival.at.mono);
    }
  }
}

// Only the connection that said Hello last speaks for the node.
bool Ingest::admit(AgentRecord& agent, const PeerId& from, Now now) {
  if (speaks_for(agent, from.connection)) return true;
  ++counters_.before_hello;
  if (is_superseded(agent, from.connection) && now.mono - agent.last_heard < kTakeOverAfter) {
    ++counters_.duplicate_agents;
    refuse(from.connection, "another agent with this key is connected");
    tell(EventLevel::warn, "duplicate_agent", agent,
         "two processes use this key; the one that connected last is heard", now);
  }
  return false;
}

void Ingest::heard(AgentRecord& agent, Now now) {
  agent.last_heard = now.mono;
  agent.last_heard_at = now.wall;
}

void Ingest::handle(AgentRecord& agent, const PeerId& from, const Hello& hello, Now now) {
  if (std::optional<std::string> reason = refuse_hello(hello, agent.name)) {
    tell(EventLevel::warn, "message_refused", agent, "Hello: " + *reason, now);
    refuse(from.connection, *std::move(reason));
    return;
  }
  AgentConnection connection;
  connection.connection = from.connection;
  connection.public_key = from.public_key;
  connection.transport = from.transport;
  connection.address = hooks_.address_of(from.public_key);
  const std::string address = connection.address;
  const Greeting greeting = greet(agent, hello, std::move(connection), now);
  if (greeting.admission == Admission::refused) {
    ++counters_.duplicate_agents;
    refuse(from.connection, "another agent with this key is connected");
    tell(EventLevel::warn, "duplicate_agent", agent,
         fmt::format("an older process at {} uses the same key", address), now);
    return;
  }
  if (!greeting.old_connection.empty())
    refuse(greeting.old_connection, "a newer agent uses this key");
  const bool was_away = absences_.back(agent.id, now.mono);
  const bool returned = !agent.heard() || agent.dead || was_away;
  if (agent.last_run_id != hello.run_id) withdraw_claims(agent, now);
  agent.last_run_id = hello.run_id;

  agent.state = AgentState::connected;
  agent.away_until = MonoTime{};
  heard(agent, now);
  agent.software = hello.software;
  agent.table.loaded = hello.loaded;
  agent.plan.acked_version = 0;
  agent.reports.epoch = hello.report_epoch;
  if (hello.kind == ClientKind::agent) {
    Node profile = hello.self;
    profile.id = agent.id;
    profile.name = agent.name;
    agent.profile = std::move(profile);
  }
  Welcome welcome;
  welcome.id = agent.id;
  welcome.name = agent.name;
  welcome.collector = "linkpilot-collector " LINKPILOT_VERSION;
  welcome.time = now.wall;
  const auto acked = durable_.find({agent.id, hello.report_epoch});
  welcome.acked_sequence = acked == durable_.end() ? 0 : acked->second;
  hooks_.send(from.connection, welcome);
  // Behind the Welcome, ahead of the first report: else the agent calls what it had acknowledged
  // after the backup gone.
  if (asks_again_ && hello.kind == ClientKind::agent) {
    hooks_.send(from.connection, ResendFrom{{hello.report_epoch, welcome.acked_sequence + 1}});
  }
  events_.add({0, now.wall, EventLevel::info, returned ? "agent_connected" : "agent_reconnected",
               agent.name, "", fmt::format("from {}, {}", address, hello.software)});
  hooks_.on_hello(agent, returned);
  if (was_away && hooks_.on_away) hooks_.on_away(agent, Duration{});
}

// The peers are told before the agent is: once it has its answer it ends.
void Ingest::handle(AgentRecord& agent, const Bye& bye, Now now) {
  const Duration grace = bye.reason == ByeReason::restart
                             ? absences_.leave(agent.id, restart_grace_, now.mono)
                             : Duration{};
  if (grace > Duration{}) {
    agent.away_until = now.mono + grace;
    if (hooks_.on_away) hooks_.on_away(agent, grace);
  }
  events_.add({0, now.wall, EventLevel::info,
               bye.reason == ByeReason::restart ? "agent_restarts" : "agent_stops", agent.name, "",
               grace > Duration{} ? fmt::format("it is waited for, {}", format_duration(grace))
                                  : "nobody waits for it"});
  if (agent.connection) hooks_.send(agent.connection->connection, ByeAck{grace});
}

void Ingest::handle(AgentRecord& agent, const Report& report, std::vector<std::uint8_t> bytes,
                    Now now) {
  if (report.id.sequence == 0) {
    ++counters_.reports_refused;
    tell(EventLevel::warn, "message_refused", agent, "a report without a sequence", now);
    return;
  }
  ReportDedup& dedup = dedup_[agent.id];
  switch (dedup.judge(report.id, report.spool_dropped, now.mono)) {
    case ReportDedup::Verdict::duplicate: {
      ++counters_.reports_duplicate;
      ++agent.reports.duplicate;
      const auto acked = durable_.find({agent.id, report.id.epoch});
      if (acked != durable_.end() && acked->second >= report.id.sequence && agent.connection) {
        ++counters_.acks;
        hooks_.send(agent.connection->connection, ReportAck{{report.id.epoch, acked->second}});
      }
      return;
    }
    case ReportDedup::Verdict::too_far_ahead:
      ++counters_.reports_refused;
      tell(EventLevel::warn, "message_refused", agent,
           fmt::format("report {} is too far ahead of what came before", report.id.sequence), now);
      return;
    case ReportDedup::Verdict::fresh:
      break;
  }
  if (!store_.has_room(bytes.size())) {
    ++counters_.reports_no_room;
    return;
  }
  const ReportDedup::Judgement judgement = dedup.take(report.id, report.spool_dropped, now.mono);
  store_.put_report({agent.id, report.id, now.wall, judgement.mark, std::move(bytes)});
  ++counters_.reports;
  ++agent.reports.received;
  agent.reports.epoch = report.id.epoch;
  agent.reports.spool_dropped = report.spool_dropped;
  agent.reports.last = now.wall;
  agent.load = report.load;
  if (judgement.gap_lost > 0) {
    events_.add(
        {0, now.wall, EventLevel::warn, "report_gap", agent.name, "",
         fmt::format("{} reports before {} never came", judgement.gap_lost, report.id.sequence)});
  }
  for (const AgentEvent& event : report.events) {
    events_.add({0, event.time, EventLevel::info, "agent:" + event.name.substr(0, 64), agent.name,
                 "", event.detail});
  }
  const bool clock_wrong = std::chrono::abs(agent.clock_ahead) > kClockTrusted;
  fold(agent, report, now, clock_wrong ? now.wall + agent.clock_ahead : now.wall);
}

void Ingest::fold(AgentRecord& agent, const Report& report, Now received, UnixNanos agent_now) {
  const std::uint64_t refused_before = counters_.samples_refused;
  const std::vector<LinkSample>& samples = report.links;
  folded_.clear();
  for (std::size_t i = 0; i < samples.size(); ++i) {
    if (i + 2 * kFoldAhead < samples.size()) {
      estimates_.expect_index(samples[i + 2 * kFoldAhead].link);
      histories_.expect_index(samples[i + 2 * kFoldAhead].link);
    }
    if (i + kFoldAhead < samples.size()) {
      estimates_.expect(samples[i + kFoldAhead].link);
      histories_.expect(samples[i + kFoldAhead].link);
    }
    if (i + kFoldAhead / 2 < samples.size()) {
      estimates_.expect_slot(samples[i + kFoldAhead / 2].link);
    }
    fold_sample(agent, samples[i], received, agent_now);
  }
  if (hooks_.on_report) hooks_.on_report(agent, report, folded_, received);
  check_claims(agent, samples, received);
  check_revived(agent, samples, received);
  agent.reports.samples += report.links.size();
  agent.reports.samples_refused += counters_.samples_refused - refused_before;
  stages_.reported = std::max(stages_.reported, std::min(report.created, received.wall));
  stages_.ingested = std::max(stages_.ingested, received.wall);
}

void Ingest::fold_sample(AgentRecord& agent, const LinkSample& sample, Now received,
                         UnixNanos agent_now) {
  const SampleVerdict verdict = judge_sample(sample, agent.id, agent_now);
  switch (verdict.fate) {
    case SampleFate::refuse:
      ++counters_.samples_refused;
      tell(EventLevel::warn, "samples_refused", agent,
           fmt::format("{}: {}", link_text(sample.link, agents_), verdict.reason), received);
      return;
    case SampleFate::keep:
      ++counters_.samples_kept;
      return;
    case SampleFate::fold:
      break;
  }
  // Both times by the agent's clock, so its error is not in their difference.
  const Duration age = std::max(Duration{}, agent_now - (sample.start + sample.length));
  if (!absences_.empty() &&
      !absences_.admits(sample, received.mono - age - sample.length, received.mono)) {
    ++counters_.samples_held;
    return;
  }
  if (!estimates_.fold(sample, received.mono - age)) {
    ++counters_.samples_refused;
    return;
  }
  ++counters_.samples_folded;
  histories_[sample.link].add(sample);
  folded_.push_back({&sample, {received.mono - age, received.wall - age}});
  stages_.probe_sent = std::max(stages_.probe_sent, received.wall - age);
}

// An agent's "alive" that got lost is made up for by its own later samples.
void Ingest::check_claims(AgentRecord& agent, std::span<const LinkSample> samples, Now now) {
  const auto found = claims_.find(agent.id);
  if (found == claims_.end()) return;
  auto& claims = found->second;
  for (const LinkSample& sample : samples) {
    if (claims.empty()) return;
    if (sample.answered < kClaimAnswersMin || sample.answered * 2 < sample.sent) continue;
    for (const LinkId link : {sample.link, sample.link.reversed()}) {
      const auto claim = claims.find(link);
      if (claim == claims.end() || sample.start < claim->second + kClaimGrace) continue;
      Alarm withdrawn;
      withdrawn.link = link;
      withdrawn.state = LinkState::alive;
      withdrawn.confirmed = true;
      withdrawn.since = sample.start;
      claims.erase(claim);
      if (estimates_.apply(withdrawn, agent.id, now.mono)) {
        note_state(agent, link, "its probes are answered again", now);
      }
    }
  }
}

// Samples may revive a link without anybody's word (LinkEstimate::fold): that is told as well.
void Ingest::check_revived(AgentRecord& agent, std::span<const LinkSample> samples, Now now) {
  for (const LinkSample& sample : samples) {
    if (told_bad_.empty()) return;
    for (const LinkId link : {sample.link, sample.link.reversed()}) {
      if (!told_bad_.contains(link) || estimates_.state(link) != LinkState::alive) continue;
      note_state(agent, link, "its probes are delivered again", now);
    }
  }
}

void Ingest::handle(AgentRecord& agent, Alarm alarm, Now now) {
  ++counters_.alarms;
  ++agent.reports.alarms;
  if (std::optional<std::string> reason = refuse_alarm(alarm, agent.id, now.wall)) {
    ++counters_.alarms_refused;
    tell(EventLevel::warn, "message_refused", agent, *reason, now);
    return;
  }
  auto& claims = claims_[agent.id];
  if (alarm.state == LinkState::alive) {
    claims.erase(alarm.link);
  } else if (claims.size() < kPlanLinksMax) {
    claims[alarm.link] = now.wall;
  }
  if (absences_.hold(alarm, agent.id, now.mono)) {
    ++counters_.alarms_held;
    return;
  }
  believe(agent, alarm, now);
}

void Ingest::believe(AgentRecord& agent, const Alarm& alarm, Now now) {
  if (!estimates_.apply(alarm, agent.id, now.mono)) return;
  note_state(agent, alarm.link,
             fmt::format("{} by {}, last heard {}", alarm.confirmed ? "confirmed" : "suspected",
                         agent.name, format_utc(alarm.since)),
             now);
}

// The combined state of the link changed.
void Ingest::note_state(AgentRecord& agent, LinkId link, std::string why, Now now) {
  const LinkState state = estimates_.state(link);
  const std::string_view name = state == LinkState::dead      ? "link_dead"
                                : state == LinkState::suspect ? "link_suspect"
                                                              : "link_alive";
  if (state == LinkState::alive) {
    told_bad_.erase(link);
  } else {
    told_bad_.insert(link);
  }
  LinkHistory& history = histories_[link];
  history.state_since = now.wall;
  history.state_reason = std::move(why);
  events_.add({0, now.wall, state == LinkState::alive ? EventLevel::info : EventLevel::warn,
               std::string(name), agent.name, link_text(link, agents_), history.state_reason});
  hooks_.on_link_state(link);
}

void Ingest::forget(NodeId node) {
  std::erase_if(told_bad_, [node](const LinkId& link) {
    return link.from.node == node || link.to.node == node;
  });
  histories_.forget(node);
  estimates_.forget(node);
}

// A new process has no memory of what the old one called dead; it will say so again if it is true.
void Ingest::withdraw_claims(AgentRecord& agent, Now now) {
  const auto claims = claims_.find(agent.id);
  if (claims == claims_.end() || claims->second.empty()) return;
  std::vector<LinkId> links;
  for (const auto& [link, since] : claims->second) links.push_back(link);
  claims_.erase(claims);
  std::vector<LinkState> before;
  before.reserve(links.size());
  for (const LinkId link : links) before.push_back(estimates_.state(link));
  estimates_.agent_restarted(agent.id);
  for (std::size_t i = 0; i < links.size(); ++i) {
    if (estimates_.state(links[i]) == before[i]) continue;
    note_state(agent, links[i], "the agent that called it so was restarted", now);
  }
}

void Ingest::handle(AgentRecord& agent, const TableAck& ack, Now now) {
  if (ack.accepted) {
    agent.table.loaded = ack.version;
    agent.table.loaded_at = ack.loaded.ns > 0 ? ack.loaded : now.wall;
    if (agent.table.refused <= ack.version) agent.table.refused_reason.clear();
  } else {
    agent.table.loaded = ack.in_use;
    agent.table.refused = ack.version;
    agent.table.refused_reason = ack.reason;
    tell(EventLevel::warn, "table_refused", agent,
         fmt::format("version {}: {}", ack.version.version, ack.reason), now);
  }
  hooks_.on_table_ack(agent);
}

void Ingest::handle(AgentRecord& agent, const PlanAck& ack) {
  agent.plan.acked_version = ack.version;
  agent.plan.sessions = ack.sessions;
  agent.plan.capped = ack.capped;
  agent.plan.reason = ack.reason;
}

void Ingest::handle(AgentRecord& agent, const Ping& ping, Now now) {
  agent.clock_ahead = ping.sent - now.wall;
  if (agent.clock_ahead > kFutureMax || -agent.clock_ahead > kFutureMax) {
    tell(EventLevel::warn, "agent_clock_wrong", agent,
         fmt::format("its clock is {} {}", format_duration(std::chrono::abs(agent.clock_ahead)),
                     agent.clock_ahead.count() > 0 ? "ahead" : "behind"),
         now);
  }
  if (agent.connection) hooks_.send(agent.connection->connection, Pong{ping.nonce, now.wall});
}

void Ingest::on_commit(const Commit& commit) {
  std::map<std::pair<NodeId, std::uint64_t>, std::uint64_t> news;
  for (const DurableMark& durable : commit.marks) {
    std::uint64_t& high = news[{durable.node, durable.mark.epoch}];
    high = std::max(high, durable.mark.high);
  }
  if (durable_.size() > kDurableEpochsMax)
    durable_.clear();  // only costs repeated acknowledgements
  for (const auto& [key, high] : news) {
    std::uint64_t& acked = durable_[key];
    acked = std::max(acked, high);
    const auto agent = agents_.find(key.first);
    if (agent == agents_.end()) continue;
    agent->second.reports.acked_sequence = acked;
    if (!agent->second.connection) continue;
    ++counters_.acks;
    hooks_.send(agent->second.connection->connection, ReportAck{{key.second, acked}});
  }
}

// Who did not come back is silent as of now, and what its peers said meanwhile is believed.
void Ingest::end_absences(Now now) {
  for (const Absences::Ended& ended : absences_.take_ended(now.mono)) {
    const auto found = agents_.find(ended.node);
    if (found != agents_.end() && !ended.came_back) {
      AgentRecord& agent = found->second;
      agent.away_until = MonoTime{};
      agent.state = AgentState::silent;
      agent.connection.reset();
      events_.add({0, now.wall, EventLevel::warn, "agent_silent", agent.name, "",
                   fmt::format("it said that it would restart, and did not come back; nothing "
                               "heard since {}",
                               format_utc(agent.last_heard_at))});
    }
    for (const Absences::HeldAlarm& held : ended.alarms) {
      const auto reporter = agents_.find(held.reporter);
      if (reporter != agents_.end()) believe(reporter->second, held.alarm, now);
    }
  }
}

void Ingest::on_timer(Now now, Duration silent_after) {
  end_absences(now);
  for (auto& [id, agent] : agents_) {
    if (!agent.heard() || agent.away() || now.mono - agent.last_heard < silent_after) continue;
    agent.state = AgentState::silent;
    agent.connection.reset();
    events_.add({0, now.wall, EventLevel::warn, "agent_silent", agent.name, "",
                 fmt::format("nothing heard since {}", format_utc(agent.last_heard_at))});
  }
}

void Ingest::on_revoked(NodeId node) {
  const auto found = agents_.find(node);
  if (found == agents_.end()) return;
  AgentRecord& agent = found->second;
  if (agent.connection) {
    refuse(agent.connection->connection, "this key is not enrolled any more");
    if (hooks_.disconnect) hooks_.disconnect(agent.connection->transport);
  }
  agent.connection.reset();
  agent.state = AgentState::silent;
  agent.away_until = MonoTime{};
  absences_.forget(node);
  claims_.erase(node);
}

void Ingest::restore(const std::vector<RestoredDedup>& dedup, Now now) {
  for (const RestoredDedup& each : dedup) {
    dedup_[each.node].restore(each.mark, each.ahead, now.mono);
    const std::optional<EpochMark> mark = dedup_[each.node].mark(each.mark.epoch);
    if (mark) durable_[{each.node, each.mark.epoch}] = mark->high;
  }
}

void Ingest::refold(NodeId node, const Report& report, UnixNanos received, Now now) {
  const auto found = agents_.find(node);
  if (found == agents_.end()) return;
  const Duration since = std::max(Duration{}, now.wall - received);
  fold(found->second, report, {now.mono - since, received}, received);
}

}  // namespace linkpilot::collector
