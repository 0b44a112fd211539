// linkpilot-collector: reads its configuration, builds the parts, runs the loop.
#include <fmt/format.h>

#include <asio/io_context.hpp>
#include <csignal>
#include <cstdio>

#include "base/runtime/command_line.h"
#include "base/runtime/files.h"
#include "base/runtime/lifecycle.h"
#include "base/runtime/log.h"
#include "collector/api/api.h"
#include "collector/api/http_server.h"
#include "collector/config/config.h"
#include "collector/daemon/backup.h"
#include "collector/daemon/collector.h"
#include "collector/daemon/setup.h"

namespace {

using namespace linkpilot;
using namespace linkpilot::collector;

constexpr int kFailed = 1;
constexpr std::size_t kTokenBytesMax = 4'096;
constexpr std::size_t kTokenLengthMin = 16;

struct Arguments {
  std::string config = "/etc/linkpilot/collector.toml";
  SetupPlace init;
  std::string backup;
  std::string check_backup;
  std::string restore;
  bool keep_config = false;
  bool check = false;
};

int complain(const Error& error) {
  fmt::print(stderr, "linkpilot-collector: {}\n", error.message);
  return kFailed;
}

int run_init(const SetupPlace& place) {
  const Result<SetupReport> report = set_up(place);
  if (!report) return complain(report.error());
  for (const std::string& path : report->made) fmt::print("made {}\n", path);
  for (const std::string& path : report->kept) fmt::print("kept {}\n", path);
  fmt::print("\nThe collector's public key, for the agents:\n  {}\n\n", report->public_key);
  fmt::print("Next:\n  linkpilot-collector --config {}\n", report->config_file);
  fmt::print(
      "For each node: its agent needs {0}/collector.key.pub and {0}/routes.key.pub (no\n"
      "other file of this folder), and its own public key is let in by\n"
      "  linkpilot --token-file {0}/token agent enrol NAME --file agent.key.pub --reason WHY\n",
      place.directory);
  return 0;
}

int run_backup(const Arguments& arguments) {
  const Result<BackupReport> report =
      make_backup(arguments.config, arguments.backup, SystemClock().now().wall);
  if (!report) return complain(report.error());
  fmt::print("{}: {} files, {} octets, {} segments of reports. It holds secret keys.\n",
             report->directory, report->files, report->octets, report->segments);
  return 0;
}

int run_check_backup(const Arguments& arguments) {
  const Result<BackupManifest> manifest = check_backup(arguments.check_backup);
  if (!manifest) return complain(manifest.error());
  fmt::print("{}: whole, made {} by {}, {} files\n", arguments.check_backup,
             format_utc(manifest->made), manifest->software, manifest->files.size());
  return 0;
}

int run_restore(const Arguments& arguments) {
  const Result<RestoreReport> report =
      restore_backup(arguments.restore, arguments.config,
                     arguments.keep_config ? ConfigOfRestore::keep : ConfigOfRestore::from_backup,
                     SystemClock().now().wall);
  if (!report) return complain(report.error());
  fmt::print("restored the collector of {}: {} files, store {}\n",
             format_utc(report->manifest.made), report->manifest.files.size(), report->store_path);
  fmt::print("Its public key, which the agents know:\n  {}\n\n", report->public_key);
  fmt::print(
      "Next: give this machine the address that the agents connect to, then\n"
      "  linkpilot-collector --config {}\n",
      report->config_file);
  return 0;
}

Result<std::string> load_token(const std::string& path) {
  if (path.empty()) return std::string();
  Result<std::vector<std::uint8_t>> bytes = read_file(path, kTokenBytesMax);
  if (!bytes) return fail(bytes.error().in("[api] token_file"));
  std::string token(bytes->begin(), bytes->end());
  while (!token.empty() && (token.back() == '\n' || token.back() == '\r' || token.back() == ' ')) {
    token.pop_back();
  }
  if (token.size() < kTokenLengthMin) {
    return fail(ErrorCode::invalid_argument,
                fmt::format("[api] token_file: {}: a token needs at least {} characters", path,
                            kTokenLengthMin));
  }
  return token;
}

int run(const Arguments& arguments) {
  const Result<CollectorConfig> config = load_config(arguments.config);
  if (!config) return complain(config.error());
  const Result<std::string> token = load_token(config->api.token_file);
  if (arguments.check) {
    if (!token) return complain(token.error());
    for (const std::string& warning : config_warnings(*config)) {
      fmt::print(stderr, "{}: warning: {}\n", arguments.config, warning);
    }
    fmt::print("{}: fine\n", arguments.config);
    return 0;
  }
  if (!token) return complain(token.error());
  set_log_level(config->log_level);
  // A file size limit is a failed write, which the store survives, not the end.
  std::signal(SIGXFSZ, SIG_IGN);
  std::signal(SIGPIPE, SIG_IGN);

  asio::io_context loop(1);
  Result<std::unique_ptr<Collector>> collector = Collector::create(loop, *config);
  if (!collector) return complain(collector.error());
  Collector& running = **collector;
  Api api(
      {*token, running.store_path(),
       [&running](const std::optional<Mailbox>& to) { return running.notifier().test(to); }},
      [&running] { return running.view(); }, running.events(), running.probes(),
      [&running](const Order& order) { return running.order(order); });
  std::unique_ptr<HttpServer> http;
  if (!config->listen.http.empty()) {
    Result<std::unique_ptr<HttpServer>> started =
        HttpServer::start({config->listen.http, config->listen.http_threads},
                          [&api](const ApiRequest& request) { return api.answer(request); });
    if (!started) return complain(started.error().in("[listen] http"));
    http = *std::move(started);
  }
  const SignalWatch signals(
      loop, [&loop] { loop.stop(); },
      [&running, &arguments] {
        notify_service_manager("RELOADING=1");
        Result<CollectorConfig> changed = load_config(arguments.config);
        if (changed) {
          running.reconfigure(*changed);
        } else {
          running.refuse_configuration(changed.error());
        }
        notify_service_manager("READY=1");
      });
  running.start();
  // The ports that were bound, for scripts that asked for any.
  fmt::print("{{\"ready\":true,\"agents\":\"{}\",\"agents_next\":\"{}\",\"http_port\":{}}}\n",
             running.bound_endpoint(), running.next_endpoint(), http ? http->port() : 0);
  std::fflush(stdout);
  notify_service_manager("READY=1");
  loop.run();
  notify_service_manager("STOPPING=1");
  running.stop();
  http.reset();
  return 0;
}

}  // namespace

int main(int argc, char** argv) {
  Arguments arguments;
  CommandLine words(
      "Takes in what the agents of a LinkPilot fleet measure, decides which way media should "
      "travel, and\n"
      "publishes signed route tables to every node.\n\n"
      "First time:  linkpilot-collector --init /etc/linkpilot\n"
      "Then:        linkpilot-collector --config /etc/linkpilot/collector.toml\n"
      "Enrol:       linkpilot agent enrol NAME --file KEY.pub --reason WHY; or put the key\n"
      "             into the enrolled directory as NAME.pub\n"
      "Look:        linkpilot status, or curl http://127.0.0.1:7180/v1/status\n"
      "Reload:      kill -HUP PID (a file with a mistake changes nothing; keys are read again)\n"
      "Back up:     linkpilot-collector --backup DIR (it may run meanwhile), and elsewhere\n"
      "             linkpilot-collector --restore DIR; agents need not be touched",
      "linkpilot-collector " LINKPILOT_VERSION);
  Command app = words.root();
  app.option("--config", arguments.config, "configuration file (commented default: collector.toml)")
      .shows_default();
  app.flag("--check-config", arguments.check,
           "read the configuration, name its mistakes, and exit");
  app.option("--init", arguments.init.directory,
             "make keys, a token and a starter configuration in this directory, and exit");
  app.option("--state", arguments.init.state,
             "with --init: where the store and the enrolled keys will be, instead of there");
  app.option("--user", arguments.init.user,
             "with --init: whom the secrets and the enrolled keys shall belong to");
  app.option("--backup", arguments.backup,
             "copy store, keys and configuration into this new directory, and exit");
  app.option("--check-backup", arguments.check_backup,
             "read a backup and compare it with its checksums, and exit");
  app.option("--restore", arguments.restore,
             "put a backup where its configuration says (--config: where that goes), and exit");
  app.flag("--keep-config", arguments.keep_config,
           "with --restore: the configuration is there already, use it");
  if (const auto code = words.parse(argc, argv)) return *code;
  if (!arguments.backup.empty()) return run_backup(arguments);
  if (!arguments.check_backup.empty()) return run_check_backup(arguments);
  if (!arguments.restore.empty()) return run_restore(arguments);
  return arguments.init.directory.empty() ? run(arguments) : run_init(arguments.init);
}
