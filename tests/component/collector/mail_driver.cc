// The part of the collector between "people should hear of this" and the SMTP server, alone: opens
// the store, tells of COUNT faults that it has not told of yet, and runs until the spool is empty.
//
//   mail_driver CONFIG COUNT
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

int run(const std::string& path, int count) {
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
  for (const Fault& fault : restored.open_faults) told.insert(fault.id);
  asio::io_context loop(1);
  EventLog events(**store, {});
  Notifier notifier(loop, config->mail, **store, events, std::move(restored.mails));
  (*store)->start(
      [&](Commit commit) { asio::post(loop, [&, commit] { notifier.on_commit(commit); }); },
      [](Status) {});
  notifier.start();
  const Now now = SystemClock().now();
  for (int i = 0; i < count; ++i) {
    const FaultChange change = change_number(i, now.wall);
    if (told.contains(change.fault.id)) continue;
    notifier.tell(change, now);
  }
  const SignalWatch signals(loop, [&loop] { loop.stop(); }, [] {});
  asio::steady_timer pulse(loop);
  std::function<void()> beat = [&] {
    notifier.on_timer(SystemClock().now());
    pulse.expires_after(std::chrono::milliseconds(20));
    pulse.async_wait([&](std::error_code error) {
      if (error) return;
      // What was told goes through the store first.
      if (SystemClock().now().mono - now.mono > std::chrono::seconds(1) &&
          notifier.figures().waiting == 0) {
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
  if (argc != 3) return 2;
  std::signal(SIGPIPE, SIG_IGN);
  return run(argv[1], std::atoi(argv[2]));
}
