// linkpilot-agent: the wiring diagram.
#include <malloc.h>
#include <sys/prctl.h>

#include <asio/io_context.hpp>
#include <cstdio>

#include "agent/config/agent_config.h"
#include "agent/daemon/agent.h"
#include "base/runtime/command_line.h"
#include "base/runtime/lifecycle.h"
#include "base/runtime/log.h"
#include "base/time.h"

namespace {

constexpr const char* kDescription =
    "linkpilot-agent: measures the links of this node, reports to the collector, and keeps the\n"
    "route table and the marks of dead first hops that media processes read.\n\n"
    "  First start:  linkpilot keys new /etc/linkpilot/agent.key, give agent.key.pub to the\n"
    "                collector (linkpilot agent enrol NAME --file agent.key.pub), set [node] name\n"
    "                to NAME, bring the collector's collector.key.pub and routes.key.pub here.\n"
    "  Check:        linkpilot-agent --config FILE --check-config\n"
    "  Reload:       kill -HUP PID (a file with a mistake changes nothing; new keys are read,\n"
    "                and the agent connects anew, without losing a report)\n"
    "  Restart:      kill -USR2 PID, then start it again (systemctl restart does): its peers wait "
    "for\n"
    "                it, routes stay, media forwards on. SIGTERM stops it, and nobody waits\n"
    "  State:        reports wait in STATE/spool until the collector has them; STATE/metrics.prom\n"
    "                has the agent's figures in Prometheus text form, also while no collector is\n"
    "                there\n"
    "  Rights:       none, but CAP_NET_BIND_SERVICE for a stamp_port below 1024\n\n"
    "Every key is explained in the shipped agent.toml.";

int check_config(const linkpilot::Result<linkpilot::agent::AgentConfig>& config,
                 const std::string& path) {
  if (!config) {
    std::fprintf(stderr, "%s\n", config.error().message.c_str());
    return 1;
  }
  std::printf("%s: good (node %s, %zu port(s), %zu collector(s))\n", path.c_str(),
              config->self.name.c_str(), config->self.ports.size(), config->collectors.size());
  return 0;
}

// Small and punctual: one malloc arena, and wake-ups that are not rounded to 50 us.
void set_up_process() {
  ::mallopt(M_ARENA_MAX, 1);
  ::mallopt(M_TRIM_THRESHOLD, 256 * 1024);
  ::prctl(PR_SET_TIMERSLACK, 1UL, 0UL, 0UL, 0UL);
}

}  // namespace

int main(int argc, char** argv) {
  std::string path = "/etc/linkpilot/agent.toml";
  bool check_only = false;
  linkpilot::CommandLine words(kDescription, "linkpilot-agent " LINKPILOT_VERSION);
  linkpilot::Command app = words.root();
  app.option("--config", path, "Configuration file").shows_default();
  app.flag("--check-config", check_only, "Read the configuration, say what is wrong, and exit");
  if (const auto code = words.parse(argc, argv)) return *code;

  auto config = linkpilot::agent::load_agent_config(path);
  if (check_only || !config) return check_config(config, path);
  linkpilot::set_log_level(config->log_level);
  set_up_process();

  asio::io_context loop(1);
  linkpilot::SystemClock clock;
  auto agent = linkpilot::agent::Agent::create(loop, std::move(*config), clock);
  if (!agent) {
    std::fprintf(stderr, "linkpilot-agent: %s\n", agent.error().message.c_str());
    return 1;
  }
  using linkpilot::ByeReason;
  const linkpilot::SignalWatch signals(
      loop, [&] { (*agent)->leave(ByeReason::stop); }, [&] { (*agent)->reload(path); },
      [&] { (*agent)->leave(ByeReason::restart); });
  (*agent)->start();
  if ((*agent)->outcome()) loop.run();
  if (!(*agent)->outcome()) {
    std::fprintf(stderr, "linkpilot-agent: %s\n", (*agent)->outcome().error().message.c_str());
    return 1;
  }
  return 0;
}
