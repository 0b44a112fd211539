#include "tools/fleet/storm.h"

#include <fmt/format.h>

#include <algorithm>
#include <asio/executor_work_guard.hpp>
#include <asio/steady_timer.hpp>
#include <cstdio>
#include <nlohmann/json.hpp>

#include "base/rng.h"
#include "tools/fleet/store_check.h"
#include "tools/fleet/storm_agent.h"

namespace linkpilot::fleet {

namespace {

constexpr int kStormFailed = 1;
constexpr auto kAgentTick = std::chrono::milliseconds(10);
constexpr auto kStartPatience = std::chrono::seconds(120);
constexpr Duration kAlarmLasts = std::chrono::milliseconds(1500);

int complain_storm(const std::string& what) {
  fmt::print(stderr, "linkpilot-fleet: {}\n", what);
  return kStormFailed;
}

// Suspicions of links of agents drawn at random, each taken back a little later.
class Alarms {
 public:
  Alarms(std::vector<std::unique_ptr<StormAgent>>& agents, double per_second)
      : agents_(agents), pause_(static_cast<std::int64_t>(1e9 / per_second)) {}

  void step(Now now) {
    for (; !open_.empty() && now.mono - open_.front().raised > kAlarmLasts;
         open_.erase(open_.begin())) {
      say(open_.front().agent, LinkState::alive, now);
    }
    if (now.mono < next_) return;
    next_ = now.mono + pause_;
    const std::size_t at = rng_.below(agents_.size());
    const bool is_open =
        std::ranges::any_of(open_, [&](const Open& each) { return each.agent == at; });
    // What an absent collector delays is not the drain's fault.
    if (is_open || !agents_[at]->online()) return;
    open_.push_back({at, now.mono});
    say(at, LinkState::suspect, now);
    raised_.push_back({agents_[at]->name(), now.wall.ns});
  }
  void end(Now now) {
    for (const Open& each : open_) say(each.agent, LinkState::alive, now);
    open_.clear();
  }
  // [agent, unix ns] of every suspicion since the last call.
  [[nodiscard]] nlohmann::json take_raised() {
    return std::exchange(raised_, nlohmann::json::array());
  }

 private:
  struct Open {
    std::size_t agent = 0;
    MonoTime raised;
  };
  void say(std::size_t at, LinkState state, Now now) {
    Alarm alarm;
    const NodeId peer = agents_[(at + 1) % agents_.size()]->id();
    alarm.link = {{agents_[at]->id(), PortIndex{0}}, {peer, PortIndex{0}}};
    alarm.state = state;
    alarm.since = now.wall;
    agents_[at]->raise(alarm, now);
  }

  std::vector<std::unique_ptr<StormAgent>>& agents_;
  Duration pause_;
  MonoTime next_;
  Rng rng_{7};
  std::vector<Open> open_;
  nlohmann::json raised_ = nlohmann::json::array();
};

void tell_storm(std::string_view what) { fmt::print(stderr, "{}\n", what); }

class Storm {
 public:
  explicit Storm(const FleetOptions& fleet) : fleet_(fleet) { fleet_.mill.epoch = new_epoch(); }

  Status make_agents() {
    const Result<std::string> server_key = load_curve_public_key(fleet_.collector_key);
    if (!server_key) return fail(server_key.error().in("--collector-key"));
    for (std::size_t i = 0; i < fleet_.agents; ++i) {
      Result<AgentIdentity> identity = load_identity(fleet_.keys_directory, i);
      if (!identity) return fail(identity.error());
      agents_.push_back(std::make_unique<StormAgent>(loop_, *std::move(identity), fleet_.collector,
                                                     *server_key, fleet_.mill.epoch));
    }
    return {};
  }
  void make_mills() {
    std::vector<NodeId> nodes;
    for (const auto& agent : agents_) nodes.push_back(agent->id());
    for (auto& agent : agents_) {
      agent->use_mill(std::make_unique<ReportMill>(agent->id(), nodes, fleet_.mill));
    }
  }
  // Ticks until `done`, at most `patience`; true if it came.
  template <typename Done>
  bool run(Done done, Duration patience, Alarms* alarms = nullptr) {
    const MonoTime began = SystemClock().now().mono;
    asio::steady_timer timer(loop_);
    for (auto at = std::chrono::steady_clock::now();;
         at = std::max(at + kAgentTick, std::chrono::steady_clock::now())) {
      bool is_due = false;
      timer.expires_at(at);
      timer.async_wait([&](const asio::error_code&) { is_due = true; });
      while (!is_due) loop_.run_one();
      loop_.poll();  // a tick that comes late does not take the turn of what came in
      const Now now = SystemClock().now();
      if (alarms != nullptr) alarms->step(now);
      for (auto& agent : agents_) agent->tick(now);
      if (done()) return true;
      if (now.mono - began > patience) return false;
    }
  }
  [[nodiscard]] std::size_t online() const {
    return static_cast<std::size_t>(
        std::ranges::count_if(agents_, [](const auto& agent) { return agent->online(); }));
  }
  [[nodiscard]] bool all_acked() const {
    return std::ranges::all_of(
        agents_, [](const auto& agent) { return agent->acked() == agent->spooled(); });
  }
  void spool(std::uint64_t reports) {
    for (auto& agent : agents_) agent->spool(reports);
  }
  [[nodiscard]] std::vector<std::unique_ptr<StormAgent>>& agents() { return agents_; }
  [[nodiscard]] std::vector<SentReports> sent() const {
    std::vector<SentReports> out;
    for (const auto& agent : agents_) {
      out.push_back({agent->id(), fleet_.mill.epoch, agent->acked(), agent->mill()});
    }
    return out;
  }

 private:
  FleetOptions fleet_;
  asio::io_context loop_{1};
  // Without work for a moment, a loop stops for good.
  asio::executor_work_guard<asio::io_context::executor_type> open_{loop_.get_executor()};
  std::vector<std::unique_ptr<StormAgent>> agents_;
};

nlohmann::json figures_of(Storm& storm, bool drained, UnixNanos drained_at) {
  nlohmann::json out;
  UnixNanos last_online;
  UnixNanos last_ack;
  std::uint64_t unacked = 0;
  std::uint64_t timeouts = 0;
  for (const auto& agent : storm.agents()) {
    last_online = std::max(last_online, agent->online_since());
    last_ack = std::max(last_ack, agent->first_ack().value_or(UnixNanos{}));
    unacked += agent->spooled() - agent->acked();
    timeouts += agent->ack_timeouts();
  }
  out["agents"] = storm.agents().size();
  out["links_per_report"] = storm.agents().front()->mill()->links();
  out["report_octets"] = storm.agents().front()->mill()->make(1, UnixNanos{1}).size();
  out["online"] = storm.online();
  out["last_online_unix_ns"] = last_online.ns;
  out["last_first_ack_unix_ns"] = last_ack.ns;
  out["drained"] = drained;
  out["drained_unix_ns"] = drained_at.ns;
  out["reports_unacked"] = unacked;
  out["ack_timeouts"] = timeouts;
  return out;
}

}  // namespace

int run_storm(const FleetOptions& fleet, const StormOptions& options) {
  Storm storm(fleet);
  if (Status status = storm.make_agents(); !status) return complain_storm(status.error().message);
  const auto all_online = [&] { return storm.online() == storm.agents().size(); };
  const auto all_acked = [&] { return storm.all_acked(); };
  if (!storm.run(all_online, kStartPatience)) {
    return complain_storm(fmt::format("{} of {} agents are welcome", storm.online(), fleet.agents));
  }
  tell_storm(fmt::format("{} agents are welcome", fleet.agents));
  storm.make_mills();
  storm.spool(options.history);
  if (!storm.run(all_acked, kStartPatience)) return complain_storm("the history is not taken");

  tell_storm("the history is taken; calm begins");
  Alarms alarms(storm.agents(), options.alarms_per_second);
  const auto never = [] { return false; };
  storm.run(never, options.calm, &alarms);
  alarms.end(SystemClock().now());
  storm.run(never, 2 * kAlarmLasts);
  const nlohmann::json calm_alarms = alarms.take_raised();
  fmt::print("{}\n", nlohmann::json{{"phase", "calm"}}.dump());
  std::fflush(stdout);

  const auto all_gone = [&] { return storm.online() == 0; };
  if (!storm.run(all_gone, kStartPatience)) return complain_storm("the collector stays");
  tell_storm("the collector is gone; spools fill");
  storm.spool(options.backlog);
  if (!storm.run(all_online, kStartPatience, &alarms)) {
    return complain_storm(fmt::format("{} of {} agents are back", storm.online(), fleet.agents));
  }
  tell_storm("all are back; spools drain");
  const bool drained = storm.run(all_acked, options.drain_max, &alarms);
  const UnixNanos drained_at = SystemClock().now().wall;
  alarms.end(SystemClock().now());
  storm.run(never, kAlarmLasts);
  nlohmann::json out = figures_of(storm, drained, drained_at);
  out["alarms_calm"] = calm_alarms;
  out["alarms_drain"] = alarms.take_raised();
  const Result<StoreCheck> check = check_store(storm.sent(), options.store, options.reread);
  if (!check) return complain_storm(check.error().message);
  out["store"] = {{"reports", check->reports},
                  {"twice", check->twice},
                  {"missing", check->missing},
                  {"reread_equal", check->reread_equal}};
  fmt::print("{}\n", out.dump());
  return 0;
}

}  // namespace linkpilot::fleet
