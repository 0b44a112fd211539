// The engine as node 1 for stamp_interop_test.py: reflects for node 9 at ADDRESS and probes it at
// PORT. Prints its own reflector's port, runs until stdin closes and a while more, then prints its
// figures.
#include <fmt/format.h>
#include <poll.h>
#include <unistd.h>

#include <cstdio>
#include <cstdlib>
#include <thread>

#include "prober/stamp/engine.h"

namespace {

bool stdin_closed() {
  pollfd descriptor{.fd = 0, .events = POLLIN, .revents = 0};
  return poll(&descriptor, 1, 0) > 0;
}

}  // namespace

int main(int argc, char** argv) {
  using namespace linkpilot;
  if (argc != 3) return 2;
  const auto address = IpAddress::parse(argv[1]);
  if (!address) return 2;
  // A port of the process's own, so that test runs beside each other do not collide.
  const auto own_port = static_cast<std::uint16_t>(20'000 + getpid() % 12'000);
  prober::StampEngineOptions options;
  options.self = NodeId(1);
  options.answer_timeout = std::chrono::milliseconds(300);
  options.drain = std::chrono::milliseconds(400);
  options.ports.push_back({.index = PortIndex(0),
                           .isp = "",
                           .listen = *address,
                           .advertised = *address,
                           .stamp_port = own_port,
                           .capacity = {},
                           .bill = ""});
  auto engine = prober::StampEngine::create(options);
  if (!engine) {
    fmt::print(stderr, "{}\n", engine.error().message);
    return 1;
  }
  fmt::print("{}\n", own_port);
  std::fflush(stdout);
  SystemClock clock;
  const PlannedLink planned{
      .link = {{NodeId(1), PortIndex(0)}, {NodeId(9), PortIndex(0)}},
      .peer = {*address, static_cast<std::uint16_t>(std::strtoul(argv[2], nullptr, 10))},
      .interval = std::chrono::milliseconds(20),
      .secret = {}};
  (*engine)->apply(std::vector{planned}, clock.now());
  std::uint64_t answered = 0;
  Duration rtt_max{};
  MonoTime end{};
  for (Now now = clock.now(); end.ns == 0 || now.mono < end; now = clock.now()) {
    (*engine)->tick(now);
    for (const LinkSample& sample : (*engine)->take_samples(now)) {
      answered += sample.answered;
      rtt_max = std::max(rtt_max, sample.rtt_max);
    }
    if (end.ns == 0 && stdin_closed()) {
      (*engine)->apply({}, now);
      end = now.mono + std::chrono::milliseconds(1600);
    }
    std::this_thread::sleep_for(std::chrono::milliseconds(2));
  }
  fmt::print("answered {}\nreflected {}\nrtt_max_us {}\n", answered,
             (*engine)->counters().probes_reflected, rtt_max.count() / 1000);
  return 0;
}
