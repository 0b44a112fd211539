// The measuring half of the Agent: plan, engine, detector, reports.
#include <algorithm>
#include <utility>

#include "agent/daemon/agent.h"
#include "base/runtime/files.h"
#include "base/runtime/log.h"
#include "schemas/codec.h"

namespace linkpilot::agent {

namespace {

constexpr std::size_t kPlanBytesMax = kMessageBytesMax;
constexpr Duration kTellAgain = std::chrono::seconds(60);

std::string plan_path(const AgentConfig& config) { return config.state_directory + "/plan"; }

std::string_view to_string(PlanAge age) {
  switch (age) {
    case PlanAge::none:
      return "plan_none";
    case PlanAge::fresh:
      return "plan_fresh";
    case PlanAge::stale:
      return "plan_stale";
    case PlanAge::expired:
      return "plan_expired";
  }
  return "plan_unknown";
}

bool is_bad_news(LinkEvent event) {
  return event == LinkEvent::suspected || event == LinkEvent::dead ||
         event == LinkEvent::peer_deaf || event == LinkEvent::self_suspected;
}

}  // namespace

// Takes the number the collector gave: the engine's sockets are bound under it.
Status Agent::become(NodeId self, Now now) {
  if (self_ == self && engine_) return {};
  prober::StampEngineOptions options;
  options.self = self;
  options.ports = config_.self.ports;
  options.flows_max = config_.ceilings.flows_max;
  options.probes_per_second_max = config_.ceilings.probes_per_second_max;
  options.reflect_per_second_max = config_.ceilings.reflect_per_second_max;
  options.reflect_per_source_per_second_max = config_.ceilings.reflect_per_source_per_second_max;
  options.sessions_max = config_.ceilings.sessions_max;
  options.dscp = config_.ceilings.dscp;
  options.seed = random_u64();
  engine_.reset();  // its sockets must be gone before they are bound again
  auto engine = prober::StampEngine::create(options);
  if (!engine) return fail(engine.error().in("start probing"));
  engine_ = std::move(*engine);
  self_ = self;
  marks_->clear_all();
  marks_->set_self(self);
  tables_.set_self(self);
  detector_ = Detector(DetectorOptions{});
  log_event(LogLevel::info, "probing_started", {{"node", std::to_string(self.value)}});
  if (plan_.plan() != nullptr && plan_.plan()->self != self) {
    plan_ = PlanKeeper({config_.ceilings.flows_max, config_.ceilings.interval_min,
                        config_.ceilings.probes_per_second_max});
    note("plan_dropped", "another node number", now, LogLevel::warn);
  }
  return {};
}

// The plan of the last run, so that a restarted agent reflects and probes at once.
void Agent::load_plan(Now now) {
  const auto bytes = read_file(plan_path(config_), kPlanBytesMax);
  if (!bytes) return;
  auto message = schemas::decode_collector_message(*bytes);
  const Plan* plan = message ? std::get_if<Plan>(&*message) : nullptr;
  if (plan == nullptr) {
    note("plan_not_loaded", message ? "another message" : message.error().message, now,
         LogLevel::warn);
    return;
  }
  if (Status accepted = plan_.accept(*plan, config_.self.ports.size(), now); !accepted) {
    note("plan_not_loaded", accepted.error().message, now, LogLevel::warn);
    return;
  }
  if (Status became = become(plan->self, now); !became) give_up(std::move(became));
}

void Agent::on_plan(const Plan& plan, Now now) {
  PlanAck ack;
  ack.version = plan.version;
  Status accepted = plan.self == self_ && engine_
                        ? plan_.accept(plan, config_.self.ports.size(), now)
                        : fail(ErrorCode::invalid_argument, "plan of another node");
  if (!accepted) {
    ack.reason = accepted.error().message;
    ++plans_refused_;
    note("plan_refused", ack.reason, now, LogLevel::warn);
    queue(std::move(ack));
    return;
  }
  if (plan_age_ == PlanAge::stale || plan_age_ == PlanAge::expired) {
    note(std::string(to_string(PlanAge::fresh)), "version=" + std::to_string(plan.version), now);
  }
  plan_age_ = PlanAge::fresh;
  const ProbeSet set = plan_.probe_set(now, tables_.in_use());
  pace_ = tick_for(set.links, config_.ceilings.tick);
  const prober::ApplyOutcome applied = engine_->apply(set.links, now);
  detector_.plan(set.links, now, detected_);
  carry_out(detected_, now);
  ack.sessions = applied.sessions;
  ack.capped = std::max(set.capped, applied.capped);
  ack.reason = ack.capped > 0 && set.reason.empty() ? "engine limits" : set.reason;
  links_capped_ = ack.capped;
  if (ack.capped > 0)
    note("plan_capped", "links=" + std::to_string(ack.capped) + " by=" + ack.reason, now);
  log_event(
      LogLevel::debug, "plan_applied",
      {{"version", std::to_string(plan.version)}, {"sessions", std::to_string(ack.sessions)}});
  queue(std::move(ack));
  save_plan(plan, now);
}

// Secrets are inside, so 0600.
void Agent::save_plan(const Plan& plan, Now now) {
  const bool taken = files_.run(
      [this, bytes = schemas::encode(CollectorMessage(plan)), path = plan_path(config_)] {
        Status saved = replace_file(path, bytes, 0600);
        FileThread::Completion completion;
        if (!saved) {
          completion = [this, reason = saved.error().message] {
            note("plan_not_saved", reason, clock_.now(), LogLevel::warn);
          };
        }
        return completion;
      });
  if (!taken) note("plan_not_saved", "the file thread is behind", now, LogLevel::warn);
}

void Agent::apply_probe_set(Now now) {
  if (!engine_ || plan_.plan() == nullptr) return;
  plan_age_ = plan_.age(now, tables_.in_use());
  const ProbeSet set = plan_.probe_set(now, tables_.in_use());
  pace_ = tick_for(set.links, config_.ceilings.tick);
  engine_->apply(set.links, now);
  detector_.plan(set.links, now, detected_);
  carry_out(detected_, now);
}

void Agent::check_plan_age(Now now) {
  const PlanAge age = plan_.age(now, tables_.in_use());
  if (age == plan_age_) return;
  note(std::string(to_string(age)), "version=" + std::to_string(plan_.version()), now,
       age == PlanAge::fresh ? LogLevel::info : LogLevel::warn);
  apply_probe_set(now);
}

// A wrong secret is a mistake or an attack; said once a minute and link, with how much it was.
void Agent::tell_unauthenticated(Now now) {
  for (const auto& [link, packets] : engine_->take_unauthenticated()) {
    Unauthenticated& told = unauthenticated_[link];
    told.packets += packets;
    if (now.mono < told.next) continue;
    note("probe_secret_wrong",
         "peer=" + plan_.name_of(link.from.node) + " port=" + std::to_string(link.from.port.value) +
             " packets=" + std::to_string(told.packets),
         now, LogLevel::warn);
    told = {now.mono + kTellAgain, 0};
  }
  std::erase_if(unauthenticated_, [&](const auto& told) {
    return told.second.packets == 0 && now.mono >= told.second.next;
  });
  status_due_ = status_due_ || engine_->counters().refused_authentication != told_unauthenticated_;
  told_unauthenticated_ = engine_->counters().refused_authentication;
}

void Agent::on_probe_request(const ProbeRequest& request, Now now) {
  ProbeResult refusal;
  refusal.request = request.request;
  const Plan* plan = plan_.plan();
  const bool planned =
      engine_ && plan != nullptr &&
      std::any_of(plan->links.begin(), plan->links.end(),
                  [&](const PlannedLink& link) { return link.link == request.link; });
  Status accepted = planned ? probe_requests_.accept(request, now)
                            : fail(ErrorCode::not_found, "this link is not in the plan");
  if (!accepted) {
    refusal.error = accepted.error().message;
    queue(std::move(refusal));
    return;
  }
  engine_->burst(request.link, request.count, request.interval, now);
  brisk_until_ = now.mono + std::max<Duration>(kBriskTime, request.interval * request.count);
}

// Marks first: they are what saves a stream.
void Agent::carry_out(DetectorOutput& output, Now now) {
  using route_client::MediaFlow;
  for (const MarkChange& change : output.marks) {
    const LinkId& link = change.outgoing;
    marks_->set_dead({link.to.node, link.from.port, link.to.port, MediaFlow::outbound},
                     change.outbound_dead);
    marks_->set_dead({link.to.node, link.from.port, link.to.port, MediaFlow::inbound},
                     change.inbound_dead);
  }
  if (engine_) {
    for (const HearingChange& change : output.hearing) {
      engine_->set_hearing(change.incoming, change.hearing, change.silence);
    }
    if (!output.bursts.empty()) brisk_until_ = now.mono + kBriskTime;
    const DetectorOptions defaults;
    for (const LinkId& link : output.bursts) {
      engine_->burst(link, defaults.burst_count, defaults.burst_interval, now);
    }
  }
  for (const Alarm& alarm : output.alarms) uplink_.raise(alarm, now);
  for (const LinkTransition& transition : output.transitions) {
    AgentEvent event = to_event(transition, plan_);
    log_event(is_bad_news(transition.event) ? LogLevel::warn : LogLevel::info, event.name,
              {{"detail", event.detail}});
    builder_.add(std::move(event));
  }
  output.clear();
}

void Agent::report(Now now) {
  if (engine_) {
    std::vector<LinkSample> samples = engine_->take_samples(now);
    for (const LinkSample& sample : samples) {
      if (sample.answered > 0) detector_.set_round_trip(sample.link, sample.rtt_max);
      probe_requests_.on_sample(sample);
    }
    builder_.add(std::move(samples));
    tell_unauthenticated(now);
  }
  Report report = builder_.take(load_.read(now.mono), now.wall);
  report.id = numbers_.take();
  report.spool_dropped = spool_figures_.dropped + spool_.dropped();
  const ReportId id = report.id;
  spool_.push(id, schemas::encode(AgentMessage(std::move(report))));
}

}  // namespace linkpilot::agent
