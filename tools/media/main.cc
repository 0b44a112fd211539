// linkpilot-media: the forwarding media process of the demo, one per node.
#include <sys/prctl.h>

#include <cerrno>
#include <csignal>
#include <cstdio>
#include <ctime>
#include <string>
#include <vector>

#include "base/runtime/command_line.h"
#include "base/runtime/curve_keys.h"
#include "tools/media/media_node.h"

using namespace linkpilot;

namespace {

volatile std::sig_atomic_t stop_asked = 0;

void on_stop(int) { stop_asked = 1; }

int run(media::MediaOptions options, Duration tick) {
  SystemClock clock;
  auto node = media::MediaNode::create(std::move(options), clock.now());
  if (!node) {
    std::fprintf(stderr, "linkpilot-media: %s\n", node.error().message.c_str());
    return 3;
  }
  struct sigaction action{};
  action.sa_handler = on_stop;
  sigaction(SIGINT, &action, nullptr);
  sigaction(SIGTERM, &action, nullptr);
  // The default slack of 50 us would be added to every wake.
  prctl(PR_SET_TIMERSLACK, 1UL, 0UL, 0UL, 0UL);

  MonoTime due = clock.now().mono;
  while (stop_asked == 0) {
    const Now now = clock.now();
    (*node)->step(now);
    due += tick;
    if (due < now.mono) due = now.mono + tick;  // late: go on from here, no burst of steps
    const timespec until{.tv_sec = due.ns / 1'000'000'000, .tv_nsec = due.ns % 1'000'000'000};
    while (clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &until, nullptr) == EINTR &&
           stop_asked == 0) {
    }
  }
  return 0;
}

}  // namespace

int main(int argc, char** argv) {
  CommandLine words(
      "Sends a paced datagram stream to every other node of a route table, along the looked-up "
      "paths,\n"
      "relays the streams of others and records what arrives. Run one per node, in its network\n"
      "namespace, beside the node's agent. The demo (tools/demo) starts and reads it.",
      "linkpilot-media " LINKPILOT_VERSION);
  Command app = words.root();
  media::MediaOptions options;
  std::vector<std::string> signers;
  std::string listen;
  double tick_ms = 2;
  app.option("--name", options.name, "name of the node; names the output files").required();
  app.option("--routes", options.routes.table_path, "route table the agent writes").required();
  app.option("--marks", options.routes.marks_path, "marks file the agent writes").required();
  app.option("--signer", signers, "public key file of who signs tables; may be repeated")
      .required();
  app.option("--output", options.output_folder, "folder for NAME.receipts and NAME.events.jsonl")
      .shows_default();
  app.option("--port", options.port, "UDP port, the same at every node").shows_default();
  app.option("--listen", listen, "address of this host to use, where it has other nodes too");
  app.option("--rate", options.datagrams_per_second, "datagrams per second of each stream")
      .range(0.1, 1000.0)
      .shows_default();
  app.option("--lookups", options.lookups_per_second, "further look-ups per second, in batches")
      .range(0.0, 1e6)
      .shows_default();
  app.option("--bytes", options.datagram_bytes, "octets of a datagram")
      .range(media::kHeaderBytes, media::kDatagramBytesMax)
      .shows_default();
  app.option("--tick", tick_ms, "milliseconds between wakes").range(1.0, 100.0).shows_default();
  app.option("--seed", options.seed, "draws the streams' phases").shows_default();
  if (const auto code = words.parse(argc, argv)) return *code;
  if (!listen.empty()) {
    const auto address = IpAddress::parse(listen);
    if (!address) {
      std::fprintf(stderr, "linkpilot-media: --listen %s: %s\n", listen.c_str(),
                   address.error().message.c_str());
      return 2;
    }
    options.listen = *address;
  }
  for (const std::string& signer : signers) {
    const auto key = load_signing_public_key(signer);
    if (!key) {
      std::fprintf(stderr, "linkpilot-media: %s\n", key.error().message.c_str());
      return 2;
    }
    options.routes.signers.push_back(*key);
  }
  return run(std::move(options), Duration(static_cast<std::int64_t>(tick_ms * 1e6)));
}
