#include <memory>
#include <string>

#include "tools/linkpilot/context.h"
#include "tools/linkpilot/path_run.h"

namespace linkpilot::cli {
namespace {

constexpr std::uint16_t kUdpPort = 33434;  // where traceroute begins; nobody listens there
constexpr std::uint16_t kTcpPort = 1935;   // RTMP
constexpr std::uint16_t kEchoSequence = 1;

struct PathWords {
  PathOrder order;
  std::string protocol = "udp";
  int port = 0;
  int source_port = 0;
  std::uint32_t flows = 4;
  int rounds = -1;  // not said
  int hops = 30;
  double interval = 1;
  double timeout = 1;
  double rate = 200;
  int dscp = 0;
  bool all_paths = false;
  double confidence = 95;
  int mtu_most = 1500;
  bool four = false;
  bool six = false;
};

Duration path_seconds(double seconds) {
  return std::chrono::duration_cast<Duration>(std::chrono::duration<double>(seconds));
}

void understand_path(PathWords& words) {
  prober::TraceOptions& trace = words.order.trace;
  prober::PathFlow& flow = trace.first;
  std::uint16_t usual = kUdpPort;
  if (words.protocol == "tcp") {
    flow.protocol = prober::PathProtocol::tcp;
    usual = kTcpPort;
  } else if (words.protocol == "icmp") {
    flow.protocol = prober::PathProtocol::icmp;
    usual = kEchoSequence;
  }
  flow.destination_port = words.port == 0 ? usual : static_cast<std::uint16_t>(words.port);
  flow.source_port = static_cast<std::uint16_t>(words.source_port);
  flow.dscp = static_cast<std::uint8_t>(words.dscp);
  trace.flows = words.flows;
  const int usual_rounds = words.order.watch ? 0 : 3;
  trace.rounds = static_cast<std::uint32_t>(words.rounds < 0 ? usual_rounds : words.rounds);
  trace.hops_max = static_cast<std::uint8_t>(words.hops);
  trace.interval = path_seconds(words.interval);
  trace.timeout = path_seconds(words.timeout);
  trace.packets_per_second = words.rate;
  trace.all_paths = words.all_paths;
  trace.confidence = words.confidence / 100;
  words.order.mtu_most = static_cast<std::size_t>(words.mtu_most);
  if (words.four) words.order.family = prober::AddressFamily::v4;
  if (words.six) words.order.family = prober::AddressFamily::v6;
}

void add_path_options(Command path, PathWords& words) {
  path.option("--proto", words.protocol, "what is sent: udp, tcp (a SYN) or icmp (an echo)")
      .one_of({"udp", "tcp", "icmp"})
      .shows_default();
  path.option("--port", words.port, "to this port (default: udp 33434, tcp 1935)").range(1, 65535);
  path.option("--source-port", words.source_port,
              "from this port, the next flow from the next (default: any)")
      .range(1, 65535);
  path.option("--flows", words.flows, "so many flows, which routers may spread over several paths")
      .range(1, prober::kFlowsMax)
      .shows_default();
  path.option("--rounds", words.rounds,
              "ask every hop so often; 0: until interrupted (default: 3, with --watch 0)")
      .range(0, 1'000'000);
  path.option("--interval", words.interval, "seconds between rounds")
      .range(0.0, 3600.0)
      .shows_default();
  path.flag("--all-paths", words.all_paths, "trace more flows until all paths are found");
  path.option("--confidence", words.confidence, "of --all-paths, in percent")
      .range(50.0, 99.9)
      .shows_default();
  path.flag("--mtu", words.order.mtu, "seek the largest packet that passes, with echo requests");
  path.option("--mtu-max", words.mtu_most, "of --mtu: try no larger ones")
      .range(576, static_cast<double>(prober::kPacketOctetsMax))
      .shows_default();
  path.flag("--watch", words.order.watch, "show it while it runs, as mtr does");
  path.option("--max-hops", words.hops, "go no further").range(1, prober::kHopsMax).shows_default();
  path.option("--timeout-hop", words.timeout, "seconds to wait for an answer at most")
      .range(0.05, 60.0)
      .shows_default();
  path.option("--rate", words.rate, "packets a second at most").range(1.0, 10000.0).shows_default();
  path.option("--dscp", words.dscp, "of the probes: what the real traffic has").range(0, 63);
  const Option four = path.flag("-4", words.four, "IPv4 only");
  path.flag("-6", words.six, "IPv6 only").excludes(four);
}

}  // namespace

void add_path(Command app, Context& context) {
  Command path =
      app.verb("path", "Trace the hops to a host, all paths and their loss; needs no collector");
  auto words = std::make_shared<PathWords>();
  path.option("HOST", words->order.host, "name or address").required();
  add_path_options(path, *words);
  path.footer(
      "Each flow keeps its ports, so routers that balance by them send all its probes one way;\n"
      "several flows show the several ways. A hop that loses answers while later hops do not is\n"
      "only slow to answer: most routers limit that. Loss is real, and is told, where it persists\n"
      "on every later hop of the same flow, the destination included.\n"
      "'answers over N hops': the way back is longer or shorter than the way there (a guess from\n"
      "the TTL of answers). 'NAT before it': what the hop quotes is not what was sent.\n"
      "To see the path of a link's probes, give its ports: --port and --source-port.\n"
      "Needs the right CAP_NET_RAW: run it with sudo, or once\n"
      "  sudo setcap cap_net_raw+ep \"$(command -v linkpilot)\"\n"
      "Exit codes: 0 reached without loss, 1 not reached, a hop loses packets or large ones "
      "vanish,\n"
      "2 usage, 3 could not trace (no right, no way there).\n\n"
      "  linkpilot path edge.example\n"
      "  linkpilot path edge.example --watch\n"
      "  linkpilot path edge.example --proto tcp --port 1935 --flows 8\n"
      "  linkpilot path edge.example --mtu\n"
      "  linkpilot path 192.0.2.7 --all-paths --json\n"
      "  linkpilot path 192.0.2.7 --port 862 --source-port 40862 --flows 1");
  on_run(path, context, [&context, words] {
    understand_path(*words);
    words->order.json = context.json;
    return run_path(words->order);
  });
}

}  // namespace linkpilot::cli
