// Many pulls of one URL on one loop and one thread, fully measured: what they cost. Prints a line
// of JSON when all have their first key frame, or some never came to it, and the steady window
// begins; and one at its end. CPU is that of this process, memory what it grew by since before the
// first dial, socket buffers being the kernel's.
#include <fmt/format.h>
#include <sys/resource.h>

#include <cstdio>
#include <fstream>
#include <memory>
#include <string>
#include <vector>

#include "base/runtime/command_line.h"
#include "prober/media/dial/dial.h"
#include "prober/media/dial/dial_loop_socket.h"

namespace {

using namespace linkpilot;

double cpu_seconds() {
  rusage usage{};
  ::getrusage(RUSAGE_SELF, &usage);
  const auto seconds = [](const timeval& time) {
    return static_cast<double>(time.tv_sec) + static_cast<double>(time.tv_usec) * 1e-6;
  };
  return seconds(usage.ru_utime) + seconds(usage.ru_stime);
}

// Pages of our own: files mapped by the program do not grow with dials.
std::uint64_t anonymous_kb() {
  std::ifstream status("/proc/self/status");
  for (std::string line; std::getline(status, line);) {
    if (line.starts_with("RssAnon:")) return std::stoull(line.substr(8));
  }
  return 0;
}

struct Load {
  std::string url;
  std::size_t pulls = 100;
  double seconds = 10;
  double opening_seconds = 30;
};

std::size_t opened(const std::vector<std::unique_ptr<prober::Dial>>& dials) {
  std::size_t count = 0;
  for (const auto& dial : dials) {
    const auto newest = dial->progress().newest;
    count += newest && *newest >= prober::DialPhase::key_frame && !dial->done() ? 1U : 0U;
  }
  return count;
}

int run(const Load& load) {
  const auto loop = prober::DialLoop::create().value();
  const std::uint64_t before_kb = anonymous_kb();
  std::vector<std::unique_ptr<prober::Dial>> dials;
  const auto turn_for = [&loop](Duration time) {
    const MonoTime end = loop->now().mono + time;
    while (loop->now().mono < end) loop->turn(std::chrono::milliseconds(10));
  };
  for (std::size_t i = 0; i < load.pulls; ++i) {
    prober::DialRequest request;
    request.url = load.url;
    request.length = std::chrono::hours(1);
    request.seed = i + 1;
    request.policy.trust_given_target = true;
    dials.push_back(prober::make_dial(*loop, std::move(request)));
    dials.back()->start();
    if (i % 20 == 19) turn_for(std::chrono::milliseconds(50));
  }
  const MonoTime give_up =
      loop->now().mono +
      std::chrono::milliseconds(static_cast<std::int64_t>(load.opening_seconds * 1e3));
  while (opened(dials) < load.pulls && loop->now().mono < give_up) {
    turn_for(std::chrono::milliseconds(500));
  }
  fmt::print("{{\"open\": {}}}\n", opened(dials));  // says when the steady window begins
  std::fflush(stdout);
  const prober::LagCounts lag_before = loop->lag();
  const double cpu_before = cpu_seconds();
  const MonoTime began = loop->now().mono;
  turn_for(std::chrono::milliseconds(static_cast<std::int64_t>(load.seconds * 1e3)));
  const double cpu = cpu_seconds() - cpu_before;
  const double wall = std::chrono::duration<double>(loop->now().mono - began).count();
  const std::uint64_t after_kb = anonymous_kb();
  const prober::ProbeHealth health = prober::health_between(lag_before, loop->lag());
  std::size_t fine = 0;
  std::uint64_t octets = 0;
  const std::size_t open = opened(dials);
  for (const auto& dial : dials) {
    dial->stop();
    const prober::DialReport report = dial->report();
    fine += report.verdict.kind == prober::VerdictKind::fine ? 1U : 0U;
    octets += report.playback.steady_rate.value;
  }
  fmt::print(
      "{{\"pulls\": {}, \"open\": {}, \"fine\": {}, \"cpu_ratio\": {:.4f}, \"lag_p99_ms\": {:.3f}, "
      "\"overloaded\": {}, \"bytes_per_pull\": {}, \"steady_kbit_per_s\": {}}}\n",
      load.pulls, open, fine, cpu / wall,
      std::chrono::duration<double, std::milli>(health.loop_lag_p99).count(), health.overloaded,
      (after_kb - before_kb) * 1024 / load.pulls, octets / 1000 / load.pulls);
  dials.clear();
  return 0;
}

}  // namespace

int main(int argc, char** argv) {
  Load load;
  linkpilot::CommandLine words("Many pulls of one URL on one loop: what they cost");
  linkpilot::Command app = words.root();
  app.option("URL", load.url).required();
  app.option("--pulls", load.pulls);
  app.option("--seconds", load.seconds, "of the steady window");
  app.option("--opening-seconds", load.opening_seconds, "until all must be open");
  if (const auto code = words.parse(argc, argv)) return *code;
  return run(load);
}
