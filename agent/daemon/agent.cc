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

constexpr std::size_t kFileJobsMax = 128;
// Time enough for a collector's welcome: whoever started the agent sees early that it reports.
constexpr Duration kFirstReportAfter = std::chrono::milliseconds(250);

SpoolOptions spool_options(const SpoolSettings& settings) {
  SpoolOptions options;
  options.size_max = settings.size_max.value;
  options.keep_acked = settings.keep_acked;
  return options;
}

UplinkOptions uplink_options(const SpoolSettings& settings) {
  UplinkOptions options;
  options.report_octets_per_second = static_cast<double>(settings.drain_rate.value) / 8;
  return options;
}

Result<std::vector<std::string>> load_collector_keys(const AgentConfig& config) {
  std::vector<std::string> keys;
  for (const std::string& file : config.collector_key_files) {
    auto key = load_curve_public_key(file);
    if (!key) return fail(key.error().in("collector.public_key_file, next_public_key_files"));
    keys.push_back(std::move(*key));
  }
  return keys;
}

Result<std::vector<SigningPublicKey>> load_signers(const AgentConfig& config) {
  std::vector<SigningPublicKey> signers;
  for (const std::string& file : config.signer_files) {
    auto signer = load_signing_public_key(file);
    if (!signer) return fail(signer.error().in("routes.signer_public_key_files"));
    signers.push_back(*signer);
  }
  return signers;
}

// A disk that refuses now does not keep the agent from starting: its reports get a new epoch.
ReportNumbers open_numbers(const std::string& path) {
  ReportNumbers numbers(load_numbers(path), random_u64);
  const auto wanted = numbers.wanted();
  if (wanted && save_numbers(path, *wanted)) numbers.on_saved(*wanted);
  return numbers;
}

}  // namespace

// What create() reads before the agent exists.
struct Agent::Parts {
  CurveKeyPair keys;
  std::vector<std::string> collector_keys;
  std::vector<SigningPublicKey> signers;
  ReportNumbers numbers;
  std::unique_ptr<SpoolFiles> spool_files;
  std::unique_ptr<route_client::MarksFile> marks;
  std::unique_ptr<DialExporter> exporter;
};

Result<std::unique_ptr<Agent>> Agent::create(asio::io_context& loop, AgentConfig config,
                                             Clock& clock) {
  auto keys = load_curve_key_pair(config.key_file);
  if (!keys) return fail(keys.error().in("collector.key_file"));
  auto collector_keys = load_collector_keys(config);
  if (!collector_keys) return fail(collector_keys.error());
  auto signers = load_signers(config);
  if (!signers) return fail(signers.error());
  if (Status made = make_directories(config.state_directory); !made) {
    return fail(made.error().in("node.state_directory"));
  }
  ReportNumbers numbers = open_numbers(config.state_directory + "/sequence");
  auto spool_files = open_spool_files(config.state_directory + "/spool");
  if (!spool_files) return fail(spool_files.error());
  auto marks = route_client::MarksFile::open(config.marks_file, NodeId{}, clock.now().wall);
  if (!marks) return fail(marks.error().in("routes.marks_file"));
  Parts parts{std::move(*keys),
              std::move(*collector_keys),
              std::move(*signers),
              std::move(numbers),
              std::move(*spool_files),
              std::move(*marks),
              nullptr};
  if (config.exporter.listen) {
    auto exporter = DialExporter::start(config.exporter);
    if (!exporter) return fail(exporter.error());
    parts.exporter = std::move(*exporter);
  }
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
      numbers_(std::move(parts.numbers)),
      spool_log_(
          std::make_shared<SpoolLog>(spool_options(config_.spool), std::move(parts.spool_files))),
      spool_(ReportSpool::Options{}),
      uplink_(uplink_options(config_.spool), random_u64()),
      link_(
          loop,
          {config_.collectors,
           std::move(parts.collector_keys),
           {std::move(parts.keys)},
           config_.bind_address},
          [this](std::span<const std::uint8_t> bytes) { on_bytes(bytes); },
          [this](MessageClient::State state) { on_transport(state); }),
      exporter_(std::move(parts.exporter)),
      files_(loop, kFileJobsMax) {}

Agent::~Agent() = default;

void Agent::start() {
  const Now now = clock_.now();
  started_ = now;
  log_event(LogLevel::info, "agent_started",
            {{"name", config_.self.name}, {"collector", config_.collectors.front()}});
  recover_spool();
  load_plan(now);
  if (Status loaded = tables_.load(now.wall); !loaded) {
    note("table_not_loaded", loaded.error().message, now, LogLevel::warn);
  }
  apply_probe_set(now);
  next_tick_ = now.mono + config_.ceilings.tick;
  next_second_ = now.mono + kFirstReportAfter;
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
  marks_->touch(now.wall);  // each time, so that no step of the clock makes them look stale
  if (engine_) {
    const auto arrivals = engine_->tick(now);
    detector_.on_arrivals(arrivals, now, detected_);
    detector_.judge(now, late, detected_);
    carry_out(detected_, now);
  }
  converse(now);
  feed_files();
  if (uplink_.has_left(spool_, now)) {
    loop_.stop();
    return;
  }
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
  check_plan_age(now);
  report(now);
  keep(now);
  for (ProbeResult& result : probe_requests_.take(now)) queue(std::move(result));
  notify_service_manager("WATCHDOG=1");
}

void Agent::leave(ByeReason reason) {
  const Now now = clock_.now();
  notify_service_manager("STOPPING=1");
  log_event(LogLevel::info, "agent_stopping",
            {{"reason", reason == ByeReason::restart ? "restart" : "stop"}});
  report(now);
  uplink_.take_leave(reason, now);
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
    reload_link(*next, now);
    reload_signers(*next, now);
    log_event(LogLevel::info, "reloaded", {{"file", path}});
  }
  notify_service_manager("READY=1");
}

// New keys are read from their files even when the configuration still names the same ones.
void Agent::reload_link(const AgentConfig& next, Now now) {
  const auto keys = load_curve_key_pair(next.key_file);
  const auto collector_keys = load_collector_keys(next);
  if (!keys || !collector_keys) {
    const Error& error = keys ? collector_keys.error() : keys.error();
    log_event(LogLevel::error, "keys_not_reloaded", {{"reason", error.message}});
    return;
  }
  config_.key_file = next.key_file;
  config_.collector_key_files = next.collector_key_files;
  const bool new_key = keys->public_key != link_.newest_keys().public_key;
  auto known = link_.collector_keys();
  auto wanted = *collector_keys;
  std::sort(known.begin(), known.end());
  std::sort(wanted.begin(), wanted.end());
  if (!new_key && known == wanted && config_.collectors == next.collectors) return;
  config_.collectors = next.collectors;
  link_.configure(config_.collectors, *collector_keys);
  if (new_key) {
    link_.add_keys(*keys);
    note("key_changed", "public_key=" + keys->public_key, now);
  }
  connect(now);
}

// Tables that came under a signer that is no longer listed stay in use; new ones are refused.
void Agent::reload_signers(const AgentConfig& next, Now now) {
  auto signers = load_signers(next);
  if (!signers) {
    log_event(LogLevel::error, "keys_not_reloaded", {{"reason", signers.error().message}});
    return;
  }
  config_.signer_files = next.signer_files;
  if (*signers == tables_.options().signers) return;
  note("signers_changed", "count=" + std::to_string(signers->size()), now);
  tables_.set_signers(std::move(*signers));
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
