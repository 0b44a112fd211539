#include "tools/linkpilot/path_run.h"

#include <fmt/format.h>
#include <sys/random.h>
#include <unistd.h>

#include <algorithm>
#include <cstdio>
#include <cstring>
#include <optional>

#include "prober/media/dial/dial_loop_socket.h"
#include "prober/media/dial/resolver_socket.h"
#include "prober/path/path_socket.h"
#include "prober/path/trace.h"
#include "tools/linkpilot/context.h"
#include "tools/linkpilot/path_text.h"
#include "tools/linkpilot/stop_wish.h"

namespace linkpilot::cli {
namespace {

constexpr Duration kLookUpLimit = std::chrono::seconds(10);
constexpr Duration kTurnMax = std::chrono::milliseconds(200);
constexpr Duration kRedrawEach = std::chrono::milliseconds(500);
// Below the ports the kernel gives to sockets (32768 on), so that no answer meets one of those.
constexpr std::uint16_t kSourcePortLeast = 20000;
constexpr std::uint16_t kSourcePorts = 12000;
constexpr std::uint16_t kEchoSequenceOfMtu = 2;
constexpr std::uint8_t kLargeAttempts = 3;

Result<IpAddress> address_of(const PathOrder& order, StopWish& stop) {
  if (const auto literal = IpAddress::parse(order.host)) return *literal;
  auto loop = prober::DialLoop::create();
  if (!loop) return fail(loop.error());
  prober::Resolver resolver(**loop);
  std::optional<prober::Resolved> answer;
  const prober::ResolverOptions options{
      .servers = {}, .family = order.family, .overrides = {}, .client_subnet = {}};
  resolver.resolve(order.host, options, kLookUpLimit,
                   [&answer](prober::Resolved resolved) { answer = std::move(resolved); });
  while (!answer && !stop.wished()) {
    (*loop)->turn(kTurnMax);
    stop.note();
  }
  if (!answer || answer->failure || answer->report.answers.empty()) {
    return fail(ErrorCode::not_found,
                fmt::format("cannot find an address of {}{}", order.host,
                            answer && answer->failure ? ": " + answer->failure->sentence : ""));
  }
  return answer->report.answers.front().address;
}

std::uint64_t random_number() {
  std::uint64_t number = 0;
  while (::getrandom(&number, sizeof number, 0) != sizeof number) {
  }
  return number;
}

Result<prober::TraceOptions> prepare(const PathOrder& order, StopWish& stop) {
  prober::TraceOptions options = order.trace;
  const auto destination = address_of(order, stop);
  if (!destination) return fail(destination.error());
  options.first.destination = *destination;
  const auto source = prober::source_address_to(*destination);
  if (!source) return fail(source.error());
  options.first.source = *source;
  options.secret = random_number();
  if (options.first.source_port == 0) {
    options.first.source_port =
        static_cast<std::uint16_t>(kSourcePortLeast + options.secret % kSourcePorts);
  }
  if (const Status fine = prober::check(options); !fine) return fail(fine.error());
  return options;
}

class PathRunner {
 public:
  PathRunner(const PathOrder& order, const prober::TraceOptions& options,
             prober::PathSocket& socket, StopWish& stop)
      : order_(order),
        target_{.host = order.host, .options = options},
        socket_(socket),
        stop_(stop),
        trace_(options, clock_.now().mono),
        live_(order.watch && !order.json && ::isatty(STDOUT_FILENO) == 1) {}

  int run();

 private:
  [[nodiscard]] Result<PathMtu> seek_mtu();
  [[nodiscard]] std::optional<prober::PathHop> last_hop_of(std::size_t size,
                                                           prober::PathSocket& socket);
  template <class Engine>
  void run_engine(Engine& engine, prober::PathSocket& socket);
  void show_progress();
  void show(const prober::TraceReport& report, const std::optional<PathMtu>& mtu);

  const PathOrder& order_;
  PathTarget target_;
  prober::PathSocket& socket_;
  StopWish& stop_;
  SystemClock clock_;
  prober::Trace trace_;
  bool live_;
  MonoTime shown_{};
  std::uint32_t rounds_shown_ = 0;
};

void PathRunner::show(const prober::TraceReport& report, const std::optional<PathMtu>& mtu) {
  if (order_.json) {
    Json object = trace_json(target_, report);
    object["packets"]["queue_drops"] = socket_.queue_drops();
    if (mtu) object["mtu"] = mtu_json(target_, *mtu);
    print_json("path", object);
  } else if (live_) {
    // Home, the text with each line cleared to its end, then the rest of the screen.
    std::string text = trace_text(target_, report);
    for (std::size_t at = 0; (at = text.find('\n', at)) != std::string::npos; at += 4) {
      text.insert(at, "\033[K");
    }
    fmt::print("\033[H{}\033[J", text);
  } else {
    fmt::print("{}", trace_text(target_, report));
  }
  if (mtu && !order_.json) fmt::print("{}", mtu_text(target_, *mtu));
  if (socket_.queue_drops() > 0 && !order_.json) {
    fmt::print("Our own receive queue dropped {} packets: loss may be ours.\n",
               socket_.queue_drops());
  }
  std::fflush(stdout);
}

// With --watch: on a terminal twice a second, else after each round.
void PathRunner::show_progress() {
  if (!order_.watch || trace_.done()) return;
  const MonoTime now = clock_.now().mono;
  const bool due = live_ ? now - shown_ >= kRedrawEach : trace_.rounds_done() > rounds_shown_;
  if (!due) return;
  shown_ = now;
  rounds_shown_ = trace_.rounds_done();
  show(trace_.report(), std::nullopt);
}

template <class Engine>
void PathRunner::run_engine(Engine& engine, prober::PathSocket& socket) {
  while (!engine.done()) {
    prober::run_turn(engine, socket, clock_, kTurnMax, stop_.fd());
    stop_.note();
    if (stop_.wished()) engine.stop();
    show_progress();
  }
}

// A black hole is after the last hop to which packets of a size that vanishes still come.
std::optional<prober::PathHop> PathRunner::last_hop_of(std::size_t size,
                                                       prober::PathSocket& socket) {
  prober::TraceOptions options = target_.options;
  options.first.protocol = prober::PathProtocol::icmp;
  options.first.destination_port = kEchoSequenceOfMtu;
  options.secret = random_number();
  options.flows = 1;
  options.rounds = 1;
  options.attempts = kLargeAttempts;
  options.all_paths = false;
  options.size = size;
  prober::Trace large(options, clock_.now().mono);
  run_engine(large, socket);
  const prober::TraceReport report = large.report();
  const prober::FlowPath& path = report.flows.front();
  if (path.hops.empty() || path.end != prober::FlowEnd::silent) return std::nullopt;
  return path.hops.back();
}

Result<PathMtu> PathRunner::seek_mtu() {
  prober::MtuOptions options{.flow = target_.options.first,
                             .most = order_.mtu_most,
                             .timeout = target_.options.timeout,
                             .packets_per_second = target_.options.packets_per_second,
                             .secret = random_number()};
  options.flow.protocol = prober::PathProtocol::icmp;
  options.flow.destination_port = kEchoSequenceOfMtu;
  if (const Status fine = prober::check(options); !fine) return fail(fine.error());
  auto socket = prober::PathSocket::open(prober::PathProtocol::icmp, options.flow.destination);
  if (!socket) return fail(socket.error());
  prober::MtuSearch search(options);
  run_engine(search, **socket);
  PathMtu mtu{.found = search.result(), .last_hop = {}};
  if (mtu.found.verdict == prober::MtuVerdict::black_hole && !stop_.wished()) {
    mtu.last_hop = last_hop_of(mtu.found.octets + 1, **socket);
  }
  return mtu;
}

int PathRunner::run() {
  if (live_) fmt::print("\033[2J");
  run_engine(trace_, socket_);
  const prober::TraceReport report = trace_.report();
  if (report.counters.sent == 0 && report.counters.not_sent > 0) {
    return report_failure(
        {ErrorCode::unavailable,
         fmt::format("cannot send to {}: {}", target_.options.first.destination.to_string(),
                     std::strerror(socket_.send_error()))});
  }
  std::optional<PathMtu> mtu;
  if (order_.mtu && !stop_.wished()) {
    const auto sought = seek_mtu();
    if (!sought) return report_failure(sought.error());
    mtu = *sought;
  }
  show(report, mtu);
  const bool reached = std::ranges::all_of(report.flows, [](const prober::FlowPath& path) {
    return path.end == prober::FlowEnd::reached;
  });
  const bool black_hole = mtu && mtu->found.verdict == prober::MtuVerdict::black_hole;
  return reached && report.blames.empty() && !black_hole ? kOk : kNegative;
}

}  // namespace

int run_path(const PathOrder& order) {
  StopWish stop;
  const auto options = prepare(order, stop);
  if (!options) return report_failure(options.error());
  auto socket = prober::PathSocket::open(options->first.protocol, options->first.destination);
  if (!socket) return report_failure(socket.error());
  return PathRunner(order, *options, **socket, stop).run();
}

}  // namespace linkpilot::cli
