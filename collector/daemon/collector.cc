#include "collector/daemon/collector.h"

#include <fmt/format.h>
#include <sys/statvfs.h>

#include <asio/post.hpp>
#include <chrono>
#include <filesystem>

#include "base/assert.h"
#include "base/runtime/lifecycle.h"
#include "collector/daemon/policy.h"
#include "collector/ingest/deaths.h"
#include "schemas/codec.h"

namespace linkpilot::collector {

namespace {

constexpr auto kPulse = std::chrono::milliseconds(100);
constexpr Duration kSignOfLife = std::chrono::seconds(1);  // to the service manager's watchdog
constexpr Duration kViewFresh = std::chrono::milliseconds(250);
constexpr auto kViewPatience = std::chrono::milliseconds(500);
// So long after a restore an agent that comes may still have reports which the backup had not.
constexpr Duration kAskAgainFor = std::chrono::hours(24);
// Reports this young are folded again after a restart; at most so many.
constexpr Duration kRefoldAge = std::chrono::seconds(90);
// So many reports of each agent fill an estimate's window from both ends; more only delay the
// start.
constexpr std::size_t kRefoldReportsEach = optimizer::LinkEstimate::kWindowSlots / 2;

StoreOptions store_options(const CollectorConfig& config) {
  StoreOptions options;
  options.path = config.store.path;
  options.retention = config.store.retention;
  options.size_max = config.store.size_max;
  options.commit_interval = config.store.commit_interval;
  return options;
}

std::vector<RegistryEntry> entries_of(const Restored& restored) {
  std::vector<RegistryEntry> entries;
  entries.reserve(restored.nodes.size());
  for (const StoredNode& node : restored.nodes) entries.push_back(node.entry);
  return entries;
}

}  // namespace

Result<Collector::Keys> Collector::load_keys(const CollectorConfig& config) {
  Keys keys;
  Result<SigningKey> signing = load_signing_key(config.keys.signing_file);
  if (!signing) return fail(signing.error().in("[keys] signing_file"));
  keys.signing = *signing;
  if (!config.probing.authenticate) return keys;
  Result<Secret> probing = load_secret(config.keys.probing_file);
  if (!probing) {
    return fail(probing.error().in(
        "[keys] probing_file, which [probing] authenticate needs (linkpilot keys new --probing "
        "FILE makes one)"));
  }
  keys.probing = std::make_shared<const Secret>(*probing);
  const std::string older_file = config.keys.probing_file + ".old";
  std::error_code error;
  if (!std::filesystem::exists(older_file, error)) return keys;
  Result<Secret> older = load_secret(older_file);
  if (!older) return fail(older.error().in("the probing secret before this one"));
  keys.probing_older = std::make_shared<const Secret>(*older);
  return keys;
}

Result<std::unique_ptr<Collector>> Collector::create(asio::io_context& loop,
                                                     const CollectorConfig& config) {
  Result<Keys> keys = load_keys(config);
  if (!keys) return fail(keys.error());
  Restored restored;
  Result<std::unique_ptr<Store>> store =
      Store::open(store_options(config), SystemClock().now().wall, restored);
  if (!store) return fail(store.error());

  std::unique_ptr<Collector> collector(
      new Collector(loop, config, *keys, *std::move(store), std::move(restored)));
  Collector* self = collector.get();
  // Before anybody may knock: a restart refuses no key that was good.
  collector->on_scan(scan_enrolled_directory(config.keys.enrolled_directory));
  Result<std::unique_ptr<Entrances>> entrances = Entrances::open(
      loop, config,
      [self](const std::string& key, const std::string& address) {
        return self->door_.admit(key, address, SystemClock().now().wall);
      },
      [self](const PeerId& from, std::span<const std::uint8_t> bytes) {
        self->ingest_->on_message(from, bytes, self->clock_.now());
      });
  if (!entrances) return fail(entrances.error());
  collector->entrances_ = *std::move(entrances);
  return collector;
}

Collector::Collector(asio::io_context& loop, const CollectorConfig& config, const Keys& keys,
                     std::unique_ptr<Store> store, Restored restored)
    : loop_(loop),
      config_(config),
      policy_(policy_of(config)),
      started_(clock_.now().wall),
      started_mono_(clock_.now().mono),
      epoch_(restored.epoch),
      store_(std::move(store)),
      events_(std::make_unique<EventLog>(*store_, std::move(restored.events))),
      registry_(entries_of(restored)),
      plans_(plan_rules_of(config, keys.probing, keys.probing_older),
             static_cast<std::uint64_t>(started_.ns / 1'000)),
      publisher_(keys.signing, epoch_, {config.routing.soft_expiry, config.routing.hard_expiry}),
      finder_(config.faults),
      shelf_(evidence_directory(config.store.path)),
      judge_(config.faults, restored.open_faults),
      past_faults_(restored.past_faults.begin(), restored.past_faults.end()),
      notifier_(make_notifier(restored)),
      pulse_(loop),
      tick_(loop),
      alarm_(loop),
      hand_(std::move(restored.overrides), restored.next_override),
      audit_(std::move(restored.audit)) {
  IngestHooks hooks;
  hooks.send = [this](const std::string& connection, const CollectorMessage& message) {
    return entrances_->send(connection, schemas::encode(message));
  };
  hooks.disconnect = [this](const TransportId& transport) { entrances_->disconnect(transport); };
  hooks.on_hello = [this](AgentRecord& agent, bool returned) { on_hello(agent, returned); };
  hooks.on_away = [this](const AgentRecord& agent, Duration grace) { tell_away(agent, grace); };
  hooks.on_link_state = [this](LinkId link) { note_link_state(link); };
  hooks.on_report = [this](const AgentRecord& agent, const Report& report,
                           std::span<const FoldedSample> folded,
                           Now at) { finder_.add(agent.id, folded, report.load, at); };
  hooks.on_table_ack = [this](AgentRecord& agent) { note_loaded(agent); };
  hooks.on_probe_result = [this](NodeId from, const ProbeResult& result) {
    probes_.answer(from, result);
  };
  hooks.on_backlog = [this] { asio::post(loop_, [this] { work_backlog(); }); };
  hooks.address_of = [this](const std::string& key) { return door_.address_of(key); };
  ingest_ =
      std::make_unique<Ingest>(registry_, agents_, estimates_, *store_, *events_, std::move(hooks));
  ingest_->set_restart_grace(config_.routing.restart_grace);
  probes_.set_wake([this] { asio::post(loop_, [this] { dispatch_probes(clock_.now()); }); });
  restore(restored);
}

Collector::~Collector() { stop(); }

void Collector::restore(const Restored& restored) {
  const Now now = clock_.now();
  for (const StoredNode& node : restored.nodes) {
    AgentRecord& agent = agents_[node.entry.id];
    agent.id = node.entry.id;
    agent.name = node.entry.name;
    agent.public_key = node.entry.public_key;
    agent.enrolled_at = node.entry.enrolled_at;
    agent.left_at = now.wall;  // until the directory says otherwise
    durable_nodes_.insert(node.entry.id);
    if (node.hello.empty()) continue;
    // The store hands out octets of any alignment; the codec reads whole words in place.
    std::vector<std::uint64_t> words((node.hello.size() + 7) / 8);
    std::copy(node.hello.begin(), node.hello.end(), reinterpret_cast<std::uint8_t*>(words.data()));
    Result<AgentMessage> message = schemas::decode_agent_message(
        {reinterpret_cast<const std::uint8_t*>(words.data()), node.hello.size()});
    if (!message || !std::holds_alternative<Hello>(*message)) continue;
    agent.profile = std::get<Hello>(*message).self;
    agent.profile->id = agent.id;
    agent.profile->name = agent.name;
  }
  ingest_->restore(restored.dedup, now);
  if (now.wall - restored.from_backup < kAskAgainFor) ingest_->ask_again();
  if (!restored.damage.empty()) tell(EventLevel::error, "store_damaged", "", restored.damage);
  publisher_.restore(restored.tables);
  const Status status = visit_reports_since(
      config_.store.path, now.wall - kRefoldAge, kRefoldReportsEach * restored.nodes.size(),
      [&](const ReportRow& row) {
        Result<AgentMessage> message = schemas::decode_agent_message(row.bytes());
        if (!message || !std::holds_alternative<Report>(*message)) return;
        ingest_->refold(row.node, std::get<Report>(*message), row.received, now);
      });
  if (!status) tell(EventLevel::warn, "history_unreadable", "", status.error().message);
  for (const Fault& fault : restored.open_faults) finder_.resume(fault);
  replay_deaths(events_->newest(EventLog::kEventsHeld).events, agents_, estimates_, now);
}

void Collector::work_backlog() {
  if (ingest_->work()) asio::post(loop_, [this] { work_backlog(); });
}

void Collector::start() {
  store_->start(
      [this](Commit commit) {
        asio::post(loop_, [this, commit = std::move(commit)] {
          if (nodes_ticket_ != 0 && commit.nodes_ticket >= nodes_ticket_) on_nodes_durable();
          answer_durable(commit.nodes_ticket);
          ingest_->on_commit(commit);
          notifier_->on_commit(commit);
        });
      },
      [this](Status status) {
        asio::post(loop_, [this, status = std::move(status)] {
          if (status) {
            tell(EventLevel::info, "store_recovered", "", "reports are durable again");
          } else {
            tell(EventLevel::error, "store_failed", "",
                 status.error().message + "; nothing is acknowledged until it works again");
          }
        });
      });
  solver_ = std::make_unique<Solver>([this](SolveOutcome outcome) {
    asio::post(loop_,
               [this, outcome = std::move(outcome)]() mutable { on_outcome(std::move(outcome)); });
  });
  for (const std::string& warning : config_warnings(config_)) {
    tell(EventLevel::warn, "configuration_doubtful", "", warning);
  }
  notifier_->start();
  tell(EventLevel::info, "collector_started", "",
       fmt::format("epoch {}, listening on {}", epoch_, entrances_->bound_endpoint()));
  directory_ = std::make_unique<EnrolledDirectory>(
      loop_, config_.keys.enrolled_directory,
      [this](Result<DirectoryScan> scan) { on_scan(std::move(scan)); });
  directory_->start();
  watch_hand(clock_.now());  // what ended while no collector ran is over before anybody looks
  publish_view();
  arm_pulse();
  arm_tick();
}

void Collector::stop() {
  if (std::exchange(stopped_, true)) return;
  probes_.close();
  pulse_.cancel();
  tick_.cancel();
  alarm_.cancel();
  directory_.reset();
  solver_.reset();
  notifier_->stop();
  store_->stop();
}

void Collector::tell(EventLevel level, std::string_view name, std::string node,
                     std::string detail) {
  events_->add(
      {0, clock_.now().wall, level, std::string(name), std::move(node), "", std::move(detail)});
}

void Collector::arm_pulse() {
  pulse_.expires_after(kPulse);
  pulse_.async_wait([this](std::error_code error) {
    if (error || stopped_) return;
    on_pulse();
    arm_pulse();
  });
}

void Collector::arm_tick() {
  tick_.expires_after(config_.routing.tick);
  tick_.async_wait([this](std::error_code error) {
    if (error || stopped_) return;
    on_tick();
    arm_tick();
  });
}

void Collector::on_pulse() {
  const Now now = clock_.now();
  if (now.mono >= next_sign_of_life_) {
    next_sign_of_life_ = now.mono + kSignOfLife;
    notify_service_manager("WATCHDOG=1");
  }
  ingest_->on_timer(now, config_.routing.silent_after);
  watch_nodes(now);
  judge_faults(now);
  watch_hand(now);
  update_plans(now);
  answer_durable(0);
  notifier_->on_timer(now);
  for (const RefusedKey& knock : door_.take_new()) {
    tell(EventLevel::warn, "key_refused", "",
         fmt::format("key {} from {}: {}", knock.public_key, knock.address, knock.reason));
  }
}

void Collector::on_tick() {
  if (clock_.now().mono >= next_tick_solve_) solve_tick();
}

StoreBounds Collector::store_bounds(const StoreConfig& config) {
  StoreBounds bounds;
  const StoreOptions queue;  // its bounds are not configurable
  bounds.queue_reports_max = queue.queue_reports_max;
  bounds.queue_octets_max = queue.queue_bytes_max.value;
  bounds.size_max = config.size_max.value;
  struct statvfs disk{};
  const std::string folder = std::filesystem::path(config.path).parent_path().string();
  if (::statvfs(folder.empty() ? "." : folder.c_str(), &disk) == 0) {
    bounds.disk_free = std::uint64_t{disk.f_bavail} * disk.f_frsize;
  }
  return bounds;
}

std::shared_ptr<const CollectorView> Collector::view() {
  std::shared_ptr<const CollectorView> newest = view_.get();
  if (newest != nullptr && clock_.now().mono - newest->now_mono < kViewFresh) return newest;
  std::unique_lock lock(view_mutex_);
  if (!std::exchange(view_asked_, true)) asio::post(loop_, [this] { publish_view(); });
  view_made_.wait_for(lock, kViewPatience, [this] { return !view_asked_; });
  return view_.get();
}

void Collector::publish_view() {
  const Now now = clock_.now();
  auto view = std::make_shared<CollectorView>();
  view->now = now.wall;
  view->now_mono = now.mono;
  view->started = started_;
  view->epoch = publisher_.epoch();
  view->agents = agents_;
  view->beliefs.make_with([copy = estimates_copy(now), standings = standings(), now] {
    return fleet_beliefs(*copy, standings, now.mono);
  });
  view->histories = ingest_->histories();
  view->plans = plans_.plans();
  view->following = plans_.following();
  view->authenticated = plans_.seals().wanted() != 0;
  view->pairs_waiting = plans_.seals().waiting();
  view->tables = publisher_.tables();
  view->refused_keys = door_.refused();
  view->overrides = hand_.in_force();
  view->audit = audit_.entries();
  view->policy = policy_;
  view->signer = publisher_.signer();
  view->store = store_->figures();
  view->store_bounds = store_bounds(config_.store);
  view->ingest = ingest_->counters();
  view->backlog_reports = ingest_->backlog_reports();
  view->backlog_octets = ingest_->backlog_octets();
  view->sockets = entrances_->counters();
  view->solve = solve_;
  if (solver_) view->solve.replaced = solver_->replaced();
  view->probes = probes_.figures();
  view->faults = judge_.open();
  view->faults.insert(view->faults.end(), past_faults_.begin(), past_faults_.end());
  view->faults_suppressed = judge_.suppressed();
  view->finder = finder_.figures();
  view->shelf = shelf_.figures();
  view->mail = notifier_->figures();
  view->sinks = notifier_->sink_figures();
  view->estimates = estimates_.size();
  view->estimates_refused = estimates_.refused();
  view->enrolled = registry_.enrolled_count();
  view->events = events_->count();
  view_.publish(std::move(view));
  {
    const std::lock_guard lock(view_mutex_);
    view_asked_ = false;
  }
  view_made_.notify_all();
}

void Collector::reconfigure(const CollectorConfig& config) {
  CollectorConfig changed = config;
  std::string restart;
  // What a restart alone can change, as it is.
  if (!(config.listen == config_.listen)) restart += " [listen]";
  changed.listen = config_.listen;
  changed.keys.curve_file = config_.keys.curve_file;
  changed.keys.curve_next_file = config_.keys.curve_next_file;
  changed.keys.enrolled_directory = config_.keys.enrolled_directory;
  if (!(config.keys == changed.keys)) restart += " [keys] curve files, enrolled_directory";
  if (config.store.path != config_.store.path) restart += " [store] path";
  changed.store.path = config_.store.path;
  Result<Keys> keys = load_keys(changed);
  if (!keys) {
    refuse_configuration(keys.error());
    return;
  }
  config_ = changed;
  policy_ = policy_of(config_);
  plans_.set_rules(plan_rules_of(config_, keys->probing, keys->probing_older));
  plans_dirty_ = true;
  publisher_.set_lifetimes({config_.routing.soft_expiry, config_.routing.hard_expiry});
  store_->reconfigure(config_.store.retention, config_.store.size_max,
                      config_.store.commit_interval);
  finder_.set_rules(config_.faults);
  ingest_->set_restart_grace(config_.routing.restart_grace);
  judge_.set_rules(config_.faults);
  notifier_->reconfigure({config_.mail, config_.alerts, config_.webhook});
  set_log_level(config_.log_level);
  tell(EventLevel::info, "config_reloaded", "",
       restart.empty() ? "all changes are in force" : "needs a restart to take effect:" + restart);
  use_keys(*keys);
}

// A new signer signs every table anew, so that the old key can be retired.
void Collector::use_keys(const Keys& keys) {
  if (keys.signing.public_key == publisher_.signer()) return;
  publisher_.set_key(keys.signing);
  Result<std::vector<PublishedTable>> signed_anew = publisher_.republish(clock_.now().wall);
  if (!signed_anew) {
    tell(EventLevel::error, "publish_failed", "", signed_anew.error().message);
    return;
  }
  send_tables(*signed_anew);
  tell(EventLevel::info, "signer_changed", "",
       fmt::format("{} tables are signed with the new key", signed_anew->size()));
}

void Collector::refuse_configuration(const Error& error) {
  tell(EventLevel::error, "config_refused", "", error.message + "; the old configuration stays");
}

}  // namespace linkpilot::collector
