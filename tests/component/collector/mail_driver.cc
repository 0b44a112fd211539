// The part of the collector between "people should hear of this" and the SMTP server, alone: opens
// the store, tells of COUNT faults that it has not told of yet, and runs until nothing waits.
//
//   mail_driver CONFIG COUNT [resolve|links|hostile]
//
// resolve: and that they are over, a second later. links: faults of links, with a chart. hostile:
// names that try to break out.
#include <fmt/format.h>

#include <asio/io_context.hpp>
#include <asio/post.hpp>
#include <asio/steady_timer.hpp>
#include <csignal>
#include <cstdlib>
#include <set>

#include "base/runtime/lifecycle.h"
#include "collector/config/config.h"
#include "collector/notify/notifier.h"
#include "collector/store/event_log.h"
#include "collector/store/store.h"

namespace {

using namespace linkpilot;
using namespace linkpilot::collector;

FaultChange change_number(int number, UnixNanos now) {
  Fault fault;
  fault.key = fmt::format("node:n{}", number);
  fault.since = UnixNanos{1'795'271'400'000'000'000 + number};
  fault.id = fault_id(fault.key, fault.since);
  fault.scope = FaultScope::node;
  fault.nodes = {NodeId{static_cast<std::uint16_t>(number + 1)}};
  fault.members = {fmt::format("n{}", number)};
  fault.opened = fault.updated = now;
  fault.events = 1;
  fault.detail = "node silent, no peer reaches it: \xC3\xBC";
  return {FaultEvent::opened, fault};
}

Fault link_number(int number, UnixNanos now) {
  Fault fault = change_number(number, now).fault;
  fault.scope = FaultScope::link;
  fault.grade = number % 2 == 0 ? FaultGrade::dead : FaultGrade::degraded;
  fault.since = now - std::chrono::seconds(40);
  fault.key = fmt::format("link:frankfurt-{}:singapore", number);
  fault.id = fault_id(fault.key, fault.since);
  fault.nodes = {NodeId{1}, NodeId{2}};
  fault.members = {fmt::format("frankfurt-{}", number), "singapore-1"};
  fault.detail =
      fmt::format("packets are slow or lost from {} to {}", fault.members[0], fault.members[1]);
  for (const bool forward : {true, false}) {
    FaultLink link;
    const PortId here{NodeId{1}, PortIndex{0}};
    const PortId there{NodeId{2}, PortIndex{0}};
    link.link = forward ? LinkId{here, there} : LinkId{there, here};
    link.text =
        fmt::format("{}/0>{}/0", fault.members[forward ? 0 : 1], fault.members[forward ? 1 : 0]);
    link.grade = forward ? fault.grade : FaultGrade::degraded;
    link.rtt_ms_before = 152.3;
    link.loss_ratio_before = 0.001;
    link.rtt_ms = 211.8;
    link.loss_ratio = forward && number % 2 == 0 ? 1 : 0.041;
    link.seen = forward ? "confirmed by singapore-1, last heard 2026-11-21T14:29:51.600Z" : "";
    fault.links.push_back(link);
  }
  fault.links_total = 2;
  fault.routes = {"14:29:52.100: frankfurt > mumbai > singapore instead of frankfurt > singapore"};
  fault.routes_total = 14;
  return fault;
}

FaultBackground background_of(const Fault& fault) {
  FaultBackground background;
  background.regions = {"eu-central", "ap-southeast"};
  background.vendors = {"Telecom"};
  for (const FaultLink& link : fault.links) {
    LinkTrace trace{link.link, "198.51.100.7 (Telecom)", "203.0.113.9 (Singtel)", {}};
    const float apart = 9.0F * static_cast<float>(background.links.size());  // one hides the other
    for (int i = 0; i < 120; ++i) {
      const bool after = i >= 112 - (fault.open() ? 0 : 40);
      const auto noise = static_cast<float>(i * 7919 % 13) / 4.0F;
      const bool dead = after && link.grade == FaultGrade::dead;
      trace.points.push_back({fault.updated - std::chrono::seconds(5) * (120 - i),
                              dead ? -1.0F : (after ? 208.0F : 151.0F) + apart + noise,
                              dead ? 1.0F : (after ? 0.04F : 0.0F) + noise / 500.0F});
    }
    background.links.push_back(trace);
  }
  return background;
}

Fault hostile(Fault fault) {
  fault.members = {"n\r\nBcc: evil@example.net\r\n\r\n<script>x</script>"};
  fault.detail = "\x01\xff\r\n.\r\nRCPT TO:<evil@example.net>";
  return fault;
}

int run(const std::string& path, int count, const std::string& mode) {
  const Result<CollectorConfig> config = load_config(path);
  if (!config) {
    fmt::print(stderr, "{}\n", config.error().message);
    return 2;
  }
  StoreOptions options;
  options.path = config->store.path;
  options.retention = std::chrono::hours(1);
  options.size_max = Bytes{1ULL << 40};
  options.commit_interval = std::chrono::milliseconds(1);
  Restored restored;
  Result<std::unique_ptr<Store>> store = Store::open(options, SystemClock().now().wall, restored);
  if (!store) {
    fmt::print(stderr, "{}\n", store.error().message);
    return 2;
  }
  std::set<std::string> told;
  NotifierPast past{std::move(restored.mails), std::move(restored.notices), restored.open_faults};
  for (const std::vector<Fault>* faults : {&restored.open_faults, &restored.past_faults}) {
    for (const Fault& fault : *faults) told.insert(fault.id);
  }
  asio::io_context loop(1);
  EventLog events(**store, {});
  NotifierHooks hooks;
  hooks.background = &background_of;
  Notifier notifier(loop, {config->mail, config->alerts, config->webhook}, **store, events,
                    std::move(hooks), std::move(past));
  (*store)->start(
      [&](Commit commit) { asio::post(loop, [&, commit] { notifier.on_commit(commit); }); },
      [](Status) {});
  notifier.start();
  const Now now = SystemClock().now();
  std::vector<Fault> open;
  for (int i = 0; i < count; ++i) {
    Fault fault = mode == "links" ? link_number(i, now.wall) : change_number(i, now.wall).fault;
    if (mode == "hostile") fault = hostile(std::move(fault));
    if (told.contains(fault.id)) continue;
    notifier.tell(FaultChange{FaultEvent::opened, fault}, now);
    open.push_back(std::move(fault));
  }
  if (mode != "resolve") open.clear();
  const SignalWatch signals(loop, [&loop] { loop.stop(); }, [] {});
  asio::steady_timer pulse(loop);
  std::function<void()> beat = [&] {
    notifier.on_timer(SystemClock().now());
    pulse.expires_after(std::chrono::milliseconds(20));
    pulse.async_wait([&](std::error_code error) {
      if (error) return;
      const Now later = SystemClock().now();
      if (later.mono - now.mono < std::chrono::seconds(1)) return beat();
      for (Fault& fault : std::exchange(open, {})) {
        fault.resolved = fault.updated = later.wall;
        fault.outcome = "it is heard and reached again";
        ++fault.events;
        notifier.tell(FaultChange{FaultEvent::resolved, std::move(fault)}, later);
      }
      if (notifier.idle() && notifier.sink_figures().alerts_waiting == 0) {
        loop.stop();
        return;
      }
      beat();
    });
  };
  beat();
  loop.run();
  notifier.stop();
  loop.restart();
  loop.poll();  // what was settled last
  (*store)->stop();
  return 0;
}

}  // namespace

int main(int argc, char** argv) {
  if (argc != 3 && argc != 4) return 2;
  std::signal(SIGPIPE, SIG_IGN);
  return run(argv[1], std::atoi(argv[2]), argc > 3 ? argv[3] : "");
}
