// linkpilot-fleet: many agents in one process, against one real collector. A load generator and a
// check of what the collector promises; it measures no links.
#include <fmt/format.h>
#include <sys/resource.h>

#include <cstdio>

#include "base/runtime/command_line.h"
#include "tools/fleet/load.h"
#include "tools/fleet/storm.h"

namespace {

using namespace linkpilot;
using namespace linkpilot::fleet;

constexpr int kFailed = 1;
constexpr int kUsage = 2;
constexpr auto kConnectPatience = std::chrono::seconds(60);

int complain(const Error& error) {
  fmt::print(stderr, "linkpilot-fleet: {}\n", error.message);
  return kFailed;
}

// Every agent takes half a dozen descriptors.
void raise_descriptor_limit() {
  rlimit limit{};
  if (getrlimit(RLIMIT_NOFILE, &limit) != 0) return;
  limit.rlim_cur = limit.rlim_max;
  (void)setrlimit(RLIMIT_NOFILE, &limit);
}

struct Arguments {
  FleetOptions fleet;
  std::string enrolled;
  LoadOptions load;
  StormOptions storm;
  double calm_s = 5;
  double drain_max_s = 90;
  double warm_up_s = 3;
  double length_s = 15;
};

void add_fleet_options(Command command, Arguments& arguments) {
  FleetOptions& fleet = arguments.fleet;
  command.option("--keys", fleet.keys_directory, "directory of the agents' keys").required();
  command.option("--agents", fleet.agents, "how many").shows_default();
  command.option("--collector", fleet.collector, "its address, tcp://HOST:PORT").required();
  command.option("--collector-key", fleet.collector_key, "its public key, or a file with it")
      .required();
  command.option("--links", fleet.mill.links, "link samples a report (at most 4096)")
      .shows_default()
      .range(1, 4096);
  command.option("--cells", fleet.mill.cells, "cells of each sample's RTT sketch")
      .shows_default()
      .range(1, 200);
}

Duration duration_of(double seconds) { return Duration(static_cast<std::int64_t>(seconds * 1e9)); }

}  // namespace

int main(int argc, char** argv) {
  Arguments arguments;
  CommandLine words(
      "Plays a fleet of agents against one collector: real CURVE keys and sockets, real codec,\n"
      "no measuring. First give the agents keys the collector knows, then load it:\n\n"
      "  linkpilot-fleet enrol --keys K --enrolled /etc/linkpilot/enrolled --agents 200\n"
      "  linkpilot-fleet load  --keys K --collector tcp://127.0.0.1:7100 \\\n"
      "      --collector-key /etc/linkpilot/collector.key.pub --rate 1000000 --seconds 15\n\n"
      "Results are one JSON object on stdout, progress goes to stderr. Do not point it at a\n"
      "collector that serves: its agents take part in plans and tables.");
  Command app = words.root();
  app.needs_verb();
  Command enrol = app.verb("enrol",
                           "make keys and drop them into the collector's "
                           "enrolled directory");
  enrol.option("--keys", arguments.fleet.keys_directory, "directory of the agents' keys")
      .required();
  enrol.option("--agents", arguments.fleet.agents, "how many").shows_default();
  enrol.option("--enrolled", arguments.enrolled, "the collector's enrolled directory").required();
  Command load = app.verb("load",
                          "reports at a set rate; acknowledgements timed from "
                          "when each report was due");
  add_fleet_options(load, arguments);
  load.option("--rate", arguments.load.samples_per_second,
              "link samples a second of the whole fleet; 0: as fast as windows allow")
      .shows_default();
  load.option("--window", arguments.load.window, "unacknowledged reports an agent").shows_default();
  load.option("--warm-up", arguments.warm_up_s, "seconds before measuring").shows_default();
  load.option("--seconds", arguments.length_s, "seconds measured").shows_default();
  load.option("--collector-pid", arguments.load.collector_pid,
              "process whose CPU time is measured");
  load.option("--store", arguments.load.store,
              "the collector's [store] path: read afterwards and held against what was sent");
  load.option("--reread", arguments.load.reread, "samples compared with the store's")
      .shows_default();
  Command storm = app.verb("storm",
                           "lose the collector and come back all at once with "
                           "full spools; says when to kill it");
  add_fleet_options(storm, arguments);
  storm.option("--history", arguments.storm.history, "reports of each agent before the outage")
      .shows_default();
  storm.option("--backlog", arguments.storm.backlog, "reports in each spool after it")
      .shows_default();
  storm.option("--calm", arguments.calm_s, "seconds of alarms before the outage").shows_default();
  storm.option("--drain-max", arguments.drain_max_s, "seconds after which a drain is given up")
      .shows_default();
  storm.option("--alarms", arguments.storm.alarms_per_second, "a second, of the whole fleet")
      .shows_default()
      .range(0.1, 1000.0);
  storm.option("--store", arguments.storm.store, "the collector's [store] path").required();
  if (const auto code = words.parse(argc, argv)) return *code;
  raise_descriptor_limit();
  if (app.chosen_verb() == "enrol") {
    const Status status =
        enrol_fleet(arguments.fleet.keys_directory, arguments.enrolled, arguments.fleet.agents);
    return status ? 0 : complain(status.error());
  }
  if (app.chosen_verb() == "storm") {
    arguments.storm.calm = duration_of(arguments.calm_s);
    arguments.storm.drain_max = duration_of(arguments.drain_max_s);
    return run_storm(arguments.fleet, arguments.storm);
  }
  arguments.load.warm_up = duration_of(arguments.warm_up_s);
  arguments.load.length = duration_of(arguments.length_s);
  FleetRun fleet(arguments.fleet);
  if (Status status = fleet.connect(kConnectPatience); !status) return complain(status.error());
  return run_load(fleet, arguments.load);
}
