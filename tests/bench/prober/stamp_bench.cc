// One STAMP engine on a tick, as an agent would run it, for tests/bench/prober/probe.py: probes
// every given peer from every own address, or only reflects, and prints one JSON object when it
// ends.
//
// It ends after --seconds of probing and the drain, or, without --seconds, when stdin closes.
#include <fmt/format.h>
#include <poll.h>
#include <sys/resource.h>
#include <time.h>

#include <cstdio>
#include <string>
#include <vector>

#include "base/runtime/command_line.h"
#include "prober/stamp/engine.h"

namespace {

using linkpilot::Duration;
using linkpilot::LinkSample;
using linkpilot::Now;

struct Arguments {
  std::uint16_t self = 1;
  std::vector<std::string> addresses;
  std::uint16_t port = 862;
  std::vector<std::string> peers;  // NODE/PORT@ENDPOINT
  std::uint64_t interval_ns = 10'000'000;
  std::uint8_t flows = 1;
  double ceiling = 1e6;
  double reflect_ceiling = 1e6;
  std::uint64_t tick_us = 5000;
  double seconds = 0;
  std::string results;
};

struct Totals {
  std::uint64_t sent = 0, answered = 0, late = 0, lost = 0, missed = 0, errors = 0;

  void add(const LinkSample& sample) {
    sent += sample.sent;
    answered += sample.answered;
    late += sample.late;
    lost += std::uint64_t{sample.lost_forward} + sample.lost_backward + sample.lost_unplaced;
    missed += sample.missed_by_us;
    errors += sample.local_send_error;
  }
};

Arguments parse(int argc, char** argv) {
  Arguments arguments;
  linkpilot::CommandLine words("One STAMP engine on a tick");
  linkpilot::Command app = words.root();
  app.option("--self", arguments.self, "own node number");
  app.option("--address", arguments.addresses, "own addresses, one per port").required();
  app.option("--port", arguments.port, "UDP port of the reflectors");
  app.option("--peer", arguments.peers, "NODE/PORT@ADDRESS:UDP_PORT");
  app.option("--interval-ns", arguments.interval_ns, "between probes of one link");
  app.option("--flows", arguments.flows);
  app.option("--ceiling", arguments.ceiling, "probes per second");
  app.option("--reflect-ceiling", arguments.reflect_ceiling, "answers per second");
  app.option("--tick-us", arguments.tick_us);
  app.option("--seconds", arguments.seconds);
  app.option("--results", arguments.results, "CSV of every probe: flow,sequence,rtt_ns");
  if (const auto code = words.parse(argc, argv)) std::exit(*code);
  return arguments;
}

std::vector<linkpilot::PlannedLink> plan_of(const Arguments& arguments) {
  std::vector<linkpilot::PlannedLink> links;
  for (const std::string& text : arguments.peers) {
    const std::size_t slash = text.find('/');
    const std::size_t at = text.find('@');
    const auto endpoint = linkpilot::Endpoint::parse(std::string_view(text).substr(at + 1));
    if (slash == std::string::npos || at == std::string::npos || !endpoint) {
      fmt::print(stderr, "'{}' is not NODE/PORT@ADDRESS:UDP_PORT\n", text);
      std::exit(2);
    }
    const linkpilot::PortId peer{
        linkpilot::NodeId(static_cast<std::uint16_t>(std::stoul(text.substr(0, slash)))),
        linkpilot::PortIndex(static_cast<std::uint8_t>(std::stoul(text.substr(slash + 1))))};
    for (std::size_t i = 0; i < arguments.addresses.size(); ++i) {
      links.push_back({.link = {{linkpilot::NodeId(arguments.self),
                                 linkpilot::PortIndex(static_cast<std::uint8_t>(i))},
                                peer},
                       .peer = *endpoint,
                       .interval = Duration(static_cast<std::int64_t>(arguments.interval_ns)),
                       .flows = arguments.flows,
                       .secret = {}});
    }
  }
  return links;
}

linkpilot::prober::StampEngineOptions options_of(const Arguments& arguments) {
  linkpilot::prober::StampEngineOptions options;
  options.self = linkpilot::NodeId(arguments.self);
  options.probes_per_second_max = arguments.ceiling;
  options.reflect_per_second_max = arguments.reflect_ceiling;
  options.reflect_per_source_per_second_max = arguments.reflect_ceiling;
  options.seed = arguments.self;
  for (std::size_t i = 0; i < arguments.addresses.size(); ++i) {
    const auto address = linkpilot::IpAddress::parse(arguments.addresses[i]);
    if (!address) {
      fmt::print(stderr, "{}\n", address.error().message);
      std::exit(2);
    }
    options.ports.push_back({.index = linkpilot::PortIndex(static_cast<std::uint8_t>(i)),
                             .isp = "",
                             .listen = *address,
                             .advertised = *address,
                             .stamp_port = arguments.port,
                             .capacity = {},
                             .bill = ""});
  }
  return options;
}

double cpu_seconds() {
  rusage usage{};
  getrusage(RUSAGE_SELF, &usage);
  const auto seconds = [](const timeval& time) {
    return static_cast<double>(time.tv_sec) + static_cast<double>(time.tv_usec) * 1e-6;
  };
  return seconds(usage.ru_utime) + seconds(usage.ru_stime);
}

bool stdin_closed() {
  pollfd descriptor{.fd = 0, .events = POLLIN, .revents = 0};
  return poll(&descriptor, 1, 0) > 0;
}

void sleep_until(linkpilot::MonoTime time) {
  const timespec until{.tv_sec = time.ns / 1'000'000'000, .tv_nsec = time.ns % 1'000'000'000};
  clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &until, nullptr);
}

}  // namespace

int main(int argc, char** argv) {
  const Arguments arguments = parse(argc, argv);
  linkpilot::prober::StampEngineOptions options = options_of(arguments);
  std::FILE* results =
      arguments.results.empty() ? nullptr : std::fopen(arguments.results.c_str(), "w");
  if (results != nullptr) {
    options.on_result = [results](const linkpilot::prober::ProbeResult& result) {
      fmt::print(results, "{},{},{}\n", result.flow, result.sequence,
                 result.rtt ? result.rtt->count() : -1);
    };
  }
  auto engine = linkpilot::prober::StampEngine::create(options);
  if (!engine) {
    fmt::print(stderr, "{}\n", engine.error().message);
    return 1;
  }
  linkpilot::SystemClock clock;
  const std::vector<linkpilot::PlannedLink> plan = plan_of(arguments);
  Now now = clock.now();
  const linkpilot::MonoTime start = now.mono;
  const auto outcome = (*engine)->apply(plan, now);
  const Duration probing(static_cast<std::int64_t>(arguments.seconds * 1e9));
  const Duration tick = std::chrono::microseconds(arguments.tick_us);
  Totals totals;
  double probing_cpu = 0;
  for (linkpilot::MonoTime next = start;; next = std::max(next + tick, now.mono)) {
    sleep_until(next);
    now = clock.now();
    (*engine)->tick(now);
    for (const LinkSample& sample : (*engine)->take_samples(now)) totals.add(sample);
    const Duration elapsed = now.mono - start;
    if (arguments.seconds > 0) {
      if (elapsed > probing && probing_cpu == 0) {
        probing_cpu = cpu_seconds();
        (*engine)->apply({}, now);
      }
      if (elapsed > probing + std::chrono::milliseconds(4500)) break;
    } else if (stdin_closed()) {
      probing_cpu = cpu_seconds();
      break;
    }
  }
  if (results != nullptr) std::fclose(results);
  const auto& counters = (*engine)->counters();
  fmt::print(
      "{{\"sessions\":{},\"capped\":{},\"sent\":{},\"answered\":{},\"late\":{},\"lost\":{},"
      "\"missed\":{},\"send_errors\":{},\"reflected\":{},\"refused_rate\":{},\"unmatched\":{},"
      "\"queue_drops\":{},\"timestamps_missing\":{},\"cpu_s\":{:.6f},\"probing_cpu_s\":{:.6f}}}\n",
      outcome.sessions, outcome.capped, totals.sent, totals.answered, totals.late, totals.lost,
      totals.missed, totals.errors, counters.probes_reflected, counters.refused_rate,
      counters.answers_unmatched, counters.receive_queue_drops, counters.timestamps_missing,
      cpu_seconds(), probing_cpu);
  return 0;
}
