#include "agent/daemon/agent.h"

#include <algorithm>
#include <utility>

#include "base/runtime/files.h"
#include "base/runtime/lifecycle.h"
#include "base/runtime/log.h"

namespace linkpilot::agent {

namespace {

PlanCeilings plan_ceilings(const Ceilings& ceilings) {
  return {ceilings.flows_max, ceilings.interval_min, ceilings.probes_per_second_max};
}

}  // namespace

// What create() reads before the agent exists.
struct Agent::Parts {
  CurveKeyPair keys;
  std::string collector_key;
  std::vector<SigningPublicKey> signers;
  SequenceFile sequences;
  std::unique_ptr<route_client::MarksFile> marks;
};

Result<std::unique_ptr<Agent>> Agent::create(asio::io_context& loop, AgentConfig config,
                                             Clock& clock) {
  auto keys = load_curve_key_pair(config.key_file);
  if (!keys) return fail(keys.error().in("collector.key_file"));
  auto collector_key = load_curve_public_key(config.collector_key_file);
  if (!collector_key) return fail(collector_key.error().in("collector.public_key_file"));
  std::vector<SigningPublicKey> signers;
  for (const std::string& file : config.signer_files) {
    auto signer = load_signing_public_key(file);
    if (!signer) return fail(signer.error().in("routes.signer_public_key_files"));
    signers.push_back(*signer);
  }
  if (Status made = make_directories(config.state_directory); !made) {
    return fail(made.error().in("node.state_directory"));
  }
  auto sequences = SequenceFile::open(config.state_directory + "/sequence");
  if (!sequences) return fail(sequences.error());
  auto marks = route_client::MarksFile::open(config.marks_file, NodeId{}, clock.now().wall);
  if (!marks) return fail(marks.error().in("routes.marks_file"));
  Parts parts{std::move(*keys), std::move(*collector_key), std::move(signers),
              std::move(*sequences), std::move(*marks)};
  return std::unique_ptr<Agent>(new Agent(loop, std::move(config), clock, std::move(parts)));
}

Agent::Agent(asio::io_context& loop, AgentConfig config, Clock& clock, Parts parts)
    : loop_(loop),
      config_(std::move(config)),
      clock_(clock),
      timer_(loop),
      pace_(tick_for({}, config_.ceilings.tick)),
      run_id_(random_u64()),
      detector_(DetectorOptions{}),
      plan_(plan_ceilings(config_.ceilings)),
      marks_(std::move(parts.marks)),
      tables_({config_.route_file, std::move(parts.signers), NodeId{}}),
      sequences_(std::move(parts.sequences)),
      spool_(ReportSpool::Options{}, sequences_.epoch()),
      uplink_(UplinkOptions{}),
      link_(
          loop,
          {config_.collectors, std::move(parts.collector_key), std::move(parts.keys),
           config_.bind_address},
          [this](std::span<const std::uint8_t> bytes) { on_bytes(bytes); },
          [this](MessageClient::State state) { on_transport(state); }) {}

Agent::~Agent() = default;

void Agent::start() {
  const Now now = clock_.now();
  log_event(LogLevel::info, "agent_started",
            {{"name", config_.self.name}, {"collector", config_.collectors.front()}});
  load_plan(now);
  if (Status loaded = tables_.load(now.wall); !loaded) {
    note("table_not_loaded", loaded.error().message, now, LogLevel::warn);
  }
  apply_probe_set(now);
  next_tick_ = now.mono + config_.ceilings.tick;
  next_second_ = now.mono + std::chrono::seconds(1);
  schedule();
  notify_service_manager("READY=1");
}

void Agent::schedule() {
  // The loop's clock is CLOCK_MONOTONIC, as MonoTime is.
  timer_.expires_at(asio::steady_timer::time_point(Duration(next_tick_.ns)));
  timer_.async_wait([this](const asio::error_code& error) {
    if (!error) tick();
  });
}

Duration Agent::tick_length(Now now) const {
  return now.mono < brisk_until_ ? config_.ceilings.tick : pace_;
}

void Agent::tick() {
  const Now now = clock_.now();
  const Duration late = std::max(now.mono - next_tick_, Duration::zero());
  if (engine_) {
    const auto arrivals = engine_->tick(now);
    detector_.on_arrivals(arrivals, now, detected_);
    detector_.judge(now, late, detected_);
    carry_out(detected_, now);
  }
  converse(now);
  if (now.mono >= next_second_) {
    every_second(now);
    next_second_ = std::max(next_second_ + std::chrono::seconds(1), now.mono);
  }
  next_tick_ = next_tick_ + tick_length(now);
  // Behind: skip the ticks that were missed, do not run after them.
  next_tick_ = std::max(next_tick_, clock_.now().mono);
  schedule();
}

void Agent::every_second(Now now) {
  marks_->touch(now.wall);
  check_plan_age(now);
  report(now);
  for (ProbeResult& result : probe_requests_.take(now)) queue(std::move(result));
  notify_service_manager("WATCHDOG=1");
}

void Agent::reload(const std::string& path) {
  const Now now = clock_.now();
  notify_service_manager("RELOADING=1");
  auto next = load_agent_config(path);
  if (!next) {
    log_event(LogLevel::error, "reload_refused", {{"reason", next.error().message}});
  } else {
    for (const std::string& key : keys_needing_restart(config_, *next)) {
      log_event(LogLevel::warn, "reload_needs_restart", {{"key", key}});
    }
    set_log_level(next->log_level);
    config_.log_level = next->log_level;
    config_.ceilings.flows_max = next->ceilings.flows_max;
    config_.ceilings.interval_min = next->ceilings.interval_min;
    plan_.set_ceilings(plan_ceilings(config_.ceilings));
    apply_probe_set(now);
    if (config_.collectors != next->collectors) {
      config_.collectors = next->collectors;
      link_.set_addresses(config_.collectors);
      if (Status connected = link_.connect_next(); !connected) {
        log_event(LogLevel::error, "connect_failed", {{"reason", connected.error().message}});
      }
      uplink_.on_new_transport(now);
    }
    log_event(LogLevel::info, "reloaded", {{"file", path}});
  }
  notify_service_manager("READY=1");
}

void Agent::note(std::string name, std::string detail, Now now, LogLevel level) {
  log_event(level, name, {{"detail", detail}});
  builder_.add({now.wall, std::move(name), std::move(detail)});
}

void Agent::give_up(Status outcome) {
  outcome_ = std::move(outcome);
  loop_.stop();
}

}  // namespace linkpilot::agent
