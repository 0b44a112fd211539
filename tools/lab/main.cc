// linkpilot-lab: the WAN emulator. Wiring and command line only.
#include <fmt/format.h>

#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "base/runtime/command_line.h"
#include "tools/lab/control_socket.h"
#include "tools/lab/lab_run.h"
#include "tools/lab/namespaces.h"
#include "tools/lab/topology_file.h"

namespace {

using linkpilot::Command;
using linkpilot::CommandLine;
using linkpilot::Error;
using linkpilot::lab::RunOptions;

constexpr int kExitNegative = 1;
constexpr int kExitUsage = 2;
constexpr int kExitUnavailable = 3;

int complain(const Error& error) {
  fmt::print(stderr, "linkpilot-lab: {}\n", error.message);
  const bool usage = error.code == linkpilot::ErrorCode::invalid_argument ||
                     error.code == linkpilot::ErrorCode::corrupt;
  return usage ? kExitUsage : kExitUnavailable;
}

int run(const RunOptions& options) {
  // Mistakes in the file come first: they need no root to be found.
  if (const auto topology = linkpilot::lab::read_topology(options.topology); !topology) {
    return complain(topology.error());
  }
  const std::vector<std::string> missing = linkpilot::lab::missing_requirements();
  for (const std::string& what : missing) {
    fmt::print(stderr, "linkpilot-lab: this machine lacks {}\n", what);
  }
  if (!missing.empty()) return kExitUnavailable;
  const linkpilot::Status status = linkpilot::lab::run_lab(options);
  return status ? 0 : complain(status.error());
}

int clean(const std::string& prefix) {
  const auto removed = linkpilot::lab::clean_lab(prefix);
  if (!removed) return complain(removed.error());
  fmt::print("removed {} namespaces\n", *removed);
  return 0;
}

int check(const std::string& path) {
  const auto topology = linkpilot::lab::read_topology(path);
  if (!topology) return complain(topology.error());
  fmt::print("{}: fine: {} regions, {} nodes\n", path, topology->regions.size(),
             topology->nodes.size());
  return 0;
}

// Prints the lab's answer as it came: one JSON object a line, for people with jq and for programs.
int ask(const std::string& control, const nlohmann::ordered_json& request) {
  const auto answer = linkpilot::lab::ask_control(control, request.dump());
  if (!answer) return complain(answer.error());
  const auto json = nlohmann::json::parse(*answer, nullptr, false);
  if (json.is_object() && json.value("ok", false)) {
    fmt::print("{}\n", *answer);
    return 0;
  }
  fmt::print(stderr, "linkpilot-lab: {}\n",
             json.is_object() ? json.value("error", *answer) : *answer);
  return kExitNegative;
}

// Command-line words of `fault` and `heal`; only what was given goes into the request.
struct FaultWords {
  nlohmann::ordered_json request;

  void text(Command command, const std::string& flag, const char* key, const std::string& help) {
    command.on_option<std::string>(
        flag, [this, key](const std::string& value) { request[key] = value; }, help);
  }
  void number(Command command, const std::string& flag, const char* key, const std::string& help) {
    command.on_option<double>(
        flag, [this, key](const double& value) { request[key] = value; }, help);
  }
  void both(Command command) {
    command.on_flag(
        "--both", [this] { request["both"] = true; }, "the same in the opposite direction");
  }
};

void add_run(Command app, RunOptions& options, bool& ordinary_priority) {
  Command command = app.verb("run", "Bring the emulated network up, until Ctrl-C");
  command.option("--topology", options.topology, "Topology file (TOML)").required();
  command
      .option("--prefix", options.prefix,
              "Names of this run's namespaces begin with it; one run at a time per prefix")
      .required();
  command.option("--control", options.control, "Unix socket that takes commands").required();
  command.option("--ledger", options.ledger, "File for the ledger; without it none is kept");
  command.option("--seed", options.seed, "Seed of all chance (default 1)");
  command
      .option("--spin-us", options.spin_us,
              "Spin this long before each deadline; 0: never (default 70)")
      .range(0, 200);
  command.flag("--ordinary-priority", ordinary_priority,
               "No real-time scheduling: delays are then late by milliseconds on a busy machine");
}

Command add_fault(Command app, FaultWords& words) {
  Command command = app.verb(
      "fault",
      "Change the network while it runs. Kinds and what they take:\n"
      "  blackhole   --from --to [--both] [--flow N]   drops everything, at entry\n"
      "  delay       --from --to [--both] --add-ms N\n"
      "  jitter      --from --to [--both] --jitter-ms N\n"
      "  loss        --from --to [--both] --ratio R\n"
      "  burst_loss  --from --to [--both] --ratio R --mean-ms N\n"
      "  reorder     --from --to [--both] --ratio R --delay-ms N\n"
      "  duplicate   --from --to [--both] --ratio R\n"
      "  rate        --from --to [--both] --bits-per-second N [--queue-ms N]\n"
      "  mtu         --from --to [--both] --mtu N\n"
      "  node_down   --node NAME\n"
      "  region_cut  --region NAME\n"
      "The answer's time_ns is the moment it took effect, its id is what `heal --id` takes.");
  command
      .on_option<std::string>(
          "kind", [&words](const std::string& kind) { words.request["kind"] = kind; },
          "What happens")
      .required();
  words.text(command, "--from", "from", "Sending node; '*': every node but the collector");
  words.text(command, "--to", "to", "Receiving node; '*': every node but the collector");
  words.both(command);
  words.text(command, "--node", "node", "Node that dies");
  words.text(command, "--region", "region", "Region that is cut off");
  words.number(command, "--flow", "flow", "Only this ECMP sibling");
  words.number(command, "--add-ms", "add_ms", "Delay added to what there is");
  words.number(command, "--jitter-ms", "jitter_ms", "Jitter instead of what there is");
  words.number(command, "--ratio", "ratio", "Share of packets (burst_loss: of time), 0 to 1");
  words.number(command, "--mean-ms", "mean_ms", "Mean length of a loss burst");
  words.number(command, "--delay-ms", "delay_ms", "How long a reordered packet is held back");
  words.number(command, "--bits-per-second", "bits_per_second", "Rate of the link");
  words.number(command, "--queue-ms", "queue_ms", "Longest wait for the rate before a drop");
  words.number(command, "--mtu", "mtu", "Largest IP packet, octets");
  return command;
}

Command add_heal(Command app, FaultWords& words) {
  Command command = app.verb("heal", "Lift faults: those that match, or, without a word, all");
  words.number(command, "--id", "id", "The fault with this number");
  words.text(command, "--from", "from", "Faults of links from this node");
  words.text(command, "--to", "to", "Faults of links to this node");
  words.both(command);
  words.text(command, "--node", "node", "This node comes back");
  words.text(command, "--region", "region", "This region comes back");
  words.text(command, "--kind", "kind", "Only faults of this kind");
  return command;
}

}  // namespace

int main(int argc, char** argv) {
  CommandLine words(
      "linkpilot-lab emulates a wide-area network on one machine: a network namespace per node, "
      "and\n"
      "between them the delay, jitter, loss, order, rate, MTU and routers of a topology file. What "
      "it\n"
      "did to each packet is in the ledger (tools/lab/ledger.h, read by tools/lab/ledger.py).\n\n"
      "  sudo linkpilot-lab run --topology tools/lab/topology/triangle-3.toml --prefix lab \\\n"
      "      --control /run/lab.sock --ledger /tmp/lab.ledger\n"
      "  sudo ip netns exec lab-ams ping 10.77.3.1\n"
      "  sudo linkpilot-lab fault --control /run/lab.sock blackhole --from ams --to sgp --both\n"
      "  sudo linkpilot-lab heal --control /run/lab.sock",
      "linkpilot-lab 0.1.0");
  Command app = words.root();
  app.needs_verb();
  RunOptions options;
  bool ordinary_priority = false;
  add_run(app, options, ordinary_priority);
  FaultWords fault{{{"op", "fault"}}};
  FaultWords heal{{{"op", "heal"}}};
  nlohmann::ordered_json status{{"op", "status"}};
  const Command status_command = app.verb(
      "status", "How the lab is doing: packets by fate, its own lateness, drops, faults, doubts");
  status_command.on_flag(
      "--reset", [&status] { status["reset"] = true; }, "begin the lateness figures anew");
  const std::vector<Command> asking = {
      add_fault(app, fault), add_heal(app, heal), status_command,
      app.verb("links", "Every ordered pair: settings in force, packets sent and delivered"),
      app.verb("flush", "Return when the ledger file holds everything so far")};
  std::string control;
  for (Command verb : asking) {
    verb.option("--control", control, "The running lab's socket").required();
  }
  std::string prefix;
  app.verb("clean", "Remove what a killed run of a prefix left behind")
      .option("--prefix", prefix, "The run's prefix")
      .required();
  std::string topology;
  app.verb("check", "Read a topology file and name its mistakes")
      .option("topology", topology, "Topology file (TOML)")
      .required();
  if (const auto code = words.parse(argc, argv)) return *code;
  const std::string verb = app.chosen_verb();
  options.real_time = !ordinary_priority;
  if (verb == "run") return run(options);
  if (verb == "clean") return clean(prefix);
  if (verb == "check") return check(topology);
  if (verb == "fault") return ask(control, fault.request);
  if (verb == "heal") return ask(control, heal.request);
  if (verb == "status") return ask(control, status);
  return ask(control, {{"op", verb}});
}
